/* A small network learns to tell two spirals apart, through Hone's public headers only.
 *   x[points, 2] -> tanh(x w1 + b1) -> tanh(. w2 + b2) -> . w3 + b3 -> cross-entropy */
#include "hone/hone.h"
#include <math.h>
#include <stdio.h>

enum { POINTS = 512, WIDTH = 64, STEPS = 1500 };

/* Two arms that wind around each other, one and a half turns, with a little noise. */
static void draw_spirals(float *xy, int32_t *arm) {
    uint32_t seed = 12345;
    for (int i = 0; i < POINTS; i++) {
        seed = seed * 1664525u + 1013904223u;
        float along = (float)(i / 2) / (POINTS / 2), noise = (float)(seed >> 8) / (1 << 24) - 0.5f;
        float angle = 9.4f * along + 3.14159265f * (float)(i % 2),
              radius = 0.1f + 0.9f * along + 0.04f * noise;
        xy[2 * i] = radius * cosf(angle);
        xy[2 * i + 1] = radius * sinf(angle);
        arm[i] = i % 2;
    }
}

static hone_value dense(hone_graph *g, hone_value x, const char *name, int from, int to) {
    char w[16], b[16];
    snprintf(w, sizeof w, "w%s", name);
    snprintf(b, sizeof b, "b%s", name);
    hone_value weight = hone_parameter(g, w, "f32", 2, (int64_t[]){from, to});
    hone_value bias = hone_parameter(g, b, "f32", 1, (int64_t[]){to});
    hone_value y = hone_apply(g, "matmul", "", 2, (hone_value[]){x, weight});
    return hone_apply(g, "add", "", 2, (hone_value[]){y, bias});
}

static int build(hone_graph *g) {
    hone_value x = hone_input(g, "x", "f32", 2, (int64_t[]){POINTS, 2});
    hone_value arm = hone_input(g, "arm", "i32", 1, (int64_t[]){POINTS});
    hone_value y = dense(g, x, "1", 2, WIDTH);
    y = hone_apply(g, "tanh", "", 1, &y);
    y = dense(g, y, "2", WIDTH, WIDTH);
    y = hone_apply(g, "tanh", "", 1, &y);
    y = dense(g, y, "3", WIDTH, 2);
    hone_output(g, "y", y);
    hone_value each = hone_apply(g, "cross_entropy", "", 2, (hone_value[]){y, arm});
    hone_loss(g, hone_apply(g, "mean", "axes=1", 1, &each));
    return hone_differentiate(g) || hone_adamw(g, 0.9, 0.99, 1e-8, 0) || hone_fuse(g);
}

static double accuracy(const float *y, const int32_t *arm) {
    int right = 0;
    for (int i = 0; i < POINTS; i++) right += (y[2 * i + 1] > y[2 * i]) == arm[i];
    return (double)right / POINTS;
}

static int train(hone_plan *p) {
    static float xy[2 * POINTS], y[2 * POINTS];
    static int32_t arm[POINTS];
    float lr = 0.005f, loss = 0;
    draw_spirals(xy, arm);
    int bad = hone_set(p, "x", xy, 2 * POINTS) || hone_set_ids(p, "arm", arm, POINTS) ||
              hone_set(p, "lr", &lr, 1) || hone_randomise(p, "w1", 2.0, 1) ||
              hone_randomise(p, "w2", 0.15, 1) || hone_randomise(p, "w3", 0.1, 1);
    for (int step = 1; step <= STEPS && !bad; step++) {
        bad = hone_run(p) || hone_get(p, "loss", &loss, 1);
        if (step % 100 == 0) fprintf(stderr, "step %d/%d  loss %.4f\n", step, STEPS, loss);
    }
    if (bad || hone_get(p, "y", y, 2 * POINTS)) return 1;
    printf("spirals: accuracy %.3f\n", accuracy(y, arm));
    return accuracy(y, arm) < 0.98;
}

int main(void) {
    hone_context *h = hone_new();
    hone_graph *g = h ? hone_graph_new(h) : NULL;
    if (!g) return 1;
    int bad = build(g);
    hone_plan *p = bad ? NULL : hone_plan_new(g, NULL);
    if (p) bad = train(p);
    if ((bad || !p) && *hone_error(h)) fprintf(stderr, "spirals: %s\n", hone_error(h));
    hone_plan_free(p);
    hone_graph_free(g);
    hone_free(h);
    return bad || !p;
}
