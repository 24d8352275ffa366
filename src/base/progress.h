/* One line on stderr that says how far a long piece of work is:
 *     packing weights  [=========>              ]  37%  12 / 32  12 s left
 * It appears only on a terminal, only after two seconds, at most ten times a second, and vanishes at
 * the end. Log lines go above it. One piece of work shows at a time; it belongs to one thread. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include "base/compiler.h"
#include <stdbool.h>
#include <stdio.h>

enum { PROGRESS_LINE_BYTES = 256 };
typedef struct progress {
    const char *what;
    int64_t total; /* <= 0: not known */
    FILE *out;     /* NULL: not a terminal, nothing is shown */
    int64_t started_ns, shown_ns;
    bool shown;
    char line[PROGRESS_LINE_BYTES];
} progress;

/* `what` is kept, not copied. */
void progress_begin(progress *p, const char *what, int64_t total);
/* `note` may be NULL: a few words such as "loss 2.31". Cheap enough for each step of some microseconds. */
void progress_show(progress *p, int64_t done, const char *note);
void progress_end(progress *p);

/* The line for a moment `seconds` after the start. */
void progress_text(const char *what, int64_t done, int64_t total, double seconds, const char *note,
                   char *out, size_t size);

#endif
