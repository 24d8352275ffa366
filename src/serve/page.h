/* The chat page's files, carried in the program (tool/embed.cmake writes the table at build time). */
#ifndef SERVE_PAGE_H
#define SERVE_PAGE_H

#include <stdint.h>

typedef struct page_file {
    const char *name; /* NULL closes the table */
    const char *bytes;
    int64_t size_bytes;
} page_file;
extern const page_file page_files[];

#endif
