/* UTF-8 (RFC 3629): one character at a time, without overlong forms, surrogates or anything above
 * U+10FFFF. Small enough to be inlined where text is walked. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the valid character at p, 0 where there is none. p < end. */
static inline int utf8_length(const char *p, const char *end) {
    const unsigned char *u = (const unsigned char *)p;
    int64_t room = end - p;
    if (u[0] < 0x80) return 1;
    if (u[0] < 0xC2 || room < 2 || (u[1] & 0xC0) != 0x80) return 0;
    if (u[0] < 0xE0) return 2;
    if (room < 3 || (u[2] & 0xC0) != 0x80) return 0;
    if (u[0] < 0xF0) {
        bool overlong = u[0] == 0xE0 && u[1] < 0xA0;
        bool surrogate = u[0] == 0xED && u[1] > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    if (u[0] > 0xF4 || room < 4 || (u[3] & 0xC0) != 0x80) return 0;
    bool overlong = u[0] == 0xF0 && u[1] < 0x90;
    bool beyond = u[0] == 0xF4 && u[1] > 0x8F;
    return overlong || beyond ? 0 : 4;
}

/* The character at p, whose utf8_length is n > 0. */
static inline uint32_t utf8_decode(const char *p, int n) {
    const unsigned char *u = (const unsigned char *)p;
    if (n == 1) return u[0];
    if (n == 2) return (u[0] & 0x1Fu) << 6 | (u[1] & 0x3Fu);
    if (n == 3) return (u[0] & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu);
    return (u[0] & 0x07u) << 18 | (u[1] & 0x3Fu) << 12 | (u[2] & 0x3Fu) << 6 | (u[3] & 0x3Fu);
}

/* Writes a Unicode scalar value, up to four bytes; returns how many. */
static inline int utf8_encode(uint32_t c, char *out) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

#endif
