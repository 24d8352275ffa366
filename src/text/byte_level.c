/* GPT-2's printable bytes: the 188 bytes that are visible in Latin-1 stand for themselves, the
 * other 68, in order, for U+0100 and on. */
#include "text/tokenizer_parts.h"
#include <stdio.h>

static bool is_visible(int byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

int byte_level_encode(unsigned char byte, char *out) {
    if (is_visible(byte)) return utf8_encode(byte, out);
    uint32_t hidden = 0;
    for (int i = 0; i < byte; i++) hidden += !is_visible(i);
    return utf8_encode(0x100 + hidden, out);
}

/* The hidden bytes are 0-32, 127-160 and 173. */
static int byte_of(uint32_t c) {
    if (c < 0x100) return is_visible((int)c) ? (int)c : -1;
    c -= 0x100;
    if (c <= 32) return (int)c;
    if (c <= 66) return (int)c - 33 + 127;
    return c == 67 ? 173 : -1;
}

int64_t byte_level_decode(const char *text, int64_t length, char *out) {
    const char *end = text + length;
    int64_t count = 0;
    for (const char *at = text; at < end;) {
        uint32_t c;
        at += unicode_next(at, end, &c);
        int byte = byte_of(c);
        if (byte < 0) return -1;
        out[count++] = (char)byte;
    }
    return count;
}

void find_byte_tokens(const vocab *names, int32_t *byte_id) {
    for (int i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", i);
        byte_id[i] = vocab_find(names, name, 6);
    }
}
