/* Any bytes as a safetensors file. What is accepted must be readable in whole. */
#include "store/safetensors.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    context *cx = context_new();
    if (!cx) return 0;
    safetensors s;
    status st = safetensors_open_bytes(cx, "fuzz", data, (int64_t)size, &s);
    if ((st == STATUS_OK) == (*context_error(cx) != 0)) abort();
    for (int64_t i = 0; st == STATUS_OK && i < s.n_tensors; i++) {
        const safetensors_tensor *t = &s.tensors[i];
        const uint8_t *p = t->data;
        if (p < data || t->size_bytes > data + size - p) abort();
        if (safetensors_find(&s, t->name) != t) abort();
    }
    safetensors_close(&s);
    if (context_live_allocations(cx)) abort();
    context_free(cx);
    return 0;
}
