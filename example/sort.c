/* A transformer of two blocks learns to sort digits: it reads eight digits and writes them in order, through
 * public headers only. Sequences lie end to end; offsets say where each begins; a target of -1 does not count. */
#include "hone/hone.h"
#include <math.h>
#include <stdio.h>

enum { DIGITS = 8, LENGTH = 2 * DIGITS - 1, BATCH = 64, TOKENS = BATCH * LENGTH };
enum { WIDTH = 64, STEPS = 400, MOST_WEIGHTS = 32 };

static hone_graph *g;

/* Weights remember how they begin. */
static char names[MOST_WEIGHTS][16];
static double deviations[MOST_WEIGHTS];
static int n_weights;

static hone_value weight(const char *what, int block, int rows, int columns) {
    snprintf(names[n_weights], sizeof *names, "%s.%d", what, block);
    deviations[n_weights] = 1 / sqrt(rows > 16 ? rows : 4);
    return hone_parameter(g, names[n_weights++], "f32", 2, (int64_t[]){rows, columns});
}

static hone_value op2(const char *op, const char *parameters, hone_value a, hone_value b) {
    return hone_apply(g, op, parameters, 2, (hone_value[]){a, b});
}

static hone_value norm(hone_value x) {
    return hone_apply(g, "rms_norm", "eps=1e-5", 1, &x);
}

static hone_value block(hone_value x, int i, hone_value offsets) {
    hone_value n = norm(x);
    hone_value q = op2("matmul", "", n, weight("q", i, WIDTH, WIDTH));
    hone_value k = op2("matmul", "", n, weight("k", i, WIDTH, WIDTH));
    hone_value v = op2("matmul", "", n, weight("v", i, WIDTH, WIDTH));
    hone_value a = hone_apply(g, "attention", "head=16, group=1, scale=0.25, causal=yes", 4,
                              (hone_value[]){q, k, v, offsets});
    x = op2("add", "", x, op2("matmul", "", a, weight("o", i, WIDTH, WIDTH)));
    hone_value up = op2("matmul", "", norm(x), weight("up", i, WIDTH, 4 * WIDTH));
    up = hone_apply(g, "gelu", "", 1, &up);
    return op2("add", "", x, op2("matmul", "", up, weight("down", i, 4 * WIDTH, WIDTH)));
}

static int build(void) {
    hone_value ids = hone_input(g, "ids", "i32", 1, (int64_t[]){TOKENS});
    hone_value at = hone_input(g, "at", "i32", 1, (int64_t[]){TOKENS});
    hone_value targets = hone_input(g, "targets", "i32", 1, (int64_t[]){TOKENS});
    hone_value offsets = hone_input(g, "offsets", "i32", 1, (int64_t[]){BATCH + 1});
    hone_value x = op2("add", "", op2("embedding", "", weight("digit", 0, 10, WIDTH), ids),
                       op2("embedding", "", weight("place", 0, LENGTH, WIDTH), at));
    for (int i = 0; i < 2; i++) x = block(x, i, offsets);
    hone_value logits = op2("matmul", "", norm(x), weight("head", 0, WIDTH, 10));
    hone_output(g, "logits", logits);
    hone_value each = op2("cross_entropy", "", logits, targets);
    hone_loss(g, hone_apply(g, "mean", "axes=1", 1, &each));
    return hone_differentiate(g) || hone_adamw(g, 0.9, 0.99, 1e-8, 0.01) || hone_fuse(g);
}

static void draw_batch(uint32_t *seed, int32_t *ids, int32_t *targets) {
    for (int s = 0; s < BATCH; s++) {
        int32_t all[2 * DIGITS], count[10] = {0}, n = DIGITS;
        for (int i = 0; i < DIGITS; i++)
            count[all[i] = (int32_t)((*seed = *seed * 1664525u + 1013904223u) >> 16) % 10]++;
        for (int d = 0; d < 10; d++)
            while (count[d]-- > 0) all[n++] = d;
        for (int i = 0; i < LENGTH; i++) {
            ids[s * LENGTH + i] = all[i];
            targets[s * LENGTH + i] = i + 1 < DIGITS ? -1 : all[i + 1];
        }
    }
}

static double accuracy(const float *logits, const int32_t *targets) {
    int right = 0, asked = 0;
    for (int i = 0; i < TOKENS; i++) {
        int best = 0;
        for (int d = 1; d < 10; d++)
            if (logits[10 * i + d] > logits[10 * i + best]) best = d;
        right += targets[i] == best;
        asked += targets[i] >= 0;
    }
    return (double)right / asked;
}

static int train(hone_plan *p) {
    static float logits[10 * TOKENS];
    static int32_t ids[TOKENS], at[TOKENS], targets[TOKENS], offsets[BATCH + 1];
    float lr, loss = 0;
    uint32_t seed = 1;
    for (int i = 0; i < TOKENS; i++) at[i] = i % LENGTH;
    for (int i = 0; i <= BATCH; i++) offsets[i] = i * LENGTH;
    int bad = hone_set_ids(p, "at", at, TOKENS) || hone_set_ids(p, "offsets", offsets, BATCH + 1);
    for (int i = 0; i < n_weights && !bad; i++) bad = hone_randomise(p, names[i], deviations[i], 1);
    for (int step = 1; step <= STEPS && !bad; step++) {
        draw_batch(&seed, ids, targets);
        lr = 0.003f * fminf(1, (float)step / 20) * (1 - 0.9f * (float)step / STEPS);
        bad = hone_set_ids(p, "ids", ids, TOKENS) || hone_set_ids(p, "targets", targets, TOKENS) ||
              hone_set(p, "lr", &lr, 1) || hone_run(p) || hone_get(p, "loss", &loss, 1);
        if (step % 40 == 0) fprintf(stderr, "step %d/%d  loss %.4f\n", step, STEPS, loss);
    }
    if (bad || hone_get(p, "logits", logits, 10 * TOKENS)) return 1;
    printf("sort: accuracy %.3f\n", accuracy(logits, targets));
    return accuracy(logits, targets) < 0.95;
}

int main(void) {
    hone_context *h = hone_new();
    g = h ? hone_graph_new(h) : NULL;
    if (!g) return 1;
    int bad = build();
    hone_plan *p = bad ? NULL : hone_plan_new(g, NULL);
    if (p) bad = train(p);
    if ((bad || !p) && *hone_error(h)) fprintf(stderr, "sort: %s\n", hone_error(h));
    hone_plan_free(p);
    hone_graph_free(g);
    hone_free(h);
    return bad || !p;
}
