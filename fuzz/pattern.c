/* Any bytes as a pattern, and behind a zero byte as the text that it cuts. The first byte 'p' takes the published
 * pattern of the second byte instead. The spans must be the whole text, in order, and near to it in number. */
#include "text/pattern.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static status pattern_fuzz_open(pattern *p, context *cx, const char *source, int64_t length) {
    static const char *const names[] = {"gpt2", "cl100k", "qwen2", "o200k", "tekken"};
    if (length < 2 || *source != 'p') return pattern_open(p, cx, source, length);
    const char *published = scan_pattern(names[(unsigned char)source[1] % COUNT_OF(names)]);
    return pattern_open(p, cx, published, (int64_t)strlen(published));
}

static void pattern_fuzz_split(context *cx, const pattern *p, const char *text, int64_t length) {
    span_list spans = {.cx = cx};
    if (pattern_split(p, text, length, &spans) == STATUS_OK) {
        int64_t at = 0;
        for (int64_t i = 0; i < spans.count; i++) {
            if (spans.spans[i].from != at || spans.spans[i].to <= at) abort();
            at = spans.spans[i].to;
        }
        if (at != length) abort();
    } else if (!*context_error(cx)) {
        abort();
    }
    span_free(&spans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    context *cx = context_new();
    if (!cx) return 0;
    const uint8_t *zero = memchr(data, 0, size);
    int64_t source_bytes = zero ? zero - data : (int64_t)size;
    const char *text = zero ? (const char *)zero + 1 : "Ab 12\n\n  c's";
    int64_t text_bytes = zero ? (int64_t)size - source_bytes - 1 : 12;
    pattern p = {.cx = cx};
    if (pattern_fuzz_open(&p, cx, (const char *)data, source_bytes) == STATUS_OK)
        pattern_fuzz_split(cx, &p, text, text_bytes);
    else if (!*context_error(cx))
        abort();
    pattern_close(&p);
    if (context_live_allocations(cx)) abort();
    context_free(cx);
    return 0;
}
