/* Words about the work, for people: one line each, on stderr unless a sink takes them. Results of a verb do
 * not go here. The level and the sink are the process's own; setting them is not for worker threads. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/compiler.h"
#include <stdbool.h>

typedef enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_LEVELS } log_level;
#define LOG_LEVEL_NAMES "error", "warning", "info", "debug"

/* `line` has no newline at its end. Called under a lock: one line at a time. */
typedef void log_sink(void *arg, log_level level, const char *line);

void log_set_level(log_level least);
log_level log_get_level(void);
/* NULL: stderr, in colour on a terminal unless NO_COLOR is set. */
void log_set_sink(log_sink *sink, void *arg);
const char *log_level_name(log_level level);
/* Whether colours may be written to this descriptor: a terminal, and NO_COLOR is not set or empty. */
bool log_may_colour(int fd);

void log_line(log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* Keeps log lines and a progress line apart: stderr belongs to the caller in between. */
void log_lock(void);
void log_unlock(void);
/* The text to erase before a log line is written, and to write again after it; NULL: none. Under the lock. */
void log_set_status_line(const char *text);

#endif
