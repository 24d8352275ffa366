#include "eval/divergence.h"
#include <math.h>
#include <string.h>

typedef struct row {
    double kl;
    bool scored, same; /* same: one id is the likeliest of both */
} row;

typedef struct walk {
    likelihood *reference;
    row *rows; /* of a batch */
    const step_batch *batch;
    const float *q, *p; /* logits: the model's, the reference's */
    int64_t vocabulary;
    double kl, squares, most;
    int64_t scored, same;
} walk;

/* log sum exp, and where the largest is. */
static double log_sum(const float *x, int64_t n, int64_t *top) {
    *top = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[*top]) *top = i;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - (double)x[*top]);
    return log(sum) + (double)x[*top];
}

static void compare_rows(void *arg, int64_t from, int64_t to, int thread) {
    walk *w = arg;
    (void)thread;
    for (int64_t i = from; i < to; i++) {
        const float *q = w->q + i * w->vocabulary, *p = w->p + i * w->vocabulary;
        int64_t top_q, top_p;
        w->rows[i] = (row){.scored = w->batch->targets[i] >= 0};
        if (!w->rows[i].scored) continue;
        double lq = log_sum(q, w->vocabulary, &top_q), lp = log_sum(p, w->vocabulary, &top_p);
        double kl = 0;
        for (int64_t v = 0; v < w->vocabulary; v++) {
            double log_p = (double)p[v] - lp;
            kl += exp(log_p) * (log_p - ((double)q[v] - lq));
        }
        w->rows[i].kl = fmax(kl, 0);
        w->rows[i].same = top_q == top_p;
    }
}

static status see(void *user, const step_batch *b, const float *each, likelihood_sum *const *sums) {
    walk *w = user;
    const float *losses;
    (void)each;
    TRY(likelihood_score(w->reference, b, &losses));
    w->p = score_logits(w->reference->s);
    w->batch = b;
    pool_run(w->reference->workers, compare_rows, w, b->tokens);
    for (int64_t s = 0; s < b->sequences; s++) {
        for (int64_t i = b->offsets[s]; i < b->offsets[s + 1]; i++) {
            const row *r = &w->rows[i];
            if (!r->scored) continue;
            sums[s]->beside += (double)losses[i];
            w->kl += r->kl;
            w->squares += r->kl * r->kl;
            w->most = fmax(w->most, r->kl);
            w->same += r->same;
            w->scored++;
        }
    }
    return STATUS_OK;
}

status divergence_check(likelihood *model, likelihood *reference, const char *text,
                        int64_t length) {
    token_list ids[2] = {{.cx = model->cx}, {.cx = model->cx}};
    likelihood *of[2] = {model, reference};
    bool begun;
    status st = STATUS_OK;
    for (int i = 0; i < 2 && st == STATUS_OK; i++)
        st = likelihood_encode(of[i], text, length, BEGIN_NO, &ids[i], &begun);
    if (st == STATUS_OK &&
        (model->m->config.vocabulary != reference->m->config.vocabulary ||
         ids[0].count != ids[1].count ||
         memcmp(ids[0].ids, ids[1].ids, (size_t)ids[0].count * sizeof *ids[0].ids)))
        st = context_fail(model->cx, STATUS_BAD_ARGUMENT,
                          "'%s' and '%s' have different tokenizers or vocabularies, so their "
                          "predictions cannot be compared id by id; `hone eval ppl` gives bits "
                          "per byte, which can",
                          model->m->path, reference->m->path);
    for (int i = 0; i < 2; i++) token_free(&ids[i]);
    return st;
}

/* The two models' losses, window by window. */
static status compare_losses(arena *mem, divergence_result *out) {
    const perplexity_result *r = &out->model;
    double *a = ARENA_NEW(mem, double, 3 * r->windows);
    if (!a) return STATUS_NO_MEMORY;
    double *b = a + r->windows, *parts = b + r->windows, reference = 0;
    for (int64_t i = 0; i < r->windows; i++) {
        a[i] = r->each[i].nll, b[i] = r->each[i].beside;
        parts[i] = (double)r->each[i].count;
        reference += b[i];
    }
    out->reference_perplexity = exp(reference / (double)r->scored);
    if (r->windows > 1) return paired_compare(mem, a, b, parts, r->windows, 1, &out->nats);
    out->nats = (paired_result){
        .difference = (a[0] - b[0]) / parts[0], .error = NAN, .low = NAN, .high = NAN, .items = 1};
    return STATUS_OK;
}

static status run(walk *w, likelihood *model, const char *text, int64_t length,
                  const perplexity_options *o, arena *mem, divergence_result *out) {
    perplexity_options how = *o;
    how.keep = mem;
    w->rows = ARENA_NEW(mem, row, model->options.rows);
    if (!w->rows) return STATUS_NO_MEMORY;
    w->q = score_logits(model->s);
    TRY(divergence_check(model, w->reference, text, length));
    model->watch = (likelihood_watch){w, see};
    status st = perplexity_run(model, text, length, &how, &out->model);
    model->watch = (likelihood_watch){0};
    TRY(st);
    TRY(compare_losses(mem, out));
    double n = (double)w->scored, less = MAX_OF(n - 1, 1);
    out->kl = w->kl / n;
    out->kl_error = sqrt(MAX_OF(w->squares / n - out->kl * out->kl, 0) / less);
    out->kl_most = w->most;
    out->top1 = (double)w->same / n;
    out->top1_error = sqrt(out->top1 * (1 - out->top1) / less);
    out->model.each = NULL;
    return STATUS_OK;
}

status divergence_run(likelihood *model, likelihood *reference, const char *text, int64_t length,
                      const perplexity_options *o, divergence_result *out) {
    arena mem = arena_make(model->cx);
    *out = (divergence_result){0};
    walk w = {.reference = reference, .vocabulary = model->m->config.vocabulary};
    status st = run(&w, model, text, length, o, &mem, out);
    arena_free(&mem);
    return st;
}
