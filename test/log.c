/* Log levels and sinks, the progress line, clocks. */
#include "test.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/time.h"
#include <stdio.h>

typedef struct heard {
    int lines;
    log_level level;
    char last[64];
} heard;

static void listen(void *arg, log_level level, const char *line) {
    heard *h = arg;
    h->lines++;
    h->level = level;
    snprintf(h->last, sizeof h->last, "%s", line);
}

static void levels(test *t) {
    heard h = {0};
    log_set_sink(listen, &h);
    log_info("step %d", 3);
    CHECK(t, h.lines == 1 && h.level == LOG_INFO && !strcmp(h.last, "step 3"), "%s", h.last);
    log_debug("hidden");
    CHECK(t, h.lines == 1);
    log_set_level(LOG_DEBUG);
    log_debug("shown");
    CHECK(t, h.lines == 2 && !strcmp(log_level_name(h.level), "debug"));
    log_set_level(LOG_ERROR);
    log_warning("hidden");
    CHECK(t, h.lines == 2 && log_get_level() == LOG_ERROR);
    log_error("%0*d", 3000, 1);
    CHECK(t, h.lines == 3);
    log_set_sink(NULL, NULL);
}

static void progress_line(test *t) {
    char text[PROGRESS_LINE_BYTES];
    progress_text("packing", 12, 48, 10, "loss 2", text, sizeof text);
    CHECK(t, !strcmp(text, "packing  [======>                 ]  25%  12 / 48  30 s left  loss 2"),
          "%s", text);
    progress_text("packing", 0, 48, 1, NULL, text, sizeof text);
    CHECK(t, strstr(text, "  0%  0 / 48  ? left"), "%s", text);
    progress_text("packing", 50, 48, 1, NULL, text, sizeof text);
    CHECK(t, strstr(text, "100%  48 / 48  0 s left"), "%s", text);
    progress_text("reading", 7, 0, 65, NULL, text, sizeof text);
    CHECK(t, !strcmp(text, "reading  7  1 min 5 s"), "%s", text);
    FILE *file = tmpfile();
    progress p;
    progress_begin(&p, "early", 2);
    p.out = file;
    progress_show(&p, 1, NULL);
    CHECK(t, ftell(file) == 0, "nothing in the first two seconds");
    p.started_ns -= INT64_C(3000000000);
    progress_show(&p, 1, NULL);
    CHECK(t, ftell(file) > 0 && p.shown);
    long size = ftell(file);
    progress_show(&p, 2, NULL);
    CHECK(t, ftell(file) == size, "not twice in a tenth of a second");
    progress_end(&p);
    CHECK(t, ftell(file) > size && !p.shown);
    fclose(file);
}

static void clocks(test *t) {
    int64_t start = time_ns();
    time_sleep_ns(2000000);
    CHECK(t, time_ns() - start >= 2000000);
    char text[TIME_TEXT_BYTES], span[32];
    time_text(1000000000, text);
    CHECK(t, !strcmp(text, "2001-09-09T01:46:40Z"), "%s", text);
    time_span_text(7500, span, sizeof span);
    CHECK(t, !strcmp(span, "2 h 5 min"), "%s", span);
    time_span_text(360000, span, sizeof span);
    CHECK(t, !strcmp(span, "4 d 4 h"), "%s", span);
}

const test_case suite_log[] = {
    {"levels", levels}, {"progress_line", progress_line}, {"clocks", clocks}, {0}};
