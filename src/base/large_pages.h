/* Large pages, where the system has them, for memory and for mapped files: a walk over weights otherwise misses the TLB
 * with every few kilobytes (4% of a step that decodes one sequence). */
#ifndef BASE_LARGE_PAGES_H
#define BASE_LARGE_PAGES_H

#include <stddef.h>

enum { LARGE_PAGE = 2 << 20 };

/* A wish, but for the end, which would take a whole page for a part of one. */
void large_pages_wish(void *memory, size_t size_bytes);

#endif
