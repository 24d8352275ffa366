/* What this process takes of the machine's memory, as the system counts it. */
#ifndef BASE_FOOTPRINT_H
#define BASE_FOOTPRINT_H

#include <stdint.h>

/* Bytes that lie in memory now; pages shared with other processes by their share; 0: cannot be told. */
int64_t footprint_bytes(void);
/* The most that lay in memory since the peak was last forgotten, pages of files included; 0: cannot be told. */
int64_t footprint_peak_bytes(void);
void footprint_forget_peak(void);
/* What was freed goes back to the system, so that it does not hide what is taken from now on. */
void footprint_return_freed(void);
/* What was allocated and not given back, touched or not. */
int64_t footprint_heap_bytes(void);

#endif
