/* Any bytes as JSON. What is accepted must come back equal after being written and read again. */
#include "base/json.h"
#include "base/json_write.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void json_copy_token(json_writer *w, const json_token *t) {
    switch (t->kind) {
    case JSON_NULL:
        json_write_null(w);
        break;
    case JSON_BOOL:
        json_write_bool(w, t->truth);
        break;
    case JSON_NUMBER:
        if (t->is_integer && t->integer)
            json_write_integer(w, t->integer);
        else
            json_write_number(w, t->number);
        break;
    case JSON_STRING:
        json_write_text(w, t->text.bytes, t->text.length);
        break;
    case JSON_KEY:
        json_write_key_text(w, t->text.bytes, t->text.length);
        break;
    case JSON_OBJECT:
        json_write_object(w);
        break;
    case JSON_OBJECT_END:
        json_write_object_end(w);
        break;
    case JSON_ARRAY:
        json_write_array(w);
        break;
    case JSON_ARRAY_END:
        json_write_array_end(w);
        break;
    case JSON_END:
        break;
    }
}

static void json_must_match(context *cx, const char *data, int64_t size, const json_writer *w) {
    json a = json_make(cx, "first", data, size, NULL),
         b = json_make(cx, "again", w->bytes, w->size, NULL);
    json_token s = {.kind = JSON_NULL}, t = s;
    while (s.kind != JSON_END) {
        if (json_next(&a, &s) != STATUS_OK || json_next(&b, &t) != STATUS_OK) abort();
        if (s.kind != t.kind) abort();
        bool text = s.kind == JSON_STRING || s.kind == JSON_KEY;
        if (text && (s.text.length != t.text.length ||
                     (s.text.length && memcmp(s.text.bytes, t.text.bytes, (size_t)s.text.length))))
            abort();
        if (s.kind == JSON_NUMBER && s.number != t.number) abort();
    }
    json_free(&a);
    json_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    context *cx = context_new();
    if (!cx) return 0;
    json j = json_make(cx, "fuzz", (const char *)data, (int64_t)size, NULL);
    json_writer w = json_writer_to_buffer(cx, size % 3);
    json_token t = {.kind = JSON_NULL};
    status st = STATUS_OK;
    while (st == STATUS_OK && t.kind != JSON_END) {
        st = json_next(&j, &t);
        if (st == STATUS_OK) json_copy_token(&w, &t);
    }
    if (st == STATUS_OK) {
        if (json_writer_finish(&w) != STATUS_OK) abort();
        json_must_match(cx, (const char *)data, (int64_t)size, &w);
    } else if (!*context_error(cx)) {
        abort();
    }
    json j2 = json_make(cx, "fuzz", (const char *)data, (int64_t)size, NULL);
    if ((json_skip(&j2) == STATUS_OK && json_finish(&j2) == STATUS_OK) != (st == STATUS_OK))
        abort();
    json_free(&j2);
    json_free(&j);
    json_writer_free(&w);
    if (context_live_allocations(cx)) abort();
    context_free(cx);
    return 0;
}
