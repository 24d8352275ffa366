/* What the tokenizers need to know about characters: their classes, in a two-level table made from
 * utf8proc's data and a table of newer characters, and the normal forms, which are utf8proc's.
 *
 * Text is bytes. Where they are not valid UTF-8, each offending byte stands for one character of no
 * class (UNICODE_INVALID), and normal forms copy it, so that no input is refused or changed by
 * being read. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include "base/utf8.h"
#include "text/grow.h"

enum {
    UNICODE_LETTER = 1,       /* L */
    UNICODE_NUMBER = 2,       /* N */
    UNICODE_MARK = 4,         /* M */
    UNICODE_PUNCTUATION = 8,  /* P */
    UNICODE_SYMBOL = 16,      /* S */
    UNICODE_SPACE = 32,       /* White_Space */
    UNICODE_UPPER = 64,       /* Lu, Lt */
    UNICODE_LOWER = 128,      /* Ll */
    UNICODE_DIGIT = 256,      /* Nd */
    UNICODE_WORD = 512,       /* \w: alphabetic, M, Nd, Pc, joiners */
    UNICODE_CONTROL = 1024,   /* Cc, Cf, Co */
    UNICODE_INERT = 2048,     /* a starter that no normal form changes or joins to what precedes */
    UNICODE_NONSPACING = 4096 /* Mn */
};

#define UNICODE_INVALID 0x10FFFFu /* a noncharacter, in no class */

/* Written by tool/unicode_table.c while building. */
extern const uint16_t unicode_block[0x1100], unicode_table[][256];

static inline uint32_t unicode_flags(uint32_t c) {
    return unicode_table[unicode_block[c >> 8]][c & 255];
}

/* The character at p < end; returns its bytes, 1 with UNICODE_INVALID where there is none. */
static inline int unicode_next(const char *p, const char *end, uint32_t *c) {
    if ((unsigned char)*p < 0x80) {
        *c = (unsigned char)*p;
        return 1;
    }
    int n = utf8_length(p, end);
    *c = n ? utf8_decode(p, n) : UNICODE_INVALID;
    return n ? n : 1;
}

typedef enum unicode_form { UNICODE_NFC, UNICODE_NFD, UNICODE_NFKC, UNICODE_NFKD } unicode_form;

/* Appends the normal form. Time is near-linear whatever the marks. */
status unicode_normalize(unicode_form form, const char *text, int64_t length,
                         text_buffer *out) MUST_USE;
/* Appends the full lower case, one character at a time (no context but U+0130). */
status unicode_lower(const char *text, int64_t length, text_buffer *out) MUST_USE;

#endif
