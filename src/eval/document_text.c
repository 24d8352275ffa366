#include "eval/document_text.h"
#include "text/documents.h"
#include <string.h>

/* Names like a.jsonl and a.jsonl.zst. */
static bool is_jsonl(const char *path) {
    static const char *const ends[] = {".jsonl", ".ndjson", ".json"};
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    for (int64_t i = 0; i < COUNT_OF(ends); i++) {
        const char *at = strstr(name, ends[i]);
        size_t n = strlen(ends[i]);
        if (at && (!at[n] || at[n] == '.')) return true;
    }
    return false;
}

static status end_document(document_text *d, int64_t *room) {
    if (d->documents == *room) {
        *room = *room ? 2 * *room : 1024;
        int64_t *more = context_alloc(d->cx, (size_t)*room * sizeof *more);
        if (!more) return STATUS_NO_MEMORY;
        if (d->documents) memcpy(more, d->ends_taken, (size_t)d->documents * sizeof *more);
        context_release(d->cx, d->ends_taken);
        d->ends_taken = more;
    }
    d->ends_taken[d->documents++] = d->joined.length;
    return STATUS_OK;
}

static status read_all(document_text *d, documents *from) {
    int64_t room = 0;
    for (;;) {
        document_piece piece;
        TRY(documents_next(from, &piece));
        if (piece.end) break;
        TRY(text_append(&d->joined, piece.text, piece.length));
        if (piece.last) TRY(end_document(d, &room));
    }
    d->bytes = d->joined.bytes;
    d->size_bytes = d->joined.length;
    d->ends = d->ends_taken;
    return STATUS_OK;
}

status document_text_open(context *cx, const char *path, document_text *out) {
    documents *from;
    *out = (document_text){.cx = cx, .joined = {.cx = cx}, .documents = 1};
    if (!is_jsonl(path)) {
        TRY(file_map_open(cx, path, &out->map));
        out->bytes = out->map.bytes;
        out->size_bytes = out->map.size_bytes;
        return STATUS_OK;
    }
    out->documents = 0;
    document_options how = {.files = &path, .n_files = 1, .format = DOCUMENTS_JSONL};
    TRY(documents_open(cx, &how, &from));
    status st = read_all(out, from);
    documents_close(from);
    if (st != STATUS_OK) document_text_close(out);
    return st;
}

void document_text_close(document_text *d) {
    file_map_close(&d->map);
    text_free(&d->joined);
    if (d->cx) context_release(d->cx, d->ends_taken);
    *d = (document_text){0};
}
