#include "cmd/kit/convert.h"
#include "model/kit/mixture.h"
#include "base/file.h"
#include "base/progress.h"
#include "infer/model_words.h"
#include "model/kit/gguf_names.h"
#include <string.h>

#define LEAVE_OUT "the tokenizer, which --without-tokenizer leaves out"

typedef struct converting {
    context *cx;
    arena *memory;
    const conversion *how;
    model *m;
    graph *g;
    states *store;
    tokenizer *tokenizer;
    progress progress;
    int64_t done;
} converting;

static bool is_gguf_name(const char *path) {
    size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".gguf");
}

static status check(const converting *w) {
    const conversion *c = w->how;
    const char *f = c->format;
    TRY(model_check_there(w->cx, c->in));
    TRY(file_check_new(w->cx, c->out));
    if (f && !mixture_knows(f)) return mixture_unknown(w->cx, f);
    const num_format *format = f ? num_find(f) : NULL;
    if (format && is_gguf_name(c->out) && !gguf_dtype_of_name(f))
        FAIL(w->cx, STATUS_UNSUPPORTED, "GGUF has no format '%s'", f);
    if (f && !is_gguf_name(c->out) &&
        (!format || format->kind != NUM_FLOAT || format->block_bytes > 4))
        FAIL(w->cx, STATUS_UNSUPPORTED,
             "a model folder holds f32, bf16 or f16, not '%s'; name OUT *.gguf", f);
    return STATUS_OK;
}

/* All parameters of the model, mapped where they can be. */
static status load(converting *w) {
    TRY(model_open(w->cx, w->how->in, &w->m));
    w->m->config.upright |= is_gguf_name(w->how->out);
    w->g = graph_new(w->cx);
    w->store = states_new(w->cx);
    if (!w->g || !w->store) return STATUS_NO_MEMORY;
    model_build b = {.g = w->g,
                     .config = &w->m->config,
                     .def = w->m->def,
                     .format = model_stored_format,
                     .user = w->m};
    value hidden = model_hidden(&b, model_build_inputs(w->g, 1, 1));
    if (w->m->def->logits) hidden = model_logits(&b, hidden);
    graph_mark(w->g, MARK_OUTPUT, "y", hidden, NO_VALUE);
    TRY(graph_status(w->g));
    return model_load(w->m, w->store, w->g);
}

/* ---- to GGUF ---- */
static const num_format *format_of(void *user, const char *name, int32_t rank) {
    converting *w = user;
    const tensor *t = &states_find(w->store, name)->t;
    const model_config *c = &w->m->config;
    (void)rank;
    progress_show(&w->progress, w->done++, NULL);
    if (w->how->format)
        return mixture_format(w->how->format, name, t->dim[t->rank - 1], c->layers, c->tied);
    return t->format;
}

/* What readers expect of a file without a tokenizer. */
static const gguf_pair no_tokenizer = {"tokenizer.ggml.model",
                                       {.type = GGUF_STRING, .text = {"no_vocab", 8}}};

static status to_gguf(converting *w) {
    gguf_pair pairs[MODEL_WORDS_PAIRS] = {no_tokenizer};
    int64_t count = 1;
    if (!w->how->without_tokenizer)
        TRY_NOTE(w->cx, model_words_pairs(w->m, w->memory, &w->tokenizer, pairs, &count),
                 LEAVE_OUT);
    gguf_saving how = {.format = format_of, .user = w, .pairs = pairs, .n_pairs = count};
    return model_save_gguf(w->cx, w->how->out, &w->m->config, w->store, &how);
}

/* ---- to a folder ---- */

static status check_plain(const converting *w) {
    for (int32_t i = 0; i < states_count(w->store) && !w->how->format; i++) {
        const state *s = states_at(w->store, i);
        if (s->tag == TAG_PARAMETER && s->t.format->kind != NUM_FLOAT)
            FAIL(w->cx, STATUS_UNSUPPORTED,
                 "'%s' is stored as %s, which a model folder cannot hold: add --format bf16, f16 "
                 "or f32",
                 s->name, s->t.format->name);
    }
    return STATUS_OK;
}

static status to_folder(converting *w) {
    TRY(check_plain(w));
    TRY(model_save(w->cx, w->how->out, &w->m->config, w->store, w->how->format));
    if (w->how->without_tokenizer) return STATUS_OK;
    TRY_NOTE(w->cx, model_words_folder(w->m, w->memory, w->how->out), LEAVE_OUT);
    return STATUS_OK;
}

static status run(converting *w) {
    TRY(check(w));
    TRY(load(w));
    return is_gguf_name(w->how->out) ? to_gguf(w) : to_folder(w);
}

status convert(context *cx, arena *memory, const conversion *c) {
    converting w = {.cx = cx, .memory = memory, .how = c};
    progress_begin(&w.progress, "converting", 0);
    status st = run(&w);
    progress_end(&w.progress);
    tokenizer_free(w.tokenizer);
    states_free(w.store);
    graph_free(w.g);
    model_close(w.m);
    return st == STATUS_OK ? st : context_note(cx, st, "converting '%s'", c->in);
}
