/* The monotonic clock, for measuring and deadlines; it never jumps. And wall time, for people. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/compiler.h"

int64_t time_ns(void);
double time_seconds(void);
double time_process_seconds(void); /* CPU time of this process, over all threads */
/* Sleeps at least that long, whatever signals come. */
void time_sleep_ns(int64_t ns);
/* UTC as 2026-03-01T12:30:00Z. */
enum { TIME_TEXT_BYTES = 24 };
void time_text(int64_t unix_seconds, char out[TIME_TEXT_BYTES]);
int64_t time_unix_seconds(void);
/* "8 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". */
void time_span_text(double seconds, char *out, size_t size);

#endif
