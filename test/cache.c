/* What goes from the cache, and what stays. */
#include "base/cache.h"
#include "base/file.h"
#include "test.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

enum { FILES = 3, DAY = 24 * 3600 };
static const char *const NAMES[FILES] = {"old", "older", "fresh"};
static const int DAYS[FILES] = {CACHE_KEPT_DAYS + 1, CACHE_KEPT_DAYS + 2, CACHE_KEPT_DAYS - 1};

static const char *place(test *t, const char *name) {
    static char path[400];
    snprintf(path, sizeof path, "%s/cache/%s", test_folder(t), name);
    file_make_folders(path);
    return path;
}

static void fill(test *t, context *cx) {
    for (int i = 0; i < FILES; i++) {
        struct timespec then = {.tv_sec = time(NULL) - (time_t)DAYS[i] * DAY};
        CHECK_OK(t, cx, file_write_whole(cx, place(t, NAMES[i]), "x", 1));
        CHECK(t, !utimensat(AT_FDCWD, place(t, NAMES[i]), (struct timespec[]){then, then}, 0), "");
    }
}

/* A figure for each file that is there, and - for one that is not. */
static const char *left(test *t) {
    static char text[FILES + 1];
    for (int i = 0; i < FILES; i++)
        text[i] = file_exists(place(t, NAMES[i])) ? (char)('0' + i) : '-';
    return text;
}

static void goes(test *t) {
    context *cx = context_new();
    fill(t, cx);
    cache_use(place(t, "old"), 1);
    CHECK(t, !strcmp(left(t), "012"), "%s: one that is there is used, and nothing is removed", left(t));
    cache_use(place(t, "new"), 1);
    CHECK(t, !strcmp(left(t), "0-2"), "%s: what was not used for long goes", left(t));
    cache_use(place(t, "new"), INT64_MAX / 2);
    CHECK(t, !strcmp(left(t), "---"), "%s: all go where the disk is too small", left(t));
    cache_use(place(t, "none/such"), 1);
    context_free(cx);
}

const test_case suite_cache[] = {{"goes", goes}, {0}};
