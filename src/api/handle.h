/* What the public handles hold, and how a status leaves the library. */
#ifndef API_HANDLE_H
#define API_HANDLE_H

#include "base/status.h"
#include "hone/hone.h"

struct hone_context {
    context *cx;
};

_Static_assert((int)HONE_BUG == (int)STATUS_BUG && (int)HONE_IO == (int)STATUS_IO,
               "the public numbers of a status are the inner ones");
static inline hone_status status_public(status st) {
    return (hone_status)st;
}

#endif
