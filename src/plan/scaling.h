/* Scaling laws: which size and how many tokens a budget of operations is best spent on, and fits of such a law to
 * runs that were made.
 *
 *   L(N, D) = E + A / N^alpha + B / D^beta          (Hoffmann et al. 2022, "Chinchilla", approach 3)
 *   C = 6 N D;  N* = G (C / 6)^(beta / (alpha + beta)),  D* = (C / 6) / N*,
 *   G = (alpha A / (beta B))^(1 / (alpha + beta))
 *
 * The fit minimises a Huber loss of log L - log L(N, D) by Levenberg-Marquardt in the logarithms of E, A, B,
 * from a grid of starts; intervals are percentiles of bootstrap refits. */
#ifndef PLAN_SCALING_H
#define PLAN_SCALING_H

#include "base/arena.h"
#include <stdbool.h>

typedef struct scaling_law {
    const char *name, *source;
    double e, a, b, alpha, beta;
} scaling_law;
extern const scaling_law scaling_laws[]; /* closed by a NULL name */
const scaling_law *scaling_find(const char *name);

typedef struct scaling_choice {
    double parameters, tokens, loss; /* loss NAN where the law has none */
} scaling_choice;
/* The best use of `flops`. */
scaling_choice scaling_best(const scaling_law *law, double flops);
/* Kaplan et al. 2020: N = 1.3e9 C^0.73, D = 2e10 C^0.27, C in petaflop/s-days; sizes without embeddings. */
scaling_choice scaling_kaplan(double flops);
double scaling_loss(const scaling_law *law, double parameters, double tokens);

typedef struct scaling_point {
    double parameters, tokens, loss;
} scaling_point;

enum { SCALING_E, SCALING_A, SCALING_B, SCALING_ALPHA, SCALING_BETA, SCALING_UNKNOWNS };

typedef struct scaling_fit {
    scaling_law law;
    double low[SCALING_UNKNOWNS], high[SCALING_UNKNOWNS]; /* 95% of the bootstrap */
    double error;                                         /* root mean square of log L's residual */
    const char *doubt; /* why the points cannot tell the law; NULL: they can */
} scaling_fit;

/* `rounds` bootstrap refits, drawn from `seed`. Points must be positive and finite, and at least six. */
status scaling_fit_points(arena *mem, const scaling_point *points, int64_t n, int64_t rounds,
                          uint64_t seed, scaling_fit *out) MUST_USE;

#endif
