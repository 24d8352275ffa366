/* Any bytes as a file of documents (text, JSONL, an archive, compressed or not), or as a token shard. The first byte
 * says which and how. What comes out must be UTF-8, in whole documents. */
#include "base/utf8.h"
#include "text/documents.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void documents_fuzz_read(context *cx, const char *path, uint8_t how) {
    enum { MOST_BYTES = 1 << 24 };
    const document_options o = {.files = &path,
                                .n_files = 1,
                                .format = (document_format)(how % 3),
                                .separator = how & 4 ? "\n\n" : NULL,
                                .replace_invalid = how & 8,
                                .piece_bytes = how & 16 ? 16 : 0};
    documents *d;
    document_piece p = {0};
    if (documents_open(cx, &o, &d) != STATUS_OK) return;
    status st = STATUS_OK;
    bool inside = false;
    for (int64_t total = 0; !p.end && total < MOST_BYTES; total += p.length) {
        st = documents_next(d, &p);
        if (st != STATUS_OK || p.end) break;
        if (p.first == inside) abort();
        inside = !p.last;
        for (const char *at = p.text, *end = at + p.length; at < end;) {
            int n = utf8_length(at, end);
            if (!n) abort();
            at += n;
        }
    }
    if (st != STATUS_OK && !*context_error(cx)) abort();
    documents_close(d);
}

static void documents_fuzz_shard(context *cx, const char *path) {
    shard s;
    if (shard_open(cx, path, &s) != STATUS_OK) return;
    int32_t id;
    int64_t from, to;
    for (int64_t i = 0; i < MIN_OF(s.documents, 100); i++) {
        if (shard_document(&s, i, &from, &to) != STATUS_OK) break;
        if (to > from && shard_read(&s, to - 1, 1, &id) != STATUS_OK) break;
    }
    shard_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    context *cx = context_new();
    int file = memfd_create("fuzz", 0);
    if (cx && file >= 0 && write(file, data + 1, size - 1) == (ssize_t)(size - 1)) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        if (*data == 's')
            documents_fuzz_shard(cx, path);
        else
            documents_fuzz_read(cx, path, *data);
        if (context_live_allocations(cx)) abort();
    }
    if (file >= 0) close(file);
    context_free(cx);
    return 0;
}
