/* Files that can be made again: they lie in XDG_CACHE_HOME/hone, else in ~/.cache/hone, and anybody may remove them.
 * When a file was used last is its time of modification. */
#ifndef BASE_CACHE_H
#define BASE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_KEPT_DAYS = 30 };

/* The path of file NAME, its folders made; false where there is no such place or the path is longer than `size`. */
bool cache_path(const char *name, char *out, size_t size);
/* Before a file is read, or written with about so many bytes. One that is there is marked as used now. For one that is
 * not, others in its folder go, those first that were used longest ago: all that were not used for CACHE_KEPT_DAYS, and
 * as many as it takes for the folder to hold no more than what stays free beside it. */
void cache_use(const char *path, int64_t size_bytes);

#endif
