/* Scaling laws and their fit (plan/scaling.h). */
#include "plan/scaling.h"
#include "base/rng.h"
#include "base/sort.h"
#include <math.h>
#include <string.h>

const scaling_law scaling_laws[] = {
    {"chinchilla", "Hoffmann et al. 2022, approach 3", 1.69, 406.4, 410.7, 0.34, 0.28},
    {"chinchilla-refit", "Besiroglu et al. 2024, the same data fitted again", 1.8172, 482.01,
     2085.43, 0.3478, 0.3658},
    {0}};

const scaling_law *scaling_find(const char *name) {
    for (const scaling_law *l = scaling_laws; l->name; l++)
        if (!strcmp(l->name, name)) return l;
    return NULL;
}

double scaling_loss(const scaling_law *law, double parameters, double tokens) {
    return law->e + law->a * pow(parameters, -law->alpha) + law->b * pow(tokens, -law->beta);
}

scaling_choice scaling_best(const scaling_law *law, double flops) {
    double both = law->alpha + law->beta, c = flops / 6;
    double g = pow(law->alpha * law->a / (law->beta * law->b), 1 / both);
    scaling_choice best = {.parameters = g * pow(c, law->beta / both)};
    best.tokens = c / best.parameters;
    best.loss = scaling_loss(law, best.parameters, best.tokens);
    return best;
}

scaling_choice scaling_kaplan(double flops) {
    double days = flops / (1e15 * 86400);
    return (scaling_choice){1.3e9 * pow(days, 0.73), 2e10 * pow(days, 0.27), NAN};
}

/* ---- the fit: x = (log E, log A, log B, alpha, beta) ---- */

enum { N = SCALING_UNKNOWNS, STEPS = 200 };
static const double HUBER = 1e-2; /* residuals of log L beyond this count linearly */

/* log L at a point, and its derivatives by x. */
static double predict(const double x[N], const scaling_point *p, double d[N]) {
    double ln = log(p->parameters), lt = log(p->tokens);
    double e = exp(x[0]), a = exp(x[1] - x[3] * ln), b = exp(x[2] - x[4] * lt), sum = e + a + b;
    d[0] = e / sum;
    d[1] = a / sum;
    d[2] = b / sum;
    d[3] = -ln * d[1];
    d[4] = -lt * d[2];
    return log(sum);
}

static double objective(const double x[N], const scaling_point *p, int64_t n) {
    double d[N], sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double r = fabs(predict(x, &p[i], d) - log(p[i].loss));
        sum += r <= HUBER ? r * r / 2 : HUBER * (r - HUBER / 2);
    }
    return sum;
}

/* Solves (m + damp (diag(m) + tiny)) s = g by Cholesky; false: not positive definite. The tiny part is for a term
 * that has vanished. */
static bool solve(const double m[N][N], const double g[N], double damp, double s[N]) {
    double l[N][N] = {{0}};
    for (int i = 0; i < N; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = m[i][j] + (i == j ? damp * (m[i][j] + 1e-9) : 0);
            for (int k = 0; k < j; k++) sum -= l[i][k] * l[j][k];
            if (i == j && !(sum > 1e-300)) return false;
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
    }
    for (int i = 0; i < N; i++) {
        s[i] = g[i];
        for (int k = 0; k < i; k++) s[i] -= l[i][k] * s[k];
        s[i] /= l[i][i];
    }
    for (int i = N - 1; i >= 0; i--) {
        for (int k = i + 1; k < N; k++) s[i] -= l[k][i] * s[k];
        s[i] /= l[i][i];
    }
    return true;
}

static void normal_equations(const double x[N], const scaling_point *p, int64_t n, double m[N][N],
                             double g[N]) {
    memset(m, 0, sizeof(double[N][N]));
    memset(g, 0, sizeof(double[N]));
    for (int64_t i = 0; i < n; i++) {
        double d[N], r = log(p[i].loss) - predict(x, &p[i], d);
        double weight = fabs(r) <= HUBER ? 1 : HUBER / fabs(r);
        for (int j = 0; j < N; j++) {
            g[j] += weight * r * d[j];
            for (int k = 0; k < N; k++) m[j][k] += weight * d[j] * d[k];
        }
    }
}

/* Levenberg-Marquardt from x; returns the objective. */
static double descend(double x[N], const scaling_point *p, int64_t n) {
    double best = objective(x, p, n), damp = 1e-3;
    for (int step = 0; step < STEPS && damp < 1e12; step++) {
        double m[N][N], g[N], s[N], next[N];
        normal_equations(x, p, n, m, g);
        if (!solve(m, g, damp, s)) {
            damp *= 10;
            continue;
        }
        for (int j = 0; j < N; j++) next[j] = x[j] + s[j];
        next[3] = fmin(fmax(next[3], 1e-3), 3);
        next[4] = fmin(fmax(next[4], 1e-3), 3);
        double value = objective(next, p, n);
        if (value < best) {
            bool done = best - value < 1e-14 * best;
            memcpy(x, next, sizeof next);
            best = value;
            damp = fmax(damp / 10, 1e-12);
            if (done) break;
        } else {
            damp *= 10;
        }
    }
    return best;
}

