/* The line is registered with the log, which erases it before a log line and writes it again after. */
#include "base/progress.h"
#include "base/log.h"
#include "base/time.h"
#include <unistd.h>

enum { BAR_CELLS = 24 };
static const int64_t first_ns = INT64_C(2000000000), every_ns = INT64_C(100000000);

void progress_text(const char *what, int64_t done, int64_t total, double seconds, const char *note,
                   char *out, size_t size) {
    char span[32], bar[BAR_CELLS + 1];
    const char *sep = note && *note ? "  " : "";
    if (!note) note = "";
    if (total <= 0) {
        time_span_text(seconds, span, sizeof span);
        snprintf(out, size, "%s  %lld  %s%s%s", what, (long long)done, span, sep, note);
        return;
    }
    done = MAX_OF(0, MIN_OF(done, total));
    double share = (double)done / (double)total;
    int full = (int)(share * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++) bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    bar[BAR_CELLS] = 0;
    time_span_text(done > 0 ? seconds / share - seconds : -1, span, sizeof span);
    snprintf(out, size, "%s  [%s] %3d%%  %lld / %lld  %s left%s%s", what, bar, (int)(share * 100),
             (long long)done, (long long)total, span, sep, note);
}

void progress_begin(progress *p, const char *what, int64_t total) {
    *p = (progress){.what = what, .total = total, .started_ns = time_ns()};
    if (isatty(STDERR_FILENO)) p->out = stderr;
}

void progress_show(progress *p, int64_t done, const char *note) {
    if (!p->out) return;
    int64_t now = time_ns();
    if (now - p->started_ns < first_ns || now - p->shown_ns < every_ns) return;
    log_lock();
    progress_text(p->what, done, p->total, 1e-9 * (double)(now - p->started_ns), note, p->line,
                  sizeof p->line);
    fprintf(p->out, "\r\033[K%s", p->line);
    fflush(p->out);
    log_set_status_line(p->line);
    p->shown = true;
    p->shown_ns = now;
    log_unlock();
}

void progress_end(progress *p) {
    if (!p->shown) return;
    log_lock();
    log_set_status_line(NULL);
    fputs("\r\033[K", p->out);
    fflush(p->out);
    p->shown = false;
    log_unlock();
}
