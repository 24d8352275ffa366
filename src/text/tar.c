/* A header is 512 bytes: name 100, mode 8, uid 8, gid 8, size 12 (octal), mtime 12, sum 8, type 1, link 100,
 * "ustar", ..., prefix 155 at 345. The sum counts its own field as spaces. */
#include "text/tar.h"
#include <stdio.h>
#include <string.h>

enum { SIZE_AT = 124, SUM_AT = 148, TYPE_AT = 156, MAGIC_AT = 257, PREFIX_AT = 345 };

bool tar_is(const char block[TAR_BLOCK_BYTES]) {
    return !memcmp(block + MAGIC_AT, "ustar", 5);
}

/* Octal digits, or GNU's base 256 where the first bit is set; -1: neither. */
static int64_t number(const char *field, int length) {
    const unsigned char *u = (const unsigned char *)field;
    int64_t n = 0;
    if (u[0] & 0x80) {
        if (u[0] != 0x80) return -1;
        for (int i = 1; i < length; i++) {
            if (n >> 54) return -1;
            n = n << 8 | u[i];
        }
        return n;
    }
    int i = 0;
    while (i < length && u[i] == ' ') i++;
    for (; i < length && u[i] >= '0' && u[i] <= '7'; i++) n = n << 3 | (u[i] - '0');
    return i < length && u[i] && u[i] != ' ' ? -1 : n;
}

static bool sum_fits(const char *block) {
    int64_t sum = 0;
    for (int i = 0; i < TAR_BLOCK_BYTES; i++)
        sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : (unsigned char)block[i];
    return sum == number(block + SUM_AT, 8);
}

status tar_read_header(context *cx, const char *archive, const char block[TAR_BLOCK_BYTES],
                       tar_entry *out) {
    static const char zeros[TAR_BLOCK_BYTES];
    *out = (tar_entry){.kind = TAR_END};
    if (!memcmp(block, zeros, sizeof zeros)) return STATUS_OK;
    out->size_bytes = number(block + SIZE_AT, 12);
    if (!tar_is(block) || out->size_bytes < 0 || !sum_fits(block))
        FAIL(cx, STATUS_BAD_DATA, "'%s' is corrupt: the header of a file in the archive is none",
             archive);
    bool prefixed = block[PREFIX_AT] && block[MAGIC_AT + 5] == 0;
    snprintf(out->name, sizeof out->name, "%.*s%s%.100s", prefixed ? 155 : 0, block + PREFIX_AT,
             prefixed ? "/" : "", block);
    switch (block[TYPE_AT]) {
    case 0:
    case '0':
    case '7':
        out->kind = TAR_FILE;
        break;
    case 'L':
        out->kind = TAR_LONG_NAME;
        break;
    case 'x':
        out->kind = TAR_PAX;
        break;
    default:
        out->kind = TAR_OTHER;
    }
    return STATUS_OK;
}

/* Records are "LENGTH KEY=VALUE\n"; LENGTH counts all of it. */
bool tar_pax_path(const char *records, int64_t length, char out[TAR_NAME_BYTES]) {
    for (int64_t at = 0; at < length;) {
        int64_t size = 0, i = at;
        for (; i < length && records[i] >= '0' && records[i] <= '9' && size < length; i++)
            size = size * 10 + records[i] - '0';
        if (size <= i - at || at + size > length || i >= length || records[i] != ' ') return false;
        int64_t value = i + 6, end = at + size - 1;
        if (value <= end && !memcmp(records + i, " path=", 6)) {
            if (end - value >= TAR_NAME_BYTES) return false;
            memcpy(out, records + value, (size_t)(end - value));
            out[end - value] = 0;
            return true;
        }
        at += size;
    }
    return false;
}
