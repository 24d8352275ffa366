/* Any bytes as a GGUF file. What is accepted must be readable in whole. */
#include "store/gguf.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t gguf_sink; /* so that the values are read */

static uint64_t gguf_walk(const gguf_value *v) {
    uint64_t sum = 0;
    if (v->type == GGUF_STRING)
        for (int64_t i = 0; i < v->text.length; i++) sum += (unsigned char)v->text.bytes[i];
    for (int64_t i = 0; v->type == GGUF_ARRAY && i < v->count; i++) {
        if (v->item_type == GGUF_ARRAY) {
            sum += gguf_walk(&v->arrays[i]);
        } else if (v->item_type == GGUF_STRING) {
            gguf_value item = {.type = GGUF_STRING, .text = v->texts[i]};
            sum += gguf_walk(&item);
        } else {
            sum += gguf_item(v, i).whole;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    context *cx = context_new();
    if (!cx) return 0;
    gguf g;
    status st = gguf_open_bytes(cx, "fuzz", data, (int64_t)size, &g);
    if ((st == STATUS_OK) == (*context_error(cx) != 0)) abort();
    for (int64_t i = 0; st == STATUS_OK && i < g.n_pairs; i++) {
        gguf_sink = gguf_walk(&g.pairs[i].value);
        if (gguf_find(&g, g.pairs[i].key) != &g.pairs[i].value) abort();
    }
    for (int64_t i = 0; st == STATUS_OK && i < g.n_tensors; i++) {
        const gguf_tensor *t = &g.tensors[i];
        const uint8_t *p = t->data;
        if (p < data || p > data + size || t->size_bytes > data + size - p) abort();
        if (gguf_find_tensor(&g, t->name) != t) abort();
    }
    gguf_close(&g);
    if (context_live_allocations(cx)) abort();
    context_free(cx);
    return 0;
}
