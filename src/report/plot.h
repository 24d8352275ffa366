/* Curves and points, drawn three ways from one layout: in a terminal, as SVG, as PNG. */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include "text/grow.h"
#include <stdbool.h>
#include <stdio.h>

typedef struct plot_curve {
    const char *name; /* for people; PNG shows `number` */
    int64_t number;
    const double *x, *y;
    int64_t n;
    bool dots; /* few points: marked */
} plot_curve;

typedef struct plot {
    const char *title;
    const plot_curve *curves;
    int64_t n_curves;
    bool logarithmic;   /* y */
    const char *x_name; /* NULL: step */
} plot;

/* What all curves span, widened to round numbers. */
typedef struct plot_frame {
    double x_low, x_high, y_low, y_high;
    double x_step, y_step; /* between ticks; on a logarithmic axis in powers */
    bool logarithmic;
} plot_frame;

/* False where there is no finite point. */
bool plot_measure(const plot *p, plot_frame *out);
/* Place of a value within 0 .. 1, from the left and from the bottom. */
double plot_x(const plot_frame *f, double x);
double plot_y(const plot_frame *f, double y);
/* The number of a tick, shortest. */
void plot_label(double v, char *out, size_t size);

void plot_terminal(const plot *p, int columns, int rows, bool coloured, FILE *out);
/* The SVG as text, to stand in a page. */
status plot_svg_text(text_buffer *out, const plot *p) MUST_USE;
status plot_svg(context *cx, const plot *p, const char *path) MUST_USE;
status plot_png(context *cx, const plot *p, const char *path) MUST_USE;
/* Either of the two, as the name ends; and whether it ends so, to be asked before long work. */
status plot_file_name(context *cx, const char *path) MUST_USE;
status plot_file(context *cx, const plot *p, const char *path) MUST_USE;

extern const uint32_t plot_colours[];
enum { PLOT_COLOURS = 8 };

#endif
