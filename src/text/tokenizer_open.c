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

status tokenizer_open(context *cx, const char *path, tokenizer **out) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "spiece.model"};
    *out = NULL;
    if (!file_is_folder(path)) return open_file(cx, path, out);
    char file[LONGEST_PATH];
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        if (snprintf(file, sizeof file, "%s/%s", path, names[i]) >= (int)sizeof file)
            FAIL(cx, STATUS_BAD_ARGUMENT, "a path of over %d bytes", LONGEST_PATH);
        if (file_exists(file)) return open_file(cx, file, out);
    }
    FAIL(cx, STATUS_IO, "'%s' holds no tokenizer.json, tokenizer.model or spiece.model", path);
}
