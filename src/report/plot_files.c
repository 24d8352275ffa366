/* SVG as text; PNG from pixels, with digits of three by five dots. */
#include "base/file.h"
#include "report/plot.h"
#include <math.h>
#include <png.h>
#include <string.h>

enum { WIDTH = 960, HEIGHT = 540, LEFT = 80, RIGHT = 20, TOP = 40, BOTTOM = 50 };
enum { INNER_WIDTH = WIDTH - LEFT - RIGHT, INNER_HEIGHT = HEIGHT - TOP - BOTTOM };

static double at_x(const plot_frame *f, double x) {
    return LEFT + INNER_WIDTH * plot_x(f, x);
}

static double at_share(double y) {
    return TOP + INNER_HEIGHT * (1 - y);
}

static double y_tick(const plot_frame *f, double v) {
    return at_share((v - f->y_low) / (f->y_high - f->y_low));
}

static bool is_drawn(const plot *p, double y) {
    return isfinite(y) && (!p->logarithmic || y > 0);
}

/* ---- SVG ---- */

static status put_escaped(text_buffer *b, const char *text) {
    for (; *text; text++) {
        const char *as = *text == '<' ? "&lt;" : *text == '&' ? "&amp;" : NULL;
        TRY(as ? text_append(b, as, (int64_t)strlen(as)) : text_append(b, text, 1));
    }
    return STATUS_OK;
}

static status svg_axes(text_buffer *b, const plot *p, const plot_frame *f) {
    char label[24];
    for (double v = f->y_low; v <= f->y_high + f->y_step / 2; v += f->y_step) {
        plot_label(f->logarithmic ? pow(10, v) : v, label, sizeof label);
        TRY(text_print(b,
                       "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
                       "text-anchor=\"end\">%s</text>\n",
                       LEFT, y_tick(f, v), WIDTH - RIGHT, LEFT - 8, y_tick(f, v) + 4, label));
    }
    for (double v = f->x_low; v <= f->x_high + f->x_step / 2; v += f->x_step) {
        plot_label(v, label, sizeof label);
        TRY(text_print(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                       at_x(f, v), HEIGHT - BOTTOM + 20, label));
    }
    return text_print(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                      LEFT + INNER_WIDTH / 2, HEIGHT - 8, p->x_name ? p->x_name : "step");
}

static status svg_curve(text_buffer *b, const plot *p, const plot_frame *f, int64_t k) {
    const plot_curve *c = &p->curves[k];
    unsigned colour = plot_colours[k % PLOT_COLOURS];
    TRY(text_print(b, "<polyline fill=\"none\" stroke=\"#%06x\" stroke-width=\"1.5\" points=\"",
                   colour));
    for (int64_t i = 0; i < c->n; i++)
        if (is_drawn(p, c->y[i]))
            TRY(text_print(b, "%.1f,%.1f ", at_x(f, c->x[i]), at_share(plot_y(f, c->y[i]))));
    TRY(text_print(b, "\"/>\n"));
    for (int64_t i = 0; i < c->n && c->dots; i++)
        if (is_drawn(p, c->y[i]))
            TRY(text_print(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"#%06x\"/>\n",
                           at_x(f, c->x[i]), at_share(plot_y(f, c->y[i])), colour));
    TRY(text_print(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"#%06x\">",
                   WIDTH - RIGHT - 8, TOP + 16 + 18 * (int)k, colour));
    TRY(put_escaped(b, c->name));
    return text_print(b, "</text>\n");
}

status plot_svg_text(text_buffer *b, const plot *p) {
    plot_frame f;
    if (!plot_measure(p, &f)) FAIL(b->cx, STATUS_BAD_DATA, "there is nothing to plot");
    TRY(text_print(b,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%%\" "
                   "height=\"100%%\" fill=\"white\"/>\n<text x=\"%d\" y=\"24\" font-size=\"16\">",
                   WIDTH, HEIGHT, LEFT));
    TRY(put_escaped(b, p->title));
    TRY(text_print(b, "</text>\n"));
    TRY(svg_axes(b, p, &f));
    for (int64_t k = 0; k < p->n_curves; k++) TRY(svg_curve(b, p, &f, k));
    return text_print(b, "</svg>\n");
}

status plot_svg(context *cx, const plot *p, const char *path) {
    text_buffer b = {.cx = cx};
    status st = plot_svg_text(&b, p);
    if (st == STATUS_OK) st = file_write_whole(cx, path, b.bytes, b.length);
    text_free(&b);
    return st;
}

/* ---- PNG ---- */

typedef struct pixels {
    uint8_t rgb[HEIGHT][WIDTH][3];
} pixels;

static void set(pixels *to, int x, int y, uint32_t colour) {
    if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT) return;
    to->rgb[y][x][0] = (uint8_t)(colour >> 16);
    to->rgb[y][x][1] = (uint8_t)(colour >> 8);
    to->rgb[y][x][2] = (uint8_t)colour;
}

