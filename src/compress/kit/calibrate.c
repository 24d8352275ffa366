/* The calibration text: its first sequences of equal length, spread evenly over the text. */
#include "compress/kit/run.h"
#include <string.h>

static status take(compress *c, const token_list *ids, const compress_options *o) {
    calibration *t = &c->text;
    int64_t positions = c->config.positions > 0 ? c->config.positions : o->calib_length;
    t->length = MIN_OF(o->calib_length, positions);
    t->sequences = o->calib_sequences;
    if (ids->count < t->length * t->sequences)
        FAIL(c->cx, STATUS_BAD_ARGUMENT,
             "the calibration text '%s' has %lld tokens: %lld sequences of %lld need %lld; give a "
             "longer one, or a smaller --calib-sequences or --calib-length",
             o->calib, (long long)ids->count, (long long)t->sequences, (long long)t->length,
             (long long)(t->sequences * t->length));
    t->ids = ARENA_NEW(c->memory, int32_t, t->sequences * t->length);
    if (!t->ids) return STATUS_NO_MEMORY;
    int64_t spare = ids->count - t->sequences * t->length;
    for (int64_t q = 0; q < t->sequences; q++) {
        int64_t from = q * t->length + spare * q / t->sequences;
        memcpy(t->ids + q * t->length, ids->ids + from, (size_t)t->length * sizeof *t->ids);
    }
    return STATUS_OK;
}

static status read_ids(compress *c, const char *path) {
    file_map map;
    encoder *e = NULL;
    TRY_NOTE(c->cx, file_map_open(c->cx, path, &map), "the calibration text");
    status st = encoder_new(c->cx, c->words, &e);
    if (st == STATUS_OK)
        st = encoder_run(e, map.bytes, map.size_bytes, (encode_options){0}, &c->read_ids);
    encoder_free(e);
    file_map_close(&map);
    return st;
}

static void forget_ids(compress *c) {
    token_free(&c->read_ids);
    c->read_ids = (token_list){.cx = c->cx};
    c->read = NULL;
}

status calibrate_ids(compress *c, const char *path, const token_list **out) {
    *out = &c->read_ids;
    if (c->read && !strcmp(c->read, path)) return STATUS_OK;
    forget_ids(c);
    TRY(read_ids(c, path));
    c->read = path;
    return STATUS_OK;
}

status calibrate_open(compress *c, const compress_options *o) {
    const token_list *ids;
    TRY_NOTE(c->cx, tokenizer_open(c->cx, o->model, &c->words), "calibrating");
    if (tokenizer_size(c->words) > c->config.vocabulary)
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "the tokenizer has %d ids, but the model knows only %lld",
             tokenizer_size(c->words), (long long)c->config.vocabulary);
    TRY(calibrate_ids(c, o->calib, &ids));
    TRY(take(c, ids, o));
    c->text.path = o->calib;
    return STATUS_OK;
}

void calibrate_close(compress *c) {
    forget_ids(c);
    tokenizer_free(c->words);
}
