/* Headers of tar archives: POSIX ustar, its pax records and GNU's long names. */
#ifndef TEXT_TAR_H
#define TEXT_TAR_H

#include "base/status.h"
#include <stdbool.h>

enum { TAR_BLOCK_BYTES = 512, TAR_NAME_BYTES = 4096 };

typedef struct tar_entry {
    char name[TAR_NAME_BYTES];
    int64_t size_bytes;
    enum { TAR_FILE, TAR_OTHER, TAR_LONG_NAME, TAR_PAX, TAR_END } kind;
} tar_entry;

bool tar_is(const char block[TAR_BLOCK_BYTES]);
/* `archive` is what errors call it. TAR_END: a block of zeros. */
status tar_read_header(context *cx, const char *archive, const char block[TAR_BLOCK_BYTES],
                       tar_entry *out) MUST_USE;
/* The value of "path" in pax records; false when there is none or it is too long. */
bool tar_pax_path(const char *records, int64_t length, char out[TAR_NAME_BYTES]);

#endif
