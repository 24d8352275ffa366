#include "compress_case.h"
#include "base/file.h"
#include "eval/perplexity.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VOCABULARY = 512 };

static status make_model(context *cx, const char *type, const char *folder) {
    model_config c;
    TRY(model_config_start(cx, type, &c));
    c.layers = 2;
    c.hidden = 128;
    c.heads = 4;
    c.kv_heads = strcmp(type, "llama") ? c.heads : 2;
    c.head_size = 32;
    c.intermediate = 256;
    c.vocabulary = VOCABULARY;
    c.positions = 64;
    c.tied = true;
    c.initializer_range = 0.15;
    TRY(model_config_complete(cx, &c));
    graph *g = graph_new(cx);
    states *s = states_new(cx);
    model_build b = {.g = g, .config = &c};
    value y = model_logits(&b, model_hidden(&b, model_build_inputs(g, 1, 1)));
    graph_mark(g, MARK_OUTPUT, "y", y, NO_VALUE);
    status st = graph_status(g);
    if (st == STATUS_OK) st = model_init(&c, s, g, 7);
    if (st == STATUS_OK) st = model_save(cx, folder, &c, s, "f32");
    states_free(s);
    graph_free(g);
    return st;
}

static status copy(context *cx, const char *from, const char *to, int64_t most) {
    file_map map;
    TRY(file_map_open(cx, from, &map));
    status st = file_write_whole(cx, to, map.bytes, map.size_bytes < most ? map.size_bytes : most);
    file_map_close(&map);
    return st;
}

status compress_case_open(test *t, compress_case *k) {
    return compress_case_open_as(t, "llama", k);
}

status compress_case_open_as(test *t, const char *type, compress_case *k) {
    char path[400];
    k->cx = context_new();
    k->memory = arena_make(k->cx);
    snprintf(k->model, sizeof k->model, "%s/model", test_folder(t));
    snprintf(k->text, sizeof k->text, "%s/text.txt", test_folder(t));
    snprintf(k->out, sizeof k->out, "%s/out", test_folder(t));
    snprintf(k->gguf, sizeof k->gguf, "%s/out.gguf", test_folder(t));
    TRY(make_model(k->cx, type, k->model));
    snprintf(path, sizeof path, "%s/tokenizer.json", k->model);
    TRY(copy(k->cx, "test/golden/tokenizers/gpt2.json", path, 1 << 30));
    return copy(k->cx, "LICENSE", k->text, 1 << 14); /* a text that never changes */
}

void compress_case_close(test *t, compress_case *k) {
    arena_free(&k->memory);
    CHECK(t, context_live_allocations(k->cx) == 0, "leak");
    context_free(k->cx);
}

void compress_case_remove(const char *path) {
    char item[700];
    struct dirent *at;
    DIR *d = opendir(path);
    while (d && (at = readdir(d))) {
        snprintf(item, sizeof item, "%s/%s", path, at->d_name);
        (void)unlink(item);
    }
    if (d) closedir(d);
    (void)remove(path);
}

compress_options compress_case_options(compress_case *k, const char *recipe, const char *out) {
    return (compress_options){.model = k->model,
                              .out = out ? out : k->out,
                              .recipe = recipe,
                              .calib = k->text,
                              .calib_sequences = 16,
                              .calib_length = 64,
                              .threads = 2};
}

status compress_case_run(compress_case *k, const char *recipe, const char *out,
                         compress_result *r) {
    compress_result own;
    compress_options o = compress_case_options(k, recipe, out);
    compress_case_remove(o.out);
    return compress_run(k->cx, &o, r ? r : &own);
}

status compress_case_nats(compress_case *k, const char *model, const char *act, double *out) {
    likelihood l;
    file_map text;
    perplexity_result r = {0};
    likelihood_options o = {.context = 64, .threads = 2, .w8a8 = act ? num_find(act) : NULL};
    TRY(likelihood_open(k->cx, model, NULL, &o, &l));
    status st = file_map_open(k->cx, k->text, &text);
    if (st == STATUS_OK) {
        st = perplexity_run(&l, text.bytes, text.size_bytes, &(perplexity_options){0}, &r);
        file_map_close(&text);
    }
    likelihood_close(&l);
    *out = r.nats;
    return st;
}

void compress_case_refused(test *t, compress_case *k, const char *recipe, const char *out,
                           const char *words) {
    compress_options o = compress_case_options(k, recipe, out);
    compress_result r;
    status st = compress_run(k->cx, &o, &r);
    CHECK(t, st != STATUS_OK && strstr(context_error(k->cx), words), "%s: %s", recipe,
          context_error(k->cx));
    CHECK(t, !file_exists(o.out), "%s left something", recipe);
}
