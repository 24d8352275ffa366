/* The report's files: numbers for programs, the Pareto picture, and a page that needs nothing else. */
#include "base/file.h"
#include "report/plot.h"
#include "report/report.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CELL = 32 };

/* ---- the picture ---- */

/* No other model is both smaller and better, or as good in one and better in the other. */
static bool is_best(const double *x, const double *y, int64_t n, int64_t i) {
    if (!isfinite(x[i]) || !isfinite(y[i])) return false;
    for (int64_t k = 0; k < n; k++)
        if (x[k] <= x[i] && y[k] <= y[i] && (x[k] < x[i] || y[k] < y[i])) return false;
    return true;
}

/* The best ones from the smallest up. */
static int64_t frontier(const double *x, const double *y, int64_t n, double *to_x, double *to_y) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!is_best(x, y, n, i)) continue;
        int64_t at = count++;
        for (; at > 0 && to_x[at - 1] > x[i]; at--)
            to_x[at] = to_x[at - 1], to_y[at] = to_y[at - 1];
        to_x[at] = x[i], to_y[at] = y[i];
    }
    return count;
}

/* The frontier, then a point for each model. */
static status draw(arena *mem, const report_row *rows, int64_t n, plot *out) {
    double *x = ARENA_NEW(mem, double, 2 * n), *y = ARENA_NEW(mem, double, 2 * n);
    plot_curve *c = ARENA_NEW(mem, plot_curve, n + 1);
    if (!x || !y || !c) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        x[i] = (double)rows[i].bytes / (1 << 20);
        y[i] = rows[i].perplexity;
        c[i + 1] = (plot_curve){rows[i].model, i + 1, &x[i], &y[i], 1, true};
    }
    int64_t best = frontier(x, y, n, x + n, y + n);
    c[0] = (plot_curve){"the best for their size", 0, x + n, y + n, best, false};
    *out = (plot){
        .title = "perplexity over size", .curves = c, .n_curves = n + 1, .x_name = "weights, MiB"};
    return STATUS_OK;
}

/* ---- the page ---- */

static status text(text_buffer *b, const char *s) {
    return text_append(b, s, (int64_t)strlen(s));
}

static status escaped(text_buffer *b, const char *s) {
    for (; *s; s++) {
        const char *as = *s == '<' ? "&lt;" : *s == '&' ? "&amp;" : *s == '"' ? "&quot;" : NULL;
        TRY(as ? text(b, as) : text_append(b, s, 1));
    }
    return STATUS_OK;
}

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Hone report</title>\n"
    "<style>body{font:15px sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.3em .7em;border-bottom:1px solid #ddd;text-align:right}"
    "th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}"
    "pre{white-space:pre-wrap;background:#f6f6f6;padding:.7em}</style></head><body>\n"
    "<h1>Hone report</h1>\n";

static status put_rows(text_buffer *b, const report_row *rows, int64_t n) {
    char cell[CELL];
    TRY(text(b, "<table><tr><th>model</th>"));
    for (const report_column *c = report_columns; c->name; c++) {
        if (!c->title || !report_knows(rows, n, c)) continue;
        TRY(text(b, "<th>"));
        TRY(escaped(b, c->title));
        TRY(text(b, "</th>"));
    }
    for (int64_t i = 0; i < n; i++) {
        TRY(text(b, "</tr>\n<tr><td>"));
        TRY(escaped(b, rows[i].model));
        TRY(text(b, "</td>"));
        for (const report_column *c = report_columns; c->name; c++) {
            if (!c->title || !report_knows(rows, n, c)) continue;
            report_cell(&rows[i], c, cell, sizeof cell);
            TRY(text(b, "<td>"));
            TRY(text(b, cell));
            TRY(text(b, "</td>"));
        }
    }
    return text(b, "</tr></table>\n");
}

static status put_lineage(text_buffer *b, const report_row *r) {
    if (!r->has_lineage) return STATUS_OK;
    json_writer w = json_writer_to_buffer(b->cx, 2);
    lineage_json(&w, &r->lineage);
    status st = json_writer_finish(&w);
    if (st == STATUS_OK) st = text(b, "<h3>");
    if (st == STATUS_OK) st = escaped(b, r->model);
    if (st == STATUS_OK) st = text(b, "</h3><pre>");
    if (st == STATUS_OK) st = escaped(b, w.bytes);
    if (st == STATUS_OK) st = text(b, "</pre>\n");
    json_writer_free(&w);
    return st;
}

static status put_page(text_buffer *b, const report_row *rows, int64_t n, const plot *p) {
    plot_frame f;
    TRY(text(b, head));
    TRY(put_rows(b, rows, n));
    if (plot_measure(p, &f)) TRY(plot_svg_text(b, p));
    TRY(text(b, "<h2>Where they come from</h2>\n"));
    for (int64_t i = 0; i < n; i++) TRY(put_lineage(b, &rows[i]));
    return text(b, "</body></html>\n");
}

/* ---- files ---- */

static const char *path_of(arena *mem, const char *folder, const char *name) {
    return arena_printf(mem, "%s/%s", folder, name);
}

static status write_text(context *cx, const char *path, text_buffer *b, status st) {
    if (st == STATUS_OK) st = file_write_whole(cx, path, b->bytes, b->length);
    text_free(b);
    return st;
}

static status write_json(context *cx, const char *path, const report_row *rows, int64_t n) {
    json_writer w = json_writer_to_buffer(cx, 2);
    json_write_array(&w);
    for (int64_t i = 0; i < n; i++) report_json(&w, &rows[i]);
    json_write_array_end(&w);
    status st = json_writer_finish(&w);
    if (st == STATUS_OK) st = file_write_whole(cx, path, w.bytes, w.size);
    json_writer_free(&w);
    return st;
}

static status write_all(arena *mem, const char *folder, const report_row *rows, int64_t n) {
    static const char *const names[] = {"report.json", "report.csv", "report.html", "pareto.svg",
                                        "pareto.png"};
    const char *path[COUNT_OF(names)];
    context *cx = mem->cx;
    plot p;
    plot_frame f;
    for (int i = 0; i < COUNT_OF(names); i++)
        if (!(path[i] = path_of(mem, folder, names[i]))) return STATUS_NO_MEMORY;
    TRY(draw(mem, rows, n, &p));
    TRY(write_json(cx, path[0], rows, n));
    text_buffer csv = {.cx = cx}, page = {.cx = cx};
    TRY(write_text(cx, path[1], &csv, report_csv(rows, n, &csv)));
    TRY(write_text(cx, path[2], &page, put_page(&page, rows, n, &p)));
    if (!plot_measure(&p, &f)) return STATUS_OK;
    TRY(plot_svg(cx, &p, path[3]));
    return plot_png(cx, &p, path[4]);
}

status report_write(context *cx, const char *folder, const report_row *rows, int64_t n) {
    arena mem = arena_make(cx);
    status st = STATUS_OK;
    if (mkdir(folder, 0777) && errno != EEXIST)
        st = context_fail(cx, STATUS_IO, "making the folder '%s': %s", folder, strerror(errno));
    if (st == STATUS_OK) st = write_all(&mem, folder, rows, n);
    arena_free(&mem);
    return st;
}
