#include "serve/keys.h"
#include "base/file.h"
#include "base/hash.h"
#include <string.h>
#include <strings.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static status read_lines(context *cx, const char *path, const file_map *map, keys *out) {
    const char *at = map->bytes, *end = at + map->size_bytes;
    for (int64_t line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at)), *next = stop ? stop + 1 : end;
        if (!stop) stop = end;
        while (at < stop && is_blank(*at)) at++;
        while (stop > at && is_blank(stop[-1])) stop--;
        if (at < stop && *at != '#') {
            if (out->count == KEYS_MOST)
                FAIL(cx, STATUS_BAD_DATA, "'%s' line %lld: more than %d keys", path,
                     (long long)line, KEYS_MOST);
            hash_sha256(at, (size_t)(stop - at), out->digest[out->count++]);
        }
        at = next;
    }
    if (!out->count) FAIL(cx, STATUS_BAD_DATA, "'%s' holds no key: write one on a line", path);
    return STATUS_OK;
}

status keys_read(context *cx, const char *path, keys *out) {
    file_map map;
    keys *fresh = context_zalloc(cx, sizeof *fresh);
    if (!fresh) return STATUS_NO_MEMORY;
    status st = file_map_open(cx, path, &map);
    if (st == STATUS_OK) {
        st = read_lines(cx, path, &map, fresh);
        file_map_close(&map);
    }
    if (st == STATUS_OK) *out = *fresh;
    context_release(cx, fresh);
    return st;
}

bool keys_allow(const keys *k, const char *authorization) {
    uint8_t digest[KEYS_DIGEST];
    uint32_t found = 0;
    bool bearer = !strncasecmp(authorization, "bearer ", 7);
    const char *key = bearer ? authorization + 7 : "";
    hash_sha256(key, strlen(key), digest);
    for (int32_t i = 0; i < k->count; i++) {
        uint32_t differs = 0;
        for (int b = 0; b < KEYS_DIGEST; b++) differs |= (uint32_t)(digest[b] ^ k->digest[i][b]);
        found |= differs == 0;
    }
    return found && bearer;
}
