/* One file, one suite: each test/NAME.c defines `const test_case suite_NAME[]`, closed by {0}.
 * A case fails by CHECK, is skipped aloud by SKIP, and otherwise passes. The runner times each. */
#ifndef TEST_H
#define TEST_H

#include "base/status.h"
#include <stdbool.h>
#include <string.h>

typedef struct test test;
typedef struct test_case {
    const char *name;
    void (*run)(test *t);
    bool slow; /* left out of the quick run */
} test_case;

void test_fail(test *t, const char *file, int line, const char *what, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
void test_skip(test *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A folder for this case's files, empty at its start and removed after it passed. */
const char *test_folder(test *t);

/* The shared data folder, or NULL after the case has been skipped aloud. */
const char *test_data(test *t);

#define CHECK(t, cond, ...)                                                                        \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            test_fail((t), __FILE__, __LINE__, #cond, " " __VA_ARGS__);                            \
            return;                                                                                \
        }                                                                                          \
    } while (0)
#define CHECK_OK(t, cx, expr)                                                                      \
    do {                                                                                           \
        status check_status_ = (expr);                                                             \
        if (check_status_ != STATUS_OK) {                                                          \
            test_fail((t), __FILE__, __LINE__, #expr, "%s", context_error(cx));                    \
            return;                                                                                \
        }                                                                                          \
    } while (0)
/* The call must fail with this status and a message that holds `words`. */
#define CHECK_FAILS(t, cx, expr, code, words)                                                      \
    do {                                                                                           \
        context_clear(cx);                                                                         \
        status check_status_ = (expr);                                                             \
        if (check_status_ != (code) || !strstr(context_error(cx), words)) {                        \
            test_fail((t), __FILE__, __LINE__, #expr, "%s, '%s'; expected %s, '%s'",               \
                      status_name(check_status_), context_error(cx), status_name(code), words);    \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#endif
