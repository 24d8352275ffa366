/* Curves: what a frame spans, where points fall, and that the three ways of drawing say the same. */
#include "report/plot.h"
#include "base/file.h"
#include "test.h"
#include <math.h>
#include <png.h>
#include <stdlib.h>

enum { WIDTH = 960, HEIGHT = 540, PATH = 600 };

static const double x[] = {0, 50, 100}, y[] = {4, 3, 2}, gap[] = {3, NAN, 4};
static const plot_curve curves[] = {{"a <b>", 7, x, y, 3, false}, {"c", 12, x, gap, 3, true}};
static const plot both = {"losses", curves, 2, false};

static void frames(test *t) {
    plot_frame f;
    CHECK(t, plot_measure(&both, &f));
    CHECK(t, f.x_low == 0 && f.x_high == 100 && f.y_low == 2 && f.y_high == 4, "%g..%g", f.y_low,
          f.y_high);
    CHECK(t, plot_x(&f, 50) == 0.5 && plot_y(&f, 3) == 0.5 && plot_y(&f, 4) == 1);
    plot tenfold = both;
    static const double powers[] = {1, 10, 100};
    plot_curve rising = {"p", 1, x, powers, 3, false};
    tenfold.curves = &rising, tenfold.n_curves = 1, tenfold.logarithmic = true;
    CHECK(t, plot_measure(&tenfold, &f) && fabs(plot_y(&f, 10) - 0.5) < 1e-12);
    static const double nothing[] = {NAN, INFINITY, -INFINITY};
    rising.y = nothing;
    CHECK(t, !plot_measure(&tenfold, &f));
}

static void files(test *t) {
    context *cx = context_new();
    char path[PATH];
    file_map map;
    snprintf(path, sizeof path, "%s/p.svg", test_folder(t));
    CHECK_OK(t, cx, plot_file(cx, &both, path));
    CHECK_OK(t, cx, file_map_open(cx, path, &map));
    char *text = context_zalloc(cx, (size_t)map.size_bytes + 1);
    memcpy(text, map.bytes, (size_t)map.size_bytes);
    CHECK(t, strstr(text, "80.0,40.0 510.0,265.0 940.0,490.0 ") && strstr(text, "a &lt;b>"));
    CHECK(t, strstr(text, "<circle") && strstr(text, "</svg>") && !strstr(text, "nan"));
    context_release(cx, text);
    file_map_close(&map);
    snprintf(path, sizeof path, "%s/p.png", test_folder(t));
    CHECK_OK(t, cx, plot_file(cx, &both, path));
    png_image image = {.version = PNG_IMAGE_VERSION};
    CHECK(t, png_image_begin_read_from_file(&image, path));
    CHECK(t, image.width == WIDTH && image.height == HEIGHT);
    image.format = PNG_FORMAT_RGB;
    uint8_t(*rgb)[WIDTH][3] = calloc(HEIGHT, sizeof *rgb);
    CHECK(t, rgb && png_image_finish_read(&image, NULL, rgb, 0, NULL));
    CHECK(t, rgb[265][510][0] == 0 && rgb[265][510][1] == 0x72 && rgb[265][510][2] == 0xb2);
    CHECK(t, rgb[300][510][0] == 255);
    free(rgb);
    CHECK_FAILS(t, cx, plot_png(cx, &both, "/nowhere/p.png"), STATUS_IO, "/nowhere");
    CHECK_FAILS(t, cx, plot_file_name(cx, "p.pdf"), STATUS_BAD_ARGUMENT, "p.pdf");
    context_free(cx);
}

static void terminal(test *t) {
    char text[16384];
    FILE *f = tmpfile();
    plot_terminal(&both, 60, 10, false, f);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    CHECK(t, strstr(text, "losses") && strstr(text, "-- c") && !strchr(text, 27));
    CHECK(t, strstr(text, "      4 ") && strstr(text, "      2 ") && strstr(text, "100"));
}

const test_case suite_plot[] = {{"frames", frames}, {"files", files}, {"terminal", terminal}, {0}};
