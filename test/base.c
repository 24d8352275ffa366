/* The base floor: errors that gather words, memory by lifetime. */
#include "test.h"
#include "base/arena.h"

static void error_chain(test *t) {
    context *cx = context_new();
    status st = context_fail(cx, STATUS_BAD_DATA, "offset %d", 7);
    st = context_note(cx, st, "file '%s'", "x");
    CHECK(t, st == STATUS_BAD_DATA && !strcmp(context_error(cx), "file 'x': offset 7"), "%s",
          context_error(cx));
    context_free(cx);
}

static void arena_reuse(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            char *p = arena_alloc_lines(&a, 100);
            CHECK(t, p && (uintptr_t)p % 64 == 0 && p[99] == 0, "piece %d", i);
            memset(p, 1, 100);
        }
        arena_reset(&a);
    }
    arena_free(&a);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void allocation_failure(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    context_fail_allocation_after(cx, 1);
    CHECK(t, arena_alloc(&a, 10) != NULL, "first");
    CHECK(t, arena_alloc(&a, 100000) == NULL && context_status(cx) == STATUS_NO_MEMORY, "second");
    arena_free(&a);
    context_free(cx);
}

const test_case suite_base[] = {{"error_chain", error_chain},
                                {"arena_reuse", arena_reuse},
                                {"allocation_failure", allocation_failure},
                                {0}};
