/* Clocks by clock_gettime; texts without the locale. */
#include "base/time.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { NS = 1000000000 };

int64_t time_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

double time_seconds(void) {
    return 1e-9 * (double)time_ns();
}

double time_process_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void time_sleep_ns(int64_t ns) {
    int64_t end = time_ns() + ns;
    struct timespec t = {.tv_sec = (time_t)(end / NS), .tv_nsec = (long)(end % NS)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) continue;
}

int64_t time_unix_seconds(void) {
    return (int64_t)time(NULL);
}

void time_text(int64_t unix_seconds, char out[TIME_TEXT_BYTES]) {
    time_t seconds = (time_t)unix_seconds;
    struct tm parts;
    out[0] = 0;
    if (gmtime_r(&seconds, &parts)) strftime(out, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

void time_span_text(double seconds, char *out, size_t size) {
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(out, size, "?");
        return;
    }
    int64_t s = (int64_t)(seconds + 0.5), minutes = s / 60, hours = s / 3600;
    if (s < 60)
        snprintf(out, size, "%d s", (int)s);
    else if (hours == 0)
        snprintf(out, size, "%d min %d s", (int)minutes, (int)(s % 60));
    else if (hours < 24)
        snprintf(out, size, "%d h %d min", (int)hours, (int)(minutes % 60));
    else
        snprintf(out, size, "%d d %d h", (int)(hours / 24), (int)(hours % 24));
}
