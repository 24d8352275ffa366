#include "kit/tiny.h"
#include "base/file.h"
#include "model/kit/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static status save_random(context *cx, const char *folder, const model_config *c) {
    graph *g = graph_new(cx);
    states *s = states_new(cx);
    if (!g || !s) return STATUS_NO_MEMORY;
    model_build b = {.g = g, .config = c};
    value hidden = model_hidden(&b, model_build_inputs(g, 4, 1));
    const model_def *def = model_find(c->model_type, NULL);
    if (def->logits) (void)model_logits(&b, hidden);
    status st = graph_status(g);
    if (st == STATUS_OK) st = model_init(c, s, g, 3);
    if (st == STATUS_OK) st = model_save(cx, folder, c, s, "bf16");
    states_free(s);
    graph_free(g);
    return st;
}

static status copy_tokenizer(context *cx, const char *folder, const char *from) {
    char path[512];
    file_map map;
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    TRY(file_map_open(cx, from, &map));
    status st = file_write_whole(cx, path, map.bytes, map.size_bytes);
    file_map_close(&map);
    return st;
}

static status make_decoder(context *cx, const char *folder) {
    model_config c;
    TRY(model_preset(cx, "1m", &c));
    c.vocabulary = 660;
    c.initializer_range = 0.3;
    c.begin_token = 1;
    c.end_tokens[0] = 2;
    c.end_token_count = 1;
    TRY(save_random(cx, folder, &c));
    tiny_text(folder, "tokenizer_config.json",
              "{\"bos_token\": \"<s>\", \"chat_template\": \"{% for m in messages %}[{{ m.role }}]"
              "{{ m.content }}{% endfor %}\"}");
    return copy_tokenizer(cx, folder, "test/golden/tokenizers/llama.json");
}

static status make_encoder(context *cx, const char *folder) {
    model_config c;
    TRY(model_config_start(cx, "bert", &c));
    c.layers = 2;
    c.hidden = TINY_WIDTH;
    c.heads = c.kv_heads = 2;
    c.intermediate = 64;
    c.vocabulary = 1024;
    c.positions = 64;
    c.initializer_range = 0.2;
    TRY(model_config_complete(cx, &c));
    TRY(save_random(cx, folder, &c));
    return copy_tokenizer(cx, folder, "test/golden/tokenizers/wordpiece.json");
}

static bool made(test *t, const context *cx, status st) {
    if (st != STATUS_OK) test_fail(t, __FILE__, __LINE__, "model", "%s", context_error(cx));
    return st == STATUS_OK;
}

bool tiny_model(test *t, context *cx, const char *folder) {
    mkdir(folder, 0777);
    return made(t, cx, make_decoder(cx, folder));
}

bool tiny_encoder(test *t, context *cx, const char *folder) {
    mkdir(folder, 0777);
    return made(t, cx, make_encoder(cx, folder));
}

void tiny_text(const char *folder, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    if (!out) abort();
    fputs(text, out);
    fclose(out);
}
