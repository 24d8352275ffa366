/* A token is at most longest_bytes long, so a word costs its length times that. */
#include "text/wordpiece.h"
#include "base/utf8.h"

enum { MARKED_BYTES = 1024 };

static bool continues(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* The longest token at `text`, or -1; `marked` where the word continues. */
static int32_t longest(const wordpiece *m, bool marked, const char *text, int64_t length,
                       int64_t *taken) {
    char key[MARKED_BYTES];
    int64_t mark = marked ? (int64_t)strlen(m->prefix) : 0;
    int64_t room = MIN_OF((int64_t)m->words->longest_bytes, (int64_t)MARKED_BYTES) - mark;
    int64_t n = MIN_OF(length, MAX_OF(room, 0));
    memcpy(key, m->prefix, (size_t)mark);
    memcpy(key + mark, text, (size_t)n);
    for (; n > 0; n--) {
        if (n < length && continues(text[n])) continue;
        int32_t id = vocab_find(m->words, key, mark + n);
        if (id >= 0) {
            *taken = n;
            return id;
        }
    }
    return -1;
}

status wordpiece_encode(const wordpiece *m, const char *word, int64_t length, token_list *out) {
    int64_t characters = 0, before = out->count;
    for (int64_t i = 0; i < length && characters <= m->longest_word; i++)
        characters += !continues(word[i]);
    bool known = characters <= m->longest_word;
    for (int64_t at = 0, taken = 0; known && at < length; at += taken) {
        int32_t id = longest(m, at > 0, word + at, length - at, &taken);
        known = id >= 0;
        if (known) TRY(token_append(out, id));
    }
    if (known) return STATUS_OK;
    out->count = before;
    return m->unknown >= 0 ? token_append(out, m->unknown) : STATUS_OK;
}
