/* API keys: one a line of a file, blank lines and # comments aside. What is kept is the SHA-256 of each, and asking
 * takes the same time whichever key matches, or none. */
#ifndef SERVE_KEYS_H
#define SERVE_KEYS_H

#include "base/status.h"
#include <stdbool.h>

enum { KEYS_MOST = 4096, KEYS_DIGEST = 32 };
typedef struct keys {
    uint8_t digest[KEYS_MOST][KEYS_DIGEST];
    int32_t count;
} keys;

/* An empty list is refused: it would lock everybody out. On failure *out is as it was. */
status keys_read(context *cx, const char *path, keys *out) MUST_USE;
/* `authorization` as the header has it: "Bearer KEY". */
bool keys_allow(const keys *k, const char *authorization);

#endif
