#include "train/language.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static value logits(void *user, graph *g, value ids, value positions, value offsets,
                    double dropout) {
    language *l = user;
    model_build b = {.g = g, .config = l->config, .dropout = dropout};
    if (l->stored && l->from) {
        b.format = model_stored_format;
        b.user = l->from;
    }
    value hidden = model_hidden(&b, (model_inputs){ids, positions, offsets});
    return graph_status(g) == STATUS_OK ? model_logits(&b, hidden) : NO_VALUE;
}

static status fill(void *user, states *store, const graph *g) {
    language *l = user;
    if (l->from) return model_load(l->from, store, g);
    return model_init(l->config, store, g, l->seed);
}

step_model language_model(language *l) {
    return (step_model){.logits = logits, .fill = fill, .user = l};
}

/* ---- data ---- */

status language_data_open(context *cx, const char *folder, const loader_options *o,
                          language_data *out) {
    *out = (language_data){.cx = cx};
    TRY(loader_open(cx, folder, o, &out->l));
    out->beginning = loader_tell(out->l);
    return STATUS_OK;
}

void language_data_close(language_data *d) {
    loader_close(d->l);
    *d = (language_data){0};
}

static status next(void *user, step_batch *out, bool *more) {
    language_data *d = user;
    loader_batch b;
    TRY(loader_next(d->l, &b));
    *more = b.tokens > 0;
    *out = (step_batch){b.ids, b.targets, b.positions, b.offsets, b.tokens, b.sequences};
    return STATUS_OK;
}

static status place(void *user, arena *mem, const char **out) {
    enum { NUMBER_BYTES = 24 };
    language_data *d = user;
    loader_state at = loader_tell(d->l);
    char *text = ARENA_NEW(mem, char, LOADER_STATE_NUMBERS *NUMBER_BYTES);
    size_t n = 0;
    *out = text;
    if (!text) return STATUS_NO_MEMORY;
    for (int i = 0; i < LOADER_STATE_NUMBERS; i++)
        n +=
            (size_t)snprintf(text + n, NUMBER_BYTES, i ? " %lld" : "%lld", (long long)at.number[i]);
    return STATUS_OK;
}

static status seek(void *user, const char *text) {
    language_data *d = user;
    loader_state at;
    if (!*text) return loader_seek(d->l, &d->beginning);
    for (int i = 0; i < LOADER_STATE_NUMBERS; i++) {
        char *end;
        at.number[i] = strtoll(text, &end, 10);
        if (end == text)
            FAIL(d->cx, STATUS_BAD_DATA, "the place in the data is not %d numbers",
                 LOADER_STATE_NUMBERS);
        text = end;
    }
    return loader_seek(d->l, &at);
}

train_source language_source(language_data *d) {
    return (train_source){.user = d, .next = next, .place = place, .seek = seek};
}
