/* The smallest HTTP client: a socket, a request, all of the answer. */
#ifndef TEST_KIT_DIAL_H
#define TEST_KIT_DIAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Connected to this machine's port, or -1. Reading waits a minute at most, so that a busy machine is no failure; while
 * the process is stopped no time passes. */
int dial(int port);
bool say(int fd, const char *text, size_t length);
/* Reads until `words` have come; false at the connection's end. */
bool hear(int fd, const char *words, char *out, size_t size);
/* Sends a request ("POST /path", header lines or "", a body) without waiting for its answer; -1: it failed. */
int ask_begin(int port, const char *what, const char *headers, const char *body);
/* Asks and reads to the end of the connection; the HTTP status, 0 where none came. `out` holds head and body. */
int ask(int port, const char *what, const char *headers, const char *body, char *out, size_t size);
/* Whether the count reaches `wanted` within some seconds, less those in which the process was stopped. */
bool soon(atomic_int *count, int wanted, double seconds);

#endif
