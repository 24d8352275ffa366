/* Which file of a path holds the tokenizer: a folder's tokenizer.json goes before its
 * tokenizer.model, which says less. */
#include "store/gguf.h"
#include "text/tokenizer.h"
#include <stdio.h>

enum { LONGEST_PATH = 4096 };

static bool ends_in(const char *path, const char *end) {
    size_t length = strlen(path), most = strlen(end);
    return length >= most && !strcmp(path + length - most, end);
}

static status open_gguf(context *cx, const char *path, tokenizer **out) {
    gguf g = {0};
    status st = gguf_open(cx, path, &g);
    if (st == STATUS_OK) {
        st = tokenizer_open_gguf(cx, &g, out);
        if (st != STATUS_OK) st = context_note(cx, st, "'%s'", path);
    }
    gguf_close(&g);
    return st;
}

static status open_file(context *cx, const char *path, tokenizer **out) {
    if (ends_in(path, ".gguf")) return open_gguf(cx, path, out);
    file_map map;
    TRY(file_map_open(cx, path, &map));
    status st = ends_in(path, ".model")
                    ? tokenizer_open_model(cx, path, map.bytes, map.size_bytes, out)
                    : tokenizer_open_json(cx, path, map.bytes, map.size_bytes, out);
    file_map_close(&map);
    return st;
}

/* The file of a folder, or the path itself. */
static status locate(context *cx, const char *path, char file[LONGEST_PATH]) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "spiece.model"};
    bool folder = file_is_folder(path);
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        int n = snprintf(file, LONGEST_PATH, folder ? "%s/%s" : "%s", path, names[i]);
        if (n >= LONGEST_PATH)
            FAIL(cx, STATUS_BAD_ARGUMENT, "a path of over %d bytes", LONGEST_PATH);
        if (!folder || file_exists(file)) return STATUS_OK;
    }
    FAIL(cx, STATUS_IO, "'%s' holds no tokenizer.json, tokenizer.model or spiece.model", path);
}

status tokenizer_open(context *cx, const char *path, tokenizer **out) {
    char file[LONGEST_PATH];
    *out = NULL;
    TRY(locate(cx, path, file));
    return open_file(cx, file, out);
}

static status copy_gguf(context *cx, const char *from, const char *to) {
    gguf g = {0};
    status st = gguf_open(cx, from, &g);
    if (st == STATUS_OK)
        st = gguf_write(cx, to, &(gguf_contents){.pairs = g.pairs, .n_pairs = g.n_pairs});
    gguf_close(&g);
    return st;
}

status tokenizer_copy(context *cx, const char *path, const char *folder, const char **name) {
    char from[LONGEST_PATH], to[LONGEST_PATH];
    TRY(locate(cx, path, from));
    bool gguf = ends_in(from, ".gguf");
    *name = gguf                      ? "tokenizer.gguf"
            : ends_in(from, ".model") ? "tokenizer.model"
                                      : "tokenizer.json";
    if (snprintf(to, sizeof to, "%s/%s", folder, *name) >= (int)sizeof to)
        FAIL(cx, STATUS_BAD_ARGUMENT, "a path of over %d bytes", LONGEST_PATH);
    return gguf ? copy_gguf(cx, from, to) : file_copy(cx, from, to);
}
