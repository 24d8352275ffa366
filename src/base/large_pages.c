#include "base/large_pages.h"
#include <sys/mman.h>

void large_pages_wish(void *memory, size_t size_bytes) {
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, size_bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
#else
    (void)memory, (void)size_bytes;
#endif
}
