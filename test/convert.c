/* `hone convert` on small models made here: there and back again bit for bit, what a format may move, the tokenizer on
 * the way, which matrices a mixture treats better, and what is refused. */
#include "cmd/kit/convert.h"
#include "model/kit/mixture.h"
#include "kit/model_case.h"
#include "model/kit/model.h"
#include "test.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

typedef struct fixture {
    context *cx;
    arena memory;
    char in[300], gguf[300], out[300];
} fixture;

/* A folder with the weights of a golden and a byte-level tokenizer. */
static status open_fixture(test *t, const char *golden, const char *tokenizer, fixture *f) {
    char path[400];
    file_map map;
    model_case c;
    f->cx = context_new();
    f->memory = arena_make(f->cx);
    snprintf(f->in, sizeof f->in, "%s/in", test_folder(t));
    snprintf(f->gguf, sizeof f->gguf, "%s/model.gguf", test_folder(t));
    snprintf(f->out, sizeof f->out, "%s/out", test_folder(t));
    snprintf(path, sizeof path, "test/golden/models/%s.json", golden);
    TRY(model_case_read(f->cx, path, &c));
    TRY(model_case_folder(f->cx, &c, f->in));
    model_case_free(&c);
    snprintf(path, sizeof path, "test/golden/tokenizers/%s.json", tokenizer);
    TRY(file_map_open(f->cx, path, &map));
    snprintf(path, sizeof path, "%s/tokenizer.json", f->in);
    status st = file_write_whole(f->cx, path, map.bytes, map.size_bytes);
    file_map_close(&map);
    return st;
}

static void close_fixture(test *t, fixture *f) {
    arena_free(&f->memory);
    CHECK(t, context_live_allocations(f->cx) == 0, "leak");
    context_free(f->cx);
}

static status run(fixture *f, const char *in, const char *out, const char *format) {
    return convert(f->cx, &f->memory, &(conversion){.in = in, .out = out, .format = format});
}

/* The largest difference between tensors of equal names, over the largest value; -1: names or shapes differ. */
static double apart(const modelfile *a, const modelfile *b) {
    double most = 0, largest = 0;
    static float x[4096], y[4096];
    for (int64_t i = 0; i < a->n_tensors; i++) {
        const modelfile_tensor *s = &a->tensors[i], *t = modelfile_find(b, s->name);
        int64_t columns = s->shape[s->n_dims - 1], rows = modelfile_elems(s) / columns;
        if (!t || modelfile_elems(t) != modelfile_elems(s) || columns > 4096) return -1;
        for (int64_t r = 0; r < rows; r++) {
            s->format->unpack((const char *)s->data + r * num_row_bytes(s->format, columns), 0,
                              columns, x);
            t->format->unpack((const char *)t->data + r * num_row_bytes(t->format, columns), 0,
                              columns, y);
            for (int64_t j = 0; j < columns; j++) {
                most = fmax(most, fabs((double)x[j] - (double)y[j]));
                largest = fmax(largest, fabs((double)x[j]));
            }
        }
    }
    return most / largest;
}

static void there_and_back(test *t) {
    static const struct {
        const char *format, *back;
        double least, most;
    } cases[] = {{NULL, NULL, 0, 0},
                 {"f32", NULL, 0, 0},
                 {"f16", "f16", 1e-6, 1e-3},
                 {"q8_0", "f32", 1e-4, 6e-3}};
    fixture f = {0};
    CHECK_OK(t, f.cx, open_fixture(t, "llama", "gpt2", &f));
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        char out[320];
        modelfile a, b;
        snprintf(out, sizeof out, "%s%d", f.out, (int)i);
        remove(f.gguf);
        CHECK_OK(t, f.cx, run(&f, f.in, f.gguf, cases[i].format));
        CHECK_OK(t, f.cx, run(&f, f.gguf, out, cases[i].back));
        CHECK_OK(t, f.cx, modelfile_open(f.cx, f.in, &a));
        CHECK_OK(t, f.cx, modelfile_open(f.cx, out, &b));
        double moved = apart(&a, &b);
        CHECK(t, moved >= cases[i].least && moved <= cases[i].most && a.n_tensors == b.n_tensors,
              "%s: moved by %g", cases[i].format ? cases[i].format : "as stored", moved);
        modelfile_close(&a);
        modelfile_close(&b);
    }
    close_fixture(t, &f);
}

static status encode(context *cx, const char *path, const char *text, token_list *ids) {
    tokenizer *k;
    encoder *e;
    TRY(tokenizer_open(cx, path, &k));
    status st = encoder_new(cx, k, &e);
    if (st == STATUS_OK) st = encoder_run(e, text, (int64_t)strlen(text), (encode_options){0}, ids);
    encoder_free(e);
    tokenizer_free(k);
    return st;
}

