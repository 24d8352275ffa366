/* One lock covers the sink, stderr and the status line, so that lines never mix. */
#include "base/log.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

static const char *const level_names[LOG_LEVELS] = {LOG_LEVEL_NAMES};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int least_level = LOG_INFO;
static log_sink *current_sink;
static void *sink_arg;
static const char *status_line;

void log_set_level(log_level least) {
    atomic_store(&least_level, (int)least);
}

log_level log_get_level(void) {
    return (log_level)atomic_load(&least_level);
}

const char *log_level_name(log_level level) {
    return level_names[level];
}

void log_set_sink(log_sink *sink, void *arg) {
    pthread_mutex_lock(&lock);
    current_sink = sink;
    sink_arg = arg;
    pthread_mutex_unlock(&lock);
}

void log_lock(void) {
    pthread_mutex_lock(&lock);
}

void log_unlock(void) {
    pthread_mutex_unlock(&lock);
}

void log_set_status_line(const char *text) {
    status_line = text;
}

bool log_may_colour(int fd) {
    const char *plain = getenv("NO_COLOR");
    return isatty(fd) && !(plain && *plain);
}

static void to_stderr(log_level level, const char *line) {
    static const char *const colours[LOG_LEVELS] = {"\033[31m", "\033[33m", "", "\033[2m"};
    bool colour = log_may_colour(STDERR_FILENO);
    if (status_line) fputs("\r\033[K", stderr);
    const char *label = level == LOG_INFO ? "" : level_names[level];
    fprintf(stderr, "%s%s%s%s%s\n", colour ? colours[level] : "", label, *label ? ": " : "", line,
            colour && *colours[level] ? "\033[0m" : "");
    if (status_line) fputs(status_line, stderr);
    fflush(stderr);
}

void log_line(log_level level, const char *fmt, ...) {
    if ((int)level > atomic_load(&least_level)) return;
    char line[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    if (current_sink)
        current_sink(sink_arg, level, line);
    else
        to_stderr(level, line);
    pthread_mutex_unlock(&lock);
}
