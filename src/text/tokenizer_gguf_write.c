#include "text/tokenizer_gguf_write.h"
#include "base/log.h"
#include "text/tokenizer_parts.h"
#include <stdlib.h>
#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5 };

static gguf_value array_of(gguf_type type, int64_t count, const void *items) {
    return (gguf_value){.type = GGUF_ARRAY, .item_type = type, .count = count, .items = items};
}

static gguf_string text_of(const char *text, int64_t length) {
    return (gguf_string){text, length};
}

static status put_tokens(const tokenizer *t, arena *memory, gguf_pair *tokens, gguf_pair *types) {
    int32_t n = tokenizer_size(t);
    gguf_string *texts = ARENA_NEW(memory, gguf_string, n + 1);
    int32_t *type = ARENA_NEW(memory, int32_t, n + 1);
    if (!texts || !type) return STATUS_NO_MEMORY;
    for (int32_t id = 0; id < n; id++) {
        int64_t length;
        const char *text = vocab_text(&t->names, id, &length);
        type[id] = text ? TYPE_NORMAL : TYPE_UNUSED;
        if (!text) {
            text = arena_printf(memory, "[PAD%d]", id);
            if (!text) return STATUS_NO_MEMORY;
            length = (int64_t)strlen(text);
        }
        texts[id] = text_of(text, length);
    }
    for (int64_t i = 0; i < t->added_count; i++)
        type[t->added[i].id] = t->added[i].special ? TYPE_CONTROL : TYPE_USER;
    *tokens =
        (gguf_pair){"tokenizer.ggml.tokens",
                    {.type = GGUF_ARRAY, .item_type = GGUF_STRING, .count = n, .texts = texts}};
    *types = (gguf_pair){"tokenizer.ggml.token_type", array_of(GGUF_I32, n, type)};
    return STATUS_OK;
}

static int by_rank(const void *a, const void *b) {
    const bpe_merge *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* "left right" in the order in which they join. */
static status put_merges(const tokenizer *t, arena *memory, gguf_pair *out) {
    const bpe *b = &t->bpe;
    bpe_merge *merges = ARENA_NEW(memory, bpe_merge, b->merge_count + 1);
    gguf_string *texts = ARENA_NEW(memory, gguf_string, b->merge_count + 1);
    int64_t n = 0;
    if (!merges || !texts) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < b->merge_slots; i++)
        if (b->merges[i].pair != UINT64_MAX) merges[n++] = b->merges[i];
    qsort(merges, (size_t)n, sizeof *merges, by_rank);
    for (int64_t i = 0; i < n; i++) {
        int64_t left_bytes, right_bytes;
        const char *left = vocab_text(&t->names, (int32_t)(merges[i].pair >> 32), &left_bytes);
        const char *right = vocab_text(&t->names, (int32_t)merges[i].pair, &right_bytes);
        char *both = arena_alloc(memory, (size_t)(left_bytes + right_bytes + 1));
        if (!both) return STATUS_NO_MEMORY;
        memcpy(both, left, (size_t)left_bytes);
        both[left_bytes] = ' ';
        memcpy(both + left_bytes + 1, right, (size_t)right_bytes);
        texts[i] = text_of(both, left_bytes + right_bytes + 1);
    }
    *out = (gguf_pair){"tokenizer.ggml.merges",
                       {.type = GGUF_ARRAY, .item_type = GGUF_STRING, .count = n, .texts = texts}};
    return STATUS_OK;
}

/* GGUF has no place for normalisers. Text that comes in another normal form than NFC is rare, so that is told and
 * left out, as llama.cpp does; any other is refused. */
static status check(const tokenizer *t) {
    if (t->model != MODEL_BPE || !t->byte_level)
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "GGUF gets byte-level BPE from a folder, and this is another kind");
    if (!tokenizer_gguf_pre(t))
        FAIL(t->cx, STATUS_UNSUPPORTED,
             "GGUF has no name for the pattern by which this tokenizer cuts text");
    for (int64_t i = 0; i < t->normal_count; i++) {
        if (t->normals[i].kind != NORMAL_FORM || t->normals[i].form != UNICODE_NFC)
            FAIL(t->cx, STATUS_UNSUPPORTED, "GGUF cannot tell how this tokenizer normalises text");
        log_warning("GGUF cannot tell that text is brought to NFC: readers take it as it comes");
    }
    return STATUS_OK;
}

status tokenizer_gguf_pairs(const tokenizer *t, arena *memory,
                            gguf_pair pairs[TOKENIZER_GGUF_PAIRS], int64_t *count) {
    TRY(check(t));
    const char *pre = tokenizer_gguf_pre(t);
    int64_t n = 0;
    pairs[n++] =
        (gguf_pair){"tokenizer.ggml.model", {.type = GGUF_STRING, .text = text_of("gpt2", 4)}};
    pairs[n++] =
        (gguf_pair){"tokenizer.ggml.pre",
                    {.type = GGUF_STRING, .text = text_of(pre, (int64_t)strcspn(pre, " "))}};
    TRY(put_tokens(t, memory, &pairs[n], &pairs[n + 1]));
    TRY(put_merges(t, memory, &pairs[n + 2]));
    n += 3;
    pairs[n++] = (gguf_pair){"tokenizer.ggml.add_bos_token",
                             {.type = GGUF_BOOL, .integer = t->before_count == 1}};
    *count = n;
    return STATUS_OK;
}