static void segment(pixels *to, double x0, double y0, double x1, double y1, uint32_t colour) {
    int steps = (int)fmax(fabs(x1 - x0), fabs(y1 - y0)) + 1;
    for (int i = 0; i <= steps; i++) {
        int x = (int)(x0 + (x1 - x0) * i / steps), y = (int)(y0 + (y1 - y0) * i / steps);
        set(to, x, y, colour);
        set(to, x, y + 1, colour);
    }
}

/* Rows of three dots from the top, the leftmost is 4. */
static const uint8_t *glyph(char c) {
    static const char known[] = "0123456789.-+e";
    static const uint8_t rows[][5] = {
        {7, 5, 5, 5, 7}, {2, 6, 2, 2, 7}, {7, 1, 7, 4, 7}, {7, 1, 7, 1, 7}, {5, 5, 7, 1, 1},
        {7, 4, 7, 1, 7}, {7, 4, 7, 5, 7}, {7, 1, 1, 2, 2}, {7, 5, 7, 5, 7}, {7, 5, 7, 1, 7},
        {0, 0, 0, 0, 2}, {0, 0, 7, 0, 0}, {0, 2, 7, 2, 0}, {0, 7, 7, 4, 7}};
    const char *at = c ? strchr(known, c) : NULL;
    return at ? rows[at - known] : NULL;
}

static void number(pixels *to, double v, int x, int y, bool from_right, uint32_t colour) {
    enum { DOT = 2, CELL = 4 * DOT };
    char text[24];
    plot_label(v, text, sizeof text);
    if (from_right) x -= CELL * (int)strlen(text);
    for (const char *c = text; *c; c++, x += CELL) {
        const uint8_t *rows = glyph(*c);
        for (int r = 0; rows && r < 5 * DOT; r++)
            for (int k = 0; k < 3 * DOT; k++)
                if (rows[r / DOT] >> (2 - k / DOT) & 1) set(to, x + k, y + r, colour);
    }
}

static void paint(pixels *to, const plot *p, const plot_frame *f) {
    memset(to, 255, sizeof *to);
    for (double v = f->y_low; v <= f->y_high + f->y_step / 2; v += f->y_step) {
        int y = (int)y_tick(f, v);
        for (int x = LEFT; x < WIDTH - RIGHT; x++) set(to, x, y, 0xdddddd);
        number(to, f->logarithmic ? pow(10, v) : v, LEFT - 8, y - 5, true, 0x333333);
    }
    for (double v = f->x_low; v <= f->x_high + f->x_step / 2; v += f->x_step)
        number(to, v, (int)at_x(f, v) - 8, HEIGHT - BOTTOM + 12, false, 0x333333);
    for (int64_t k = 0; k < p->n_curves; k++) {
        const plot_curve *c = &p->curves[k];
        uint32_t colour = plot_colours[k % PLOT_COLOURS];
        double before_x = NAN, before_y = NAN;
        for (int64_t i = 0; i < c->n; i++) {
            if (!is_drawn(p, c->y[i])) continue;
            double x = at_x(f, c->x[i]), y = at_share(plot_y(f, c->y[i]));
            if (isfinite(before_x)) segment(to, before_x, before_y, x, y, colour);
            for (int d = 0; d < 25 && c->dots; d++)
                set(to, (int)x + d % 5 - 2, (int)y + d / 5 - 2, colour);
            before_x = x, before_y = y;
        }
        int y = TOP + 10 + 18 * (int)k;
        segment(to, WIDTH - RIGHT - 90, y + 4, WIDTH - RIGHT - 60, y + 4, colour);
        number(to, (double)c->number, WIDTH - RIGHT - 8, y, true, colour);
    }
}

status plot_png(context *cx, const plot *p, const char *path) {
    plot_frame f;
    if (!plot_measure(p, &f)) FAIL(cx, STATUS_BAD_DATA, "there is nothing to plot");
    pixels *to = context_alloc(cx, sizeof *to);
    if (!to) return STATUS_NO_MEMORY;
    paint(to, p, &f);
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = WIDTH, .height = HEIGHT, .format = PNG_FORMAT_RGB};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *bytes = context_alloc(cx, size);
    status st = bytes ? STATUS_OK : STATUS_NO_MEMORY;
    if (bytes && !png_image_write_to_memory(&image, bytes, &size, 0, to, 0, NULL))
        st = context_fail(cx, STATUS_IO, "'%s': %s", path, image.message);
    if (st == STATUS_OK) st = file_write_whole(cx, path, bytes, (int64_t)size);
    context_release(cx, bytes);
    context_release(cx, to);
    return st;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

status plot_file_name(context *cx, const char *path) {
    if (!ends_with(path, ".svg") && !ends_with(path, ".png"))
        FAIL(cx, STATUS_BAD_ARGUMENT, "--out '%s' ends neither in .svg nor in .png", path);
    return STATUS_OK;
}

status plot_file(context *cx, const plot *p, const char *path) {
    TRY(plot_file_name(cx, path));
    return ends_with(path, ".svg") ? plot_svg(cx, p, path) : plot_png(cx, p, path);
}