/* The best of a grid of starts: exponents given, each term a third of what the smallest run lost. */
static double fit_from_grid(const scaling_point *p, int64_t n, double out[N]) {
    static const double exponents[] = {0.15, 0.35, 0.6};
    double least = INFINITY, best = INFINITY;
    for (int64_t i = 0; i < n; i++) least = fmin(least, p[i].loss);
    for (int a = 0; a < COUNT_OF(exponents); a++)
        for (int b = 0; b < COUNT_OF(exponents); b++)
            for (int share = 1; share <= 3; share++) {
                double alpha = exponents[a], beta = exponents[b],
                       rest = p[0].loss - 0.3 * share * least;
                rest = fmax(rest, 0.1 * p[0].loss) / 2;
                double x[N] = {log(0.3 * share * least), log(rest) + alpha * log(p[0].parameters),
                               log(rest) + beta * log(p[0].tokens), alpha, beta};
                double value = descend(x, p, n);
                if (value >= best) continue;
                best = value;
                memcpy(out, x, sizeof x);
            }
    return best;
}

static double natural(const double x[N], int which) {
    return which <= SCALING_B ? exp(x[which]) : x[which];
}

static status intervals(arena *mem, const scaling_point *p, int64_t n, int64_t rounds,
                        uint64_t seed, const double x[N], scaling_fit *out) {
    scaling_point *drawn = ARENA_NEW(mem, scaling_point, n);
    double *values = ARENA_NEW(mem, double, N *rounds);
    rng r = rng_make(seed, rng_stream("bootstrap"));
    if (!drawn || !values) return STATUS_NO_MEMORY;
    for (int64_t round = 0; round < rounds; round++) {
        double y[N];
        memcpy(y, x, sizeof y);
        for (int64_t i = 0; i < n; i++) drawn[i] = p[rng_below(&r, (uint64_t)n)];
        descend(y, drawn, n);
        for (int j = 0; j < N; j++) values[j * rounds + round] = natural(y, j);
    }
    for (int j = 0; j < N; j++) {
        double *v = values + j * rounds;
        sort_numbers(v, rounds);
        out->low[j] = v[(int64_t)(0.025 * (double)(rounds - 1))];
        out->high[j] = v[(int64_t)ceil(0.975 * (double)(rounds - 1))];
    }
    return STATUS_OK;
}

/* How far apart the largest and the smallest lie. */
static double spread(const scaling_point *p, int64_t n, bool tokens) {
    double low = INFINITY, high = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = tokens ? p[i].tokens : p[i].parameters;
        low = fmin(low, v);
        high = fmax(high, v);
    }
    return high / low;
}

/* Correlation of log N and log D: at 1 the two terms cannot be told apart. */
static double correlation(const scaling_point *p, int64_t n) {
    double sx = 0, sy = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = log(p[i].parameters), y = log(p[i].tokens);
        sx += x, sy += y, xx += x * x, yy += y * y, xy += x * y;
    }
    double vx = xx - sx * sx / (double)n, vy = yy - sy * sy / (double)n;
    return vx > 0 && vy > 0 ? (xy - sx * sy / (double)n) / sqrt(vx * vy) : 1;
}

static const char *doubt(const scaling_point *p, int64_t n, const scaling_fit *f) {
    if (spread(p, n, false) < 4)
        return "the runs differ less than 4 times in size, so alpha is a guess";
    if (spread(p, n, true) < 4)
        return "the runs differ less than 4 times in tokens, so beta is a guess";
    if (fabs(correlation(p, n)) > 0.99)
        return "size and tokens grow together in all runs, so their two terms cannot be told apart";
    if (f->high[SCALING_ALPHA] - f->low[SCALING_ALPHA] > 0.2 ||
        f->high[SCALING_BETA] - f->low[SCALING_BETA] > 0.2)
        return "refits on resampled runs disagree on an exponent by more than 0.2: more runs, or "
               "less noise, are needed";
    return NULL;
}

status scaling_fit_points(arena *mem, const scaling_point *points, int64_t n, int64_t rounds,
                          uint64_t seed, scaling_fit *out) {
    *out = (scaling_fit){0};
    if (n < 6)
        FAIL(mem->cx, STATUS_BAD_ARGUMENT, "a fit of five unknowns needs at least 6 runs, not %lld",
             (long long)n);
    for (int64_t i = 0; i < n; i++) {
        const scaling_point *p = &points[i];
        if (!(p->parameters > 0 && p->tokens > 0 && p->loss > 0) ||
            !isfinite(p->parameters + p->tokens + p->loss))
            FAIL(mem->cx, STATUS_BAD_DATA,
                 "run %lld: size, tokens and loss must be positive numbers", (long long)i + 1);
    }
    double x[N];
    fit_from_grid(points, n, x);
    out->law = (scaling_law){"fit", "these runs", exp(x[0]), exp(x[1]), exp(x[2]), x[3], x[4]};
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double d[N], r = predict(x, &points[i], d) - log(points[i].loss);
        sum += r * r;
    }
    out->error = sqrt(sum / (double)n);
    TRY(intervals(mem, points, n, rounds, seed, x, out));
    out->doubt = doubt(points, n, out);
    return STATUS_OK;
}
