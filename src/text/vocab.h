/* Strings to ids and back. Ids need not be dense; an id has one string; a string may
 * come twice (the later id is found). Strings are copied into one blob. */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "text/grow.h"
#include <stdbool.h>

enum { VOCAB_MAX_ID = 1 << 26 };

typedef struct vocab_entry {
    int64_t at;     /* into the blob */
    int32_t length; /* negative: no such id */
    uint32_t hash;
} vocab_entry;

typedef struct vocab {
    context *cx;
    text_buffer blob;
    vocab_entry *entries;   /* by id */
    int32_t size, capacity; /* one past the largest id */
    int32_t *slots;         /* open addressing: id + 1, 0 empty */
    int64_t slot_count, used;
    int32_t longest_bytes;
} vocab;

void vocab_init(vocab *v, context *cx);
void vocab_free(vocab *v);
/* An id may be given its string once. */
status vocab_add(vocab *v, const char *text, int64_t length, int64_t id) MUST_USE;
/* The id, or -1. */
int32_t vocab_find(const vocab *v, const char *text, int64_t length);
/* NULL where there is no such id. */
const char *vocab_text(const vocab *v, int32_t id, int64_t *length);

/* Mixes eight bytes at a time; good in its low and high bits. */
static inline uint64_t text_hash(const char *text, int64_t length) {
    uint64_t h = (uint64_t)length * 0x9E3779B97F4A7C15u, word;
    while (length >= 8) {
        memcpy(&word, text, 8);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
        text += 8;
        length -= 8;
    }
    word = 0;
    memcpy(&word, text, (size_t)length);
    h = (h ^ word) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

#endif