static void tokenizers(test *t) {
    static const char *const kinds[] = {"gpt2", "qwen2", "o200k"};
    static const char *const text =
        "Every tale's 1234 words \u00e9t\u00e9\n\n  are TOLD <|endoftext|> again.";
    for (int64_t i = 0; i < COUNT_OF(kinds); i++) {
        fixture f = {0};
        CHECK_OK(t, f.cx, open_fixture(t, "llama", kinds[i], &f));
        token_list a = {.cx = f.cx}, b = {.cx = f.cx};
        remove(f.gguf);
        CHECK_OK(t, f.cx, run(&f, f.in, f.gguf, NULL));
        CHECK_OK(t, f.cx, encode(f.cx, f.in, text, &a));
        CHECK_OK(t, f.cx, encode(f.cx, f.gguf, text, &b));
        CHECK(t,
              a.count == b.count && a.count > 10 &&
                  !memcmp(a.ids, b.ids, (size_t)a.count * sizeof *a.ids),
              "%s: %lld and %lld ids", kinds[i], (long long)a.count, (long long)b.count);
        token_free(&a);
        token_free(&b);
        close_fixture(t, &f);
    }
}

static void formats(test *t) {
    static const struct {
        const char *format, *state;
        int64_t columns;
        bool tied;
        const char *want;
    } cases[] = {
        {"q4_k_m", "model.layers.5.mlp.up_proj.weight", 256, false, "q4_k"},
        {"q4_k_m", "lm_head.weight", 256, false, "q6_k"},
        {"q4_k_m", "model.embed_tokens.weight", 256, false, "q4_k"},
        {"q4_k_m", "model.embed_tokens.weight", 256, true, "q6_k"},
        {"q4_k_m", "model.layers.0.mlp.down_proj.weight", 256, false, "q6_k"},
        {"q4_k_m", "model.layers.3.mlp.down_proj.weight", 256, false, "q4_k"},
        {"q4_k_m", "model.layers.4.self_attn.v_proj.weight", 256, false, "q6_k"},
        {"q4_k", "model.layers.4.self_attn.v_proj.weight", 320, false, "q5_0"},
        {"q6_k", "model.layers.4.self_attn.v_proj.weight", 320, false, "q8_0"},
        {"q6_k", "model.layers.4.self_attn.v_proj.weight", 100, false, "f16"},
        {"q8_0", "transformer.wpe.weight", 256, false, "f32"},
        {"bf16", "transformer.wpe.weight", 256, false, "bf16"},
    };
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        const num_format *got =
            mixture_format(cases[i].format, cases[i].state, cases[i].columns, 16, cases[i].tied);
        CHECK(t, got && !strcmp(got->name, cases[i].want), "%s of '%s': %s", cases[i].format,
              cases[i].state, got ? got->name : "none");
    }
}

static void refusals(test *t) {
    fixture f = {0};
    CHECK_OK(t, f.cx, open_fixture(t, "llama", "words", &f));
    CHECK_FAILS(t, f.cx, run(&f, f.in, f.gguf, "q9_0"), STATUS_BAD_ARGUMENT,
                "there is no number format 'q9_0'");
    CHECK_FAILS(t, f.cx, mixture_check_single(f.cx, "q4_k_m"), STATUS_UNSUPPORTED, "as q4_k");
    CHECK_FAILS(t, f.cx, mixture_check_single(f.cx, "i32"), STATUS_BAD_ARGUMENT,
                "did you mean 'f32'");
    CHECK_OK(t, f.cx, mixture_check_single(f.cx, "q4_k"));
    CHECK_FAILS(t, f.cx, run(&f, f.in, f.gguf, "nf4"), STATUS_UNSUPPORTED,
                "GGUF has no format 'nf4'");
    CHECK_FAILS(t, f.cx, run(&f, f.in, f.out, "q4_0"), STATUS_UNSUPPORTED,
                "holds f32, bf16 or f16, not 'q4_0'");
    CHECK_FAILS(t, f.cx, run(&f, f.in, f.in, NULL), STATUS_BAD_ARGUMENT, "is there already");
    CHECK_FAILS(t, f.cx, run(&f, "nowhere", f.out, NULL), STATUS_IO, "is not there");
    CHECK_FAILS(t, f.cx, run(&f, f.in, f.gguf, NULL), STATUS_UNSUPPORTED,
                "no tokenizers of whole words");
    struct stat left;
    CHECK(t, stat(f.gguf, &left) != 0, "a file was left behind");
    conversion without = {.in = f.in, .out = f.gguf, .without_tokenizer = true};
    CHECK_OK(t, f.cx, convert(f.cx, &f.memory, &without));
    tokenizer *none;
    CHECK_FAILS(t, f.cx, tokenizer_open(f.cx, f.gguf, &none), STATUS_UNSUPPORTED, "no tokenizer");
    close_fixture(t, &f);
}

const test_case suite_convert[] = {{"there_and_back", there_and_back},
                                   {"tokenizers", tokenizers},
                                   {"formats", formats},
                                   {"refusals", refusals},
                                   {0}};
