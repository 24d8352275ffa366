#include "report/plot.h"
#include <math.h>
#include <string.h>

/* Okabe and Ito's colours, which colour-blind people tell apart. */
const uint32_t plot_colours[PLOT_COLOURS] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7,
                                             0xe69f00, 0x56b4e9, 0x000000, 0x999933};

/* The round step (1, 2 or 5 times a power of ten) that parts a span into about five. */
static double round_step(double span) {
    double power = pow(10, floor(log10(span / 5))), rest = span / 5 / power;
    return power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
}

static double on_axis(const plot_frame *f, double y) {
    return f->logarithmic ? log10(y) : y;
}

static bool is_shown(const plot *p, const plot_curve *c, int64_t i) {
    return isfinite(c->y[i]) && (!p->logarithmic || c->y[i] > 0);
}

bool plot_measure(const plot *p, plot_frame *out) {
    double low = INFINITY, high = -INFINITY, left = INFINITY, right = -INFINITY;
    *out = (plot_frame){.logarithmic = p->logarithmic};
    for (int64_t k = 0; k < p->n_curves; k++)
        for (int64_t i = 0; i < p->curves[k].n; i++) {
            const plot_curve *c = &p->curves[k];
            if (!is_shown(p, c, i)) continue;
            double y = on_axis(out, c->y[i]);
            low = fmin(low, y), high = fmax(high, y);
            left = fmin(left, c->x[i]), right = fmax(right, c->x[i]);
        }
    if (!(left <= right)) return false;
    if (high - low < 1e-9) low -= 0.5, high += 0.5;
    if (right - left < 1e-9) right = left + 1;
    out->y_step = round_step(high - low);
    out->x_step = round_step(right - left);
    out->y_low = floor(low / out->y_step) * out->y_step;
    out->y_high = ceil(high / out->y_step) * out->y_step;
    out->x_low = floor(left / out->x_step) * out->x_step;
    out->x_high = ceil(right / out->x_step) * out->x_step;
    return true;
}

double plot_x(const plot_frame *f, double x) {
    return (x - f->x_low) / (f->x_high - f->x_low);
}

double plot_y(const plot_frame *f, double y) {
    return (on_axis(f, y) - f->y_low) / (f->y_high - f->y_low);
}

void plot_label(double v, char *out, size_t size) {
    snprintf(out, size, "%.3g", fabs(v) < 1e-12 ? 0 : v);
    if (fabs(v) >= 1000 && fabs(v) < 1e6 && v == floor(v)) snprintf(out, size, "%.0f", v);
}

/* ---- in a terminal: a cell is 2 x 4 dots of a Braille character ---- */

enum { MOST_COLUMNS = 200, MOST_ROWS = 60, LABEL_COLUMNS = 9 };

typedef struct canvas {
    int columns, rows;
    uint8_t dots[MOST_ROWS][MOST_COLUMNS];
    uint8_t colour[MOST_ROWS][MOST_COLUMNS];
} canvas;

static void dot(canvas *c, double x, double y, int colour) {
    static const uint8_t bits[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    int px = (int)(x * (2 * c->columns - 1) + 0.5), py = (int)((1 - y) * (4 * c->rows - 1) + 0.5);
    if (px < 0 || py < 0 || px >= 2 * c->columns || py >= 4 * c->rows) return;
    c->dots[py / 4][px / 2] |= bits[py % 4][px % 2];
    c->colour[py / 4][px / 2] = (uint8_t)colour;
}

static void line(canvas *c, double x0, double y0, double x1, double y1, int colour) {
    int steps = (int)(fmax(fabs(x1 - x0) * 2 * c->columns, fabs(y1 - y0) * 4 * c->rows)) + 1;
    for (int i = 0; i <= steps; i++) {
        double t = (double)i / steps;
        dot(c, x0 + t * (x1 - x0), y0 + t * (y1 - y0), colour);
    }
}

static void put_cell(uint8_t dots, FILE *out) {
    unsigned code = 0x2800u + dots;
    fputc((int)(0xe0 | code >> 12), out);
    fputc((int)(0x80 | (code >> 6 & 63)), out);
    fputc((int)(0x80 | (code & 63)), out);
}

static void draw_curves(canvas *c, const plot *p, const plot_frame *f) {
    for (int64_t k = 0; k < p->n_curves; k++) {
        const plot_curve *curve = &p->curves[k];
        double before_x = NAN, before_y = NAN;
        for (int64_t i = 0; i < curve->n; i++) {
            if (!is_shown(p, curve, i)) continue;
            double x = plot_x(f, curve->x[i]), y = plot_y(f, curve->y[i]);
            if (isfinite(before_x)) line(c, before_x, before_y, x, y, (int)k % 6);
            dot(c, x, y, (int)k % 6);
            before_x = x, before_y = y;
        }
    }
}

void plot_terminal(const plot *p, int columns, int rows, bool coloured, FILE *out) {
    static const int shades[] = {34, 31, 32, 35, 33, 36};
    canvas c = {.columns = MIN_OF(MAX_OF(columns - LABEL_COLUMNS, 20), MOST_COLUMNS),
                .rows = MIN_OF(MAX_OF(rows, 5), MOST_ROWS)};
    plot_frame f;
    char label[24];
    if (!plot_measure(p, &f)) return;
    draw_curves(&c, p, &f);
    fprintf(out, "%s\n", p->title);
    for (int r = 0; r < c.rows; r++) {
        double v = f.y_high - (f.y_high - f.y_low) * r / (c.rows - 1);
        plot_label(f.logarithmic ? pow(10, v) : v, label, sizeof label);
        fprintf(out, "%*s ", LABEL_COLUMNS - 2, r % 4 && r != c.rows - 1 ? "" : label);
        for (int k = 0; k < c.columns; k++) {
            bool shade = coloured && c.dots[r][k];
            if (shade) fprintf(out, "\033[%dm", shades[c.colour[r][k]]);
            put_cell(c.dots[r][k], out);
            if (shade) fputs("\033[0m", out);
        }
        fputc('\n', out);
    }
    char right[24];
    plot_label(f.x_low, label, sizeof label);
    plot_label(f.x_high, right, sizeof right);
    fprintf(out, "%*s%-*s%s\n", LABEL_COLUMNS - 1, "", c.columns - (int)strlen(right), label,
            right);
    for (int64_t k = 0; k < p->n_curves; k++) {
        char on[8] = "";
        if (coloured) snprintf(on, sizeof on, "\033[%dm", shades[k % 6]);
        fprintf(out, "%*s%s--%s %s\n", LABEL_COLUMNS - 1, "", on, coloured ? "\033[0m" : "",
                p->curves[k].name);
    }
}
