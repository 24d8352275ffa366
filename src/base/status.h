/* How Hone reports what went wrong.
 *
 * Every function that can fail returns a `status`, which must be used. The words go into a
 * `context`, which every such function reaches through an argument: the function that detects the
 * problem calls FAIL, and each caller that knows more (which file, which tensor, which option) adds
 * one line with TRY_NOTE. `context_error` then reads from the outside in, e.g. opening model 'x':
 * tensor 'wte': offsets 64..128 end past the file (96 bytes) A context also owns the allocator that
 * everything below it uses, so that a test can fail the n-th allocation. A context belongs to one
 * thread at a time; worker threads never fail. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "base/compiler.h"
#include <stdarg.h>

typedef enum status {
    STATUS_OK = 0,
    STATUS_BAD_ARGUMENT, /* the caller's request cannot be meant: wrong shape, option, value */
    STATUS_BAD_DATA,     /* a file or message is malformed */
    STATUS_UNSUPPORTED,  /* understood, and refused by name */
    STATUS_NO_MEMORY,
    STATUS_IO,        /* the operating system refused: not found, denied, disk full */
    STATUS_BUSY,      /* somebody else holds it */
    STATUS_CANCELLED, /* asked to stop */
    STATUS_BUG,       /* Hone's own mistake */
} status;

typedef struct context context;

/* NULL when memory is short. `context_free(NULL)` is fine. */
context *context_new(void);
void context_free(context *cx);

/* The chain gathered since the last clear, outermost first, "" when none. Valid until the next
 * error. */
const char *context_error(const context *cx);
status context_status(const context *cx);
void context_clear(context *cx);

/* Starts an error: replaces what was gathered. Returns `code`, so that `return context_fail(...)`
 * works. */
status context_fail(context *cx, status code, const char *fmt, ...) PRINTF_LIKE(3, 4);
status context_vfail(context *cx, status code, const char *fmt, va_list args);
/* Puts "words: " in front of the gathered chain and returns `code`. */
status context_note(context *cx, status code, const char *fmt, ...) PRINTF_LIKE(3, 4);

const char *status_name(status code);

/* Memory. NULL has been reported to the context. Sizes are in bytes; memory starts on a cache line.
 * Releasing NULL is fine. */
void *context_alloc(context *cx, size_t size_bytes) MUST_USE;
void *context_zalloc(context *cx, size_t size_bytes) MUST_USE;
void context_release(context *cx, void *memory);

/* For tests: let `n` allocations succeed and fail the next one; negative turns it off. */
void context_fail_allocation_after(context *cx, int64_t n);
/* Allocations asked for so far, and those not yet released. */
int64_t context_allocations(const context *cx);
int64_t context_live_allocations(const context *cx);

/* The code is repeated so that the compiler sees that this path does not return STATUS_OK. */
#define FAIL(cx, code, ...) return (context_fail((cx), (code), __VA_ARGS__), (code))
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        status try_status_ = (expr);                                                               \
        if (UNLIKELY(try_status_ != STATUS_OK)) return try_status_;                                \
    } while (0)
#define TRY_NOTE(cx, expr, ...)                                                                    \
    do {                                                                                           \
        status try_status_ = (expr);                                                               \
        if (UNLIKELY(try_status_ != STATUS_OK))                                                    \
            return context_note((cx), try_status_, __VA_ARGS__);                                   \
    } while (0)
/* The same with one cleanup label; the function declares `status st = STATUS_OK;`. */
#define TRY_GOTO(label, expr)                                                                      \
    do {                                                                                           \
        st = (expr);                                                                               \
        if (UNLIKELY(st != STATUS_OK)) goto label;                                                 \
    } while (0)

#endif
