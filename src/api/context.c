/* The context, to which everything public belongs. */
#include "api/handle.h"

hone_context *hone_new(void) {
    context *cx = context_new();
    if (!cx) return NULL;
    hone_context *h = context_alloc(cx, sizeof *h);
    if (h)
        h->cx = cx;
    else
        context_free(cx);
    return h;
}

void hone_free(hone_context *h) {
    if (!h) return;
    context *cx = h->cx;
    context_release(cx, h);
    context_free(cx);
}

const char *hone_error(const hone_context *h) {
    return context_error(h->cx);
}

hone_status hone_error_status(const hone_context *h) {
    return status_public(context_status(h->cx));
}
