/* The chain of samplers and the draw (infer/sampling.h). */
#include "infer/sampling.h"
#include "base/rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

status sampling_check(context *cx, const sampling *p) {
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {{"temperature", p->temperature, 0, 100},
                  {"top_k", (double)p->top_k, 0, INT32_MAX},
                  {"top_p", p->top_p, 0, 1},
                  {"min_p", p->min_p, 0, 1},
                  {"typical_p", p->typical_p, 0, 1},
                  {"repetition_penalty", p->repetition_penalty, 0.01, 100},
                  {"presence_penalty", p->presence_penalty, -100, 100},
                  {"frequency_penalty", p->frequency_penalty, -100, 100}};
    for (int64_t i = 0; i < COUNT_OF(ranges); i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            FAIL(cx, STATUS_BAD_ARGUMENT, "%s is %g: must be %g .. %g", ranges[i].name,
                 ranges[i].value, ranges[i].low, ranges[i].high);
    return STATUS_OK;
}

status sampling_space_make(arena *mem, int32_t vocabulary, sampling_space *out) {
    *out = (sampling_space){.list = ARENA_NEW(mem, candidate, vocabulary),
                            .spare = ARENA_NEW(mem, candidate, vocabulary),
                            .kept = ARENA_NEW(mem, float, vocabulary),
                            .count = ARENA_NEW(mem, int32_t, vocabulary),
                            .vocabulary = vocabulary};
    return out->list && out->spare && out->kept && out->count ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Whether a goes before b: higher, or as high and of the smaller id. */
static bool likelier(const candidate *a, const candidate *b) {
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

/* A heap whose root is the least likely of those kept. */
static void sink(candidate *heap, int32_t n, int32_t at) {
    for (;;) {
        int32_t least = at;
        for (int32_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++)
            if (likelier(&heap[least], &heap[child])) least = child;
        if (least == at) return;
        candidate moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

/* Empties a heap from its end on, which leaves it sorted, the most likely first. */
static void sort_heap(candidate *heap, int32_t n) {
    while (n > 1) {
        candidate least = heap[0];
        heap[0] = heap[--n];
        heap[n] = least;
        sink(heap, n, 0);
    }
}

static void make_heap(candidate *heap, int32_t n) {
    for (int32_t i = n / 2 - 1; i >= 0; i--) sink(heap, n, i);
}

void candidates_sort_front(candidates *c, int32_t k) {
    k = MIN_OF(k, c->n);
    c->mixed = true;
    make_heap(c->list, k);
    for (int32_t i = k; k > 0 && i < c->n; i++) {
        if (!likelier(&c->list[i], &c->list[0])) continue;
        candidate moved = c->list[0];
        c->list[0] = c->list[i];
        c->list[i] = moved;
        sink(c->list, k, 0);
    }
    sort_heap(c->list, k);
}

double candidates_sum(const candidates *c, float *largest) {
    double sum = 0;
    *largest = -INFINITY;
    for (int32_t i = 0; i < c->n; i++)
        *largest = c->list[i].logit > *largest ? c->list[i].logit : *largest;
    for (int32_t i = 0; i < c->n; i++) sum += (double)expf(c->list[i].logit - *largest);
    return sum;
}

static int by_id(const void *a, const void *b) {
    int32_t x = ((const candidate *)a)->id, y = ((const candidate *)b)->id;
    return (x > y) - (x < y);
}

/* The noise of one draw, in [0, 1). */
static double noise_of(const sampling *p, const sampling_place *at, uint64_t use) {
    rng_block noise = rng_at(p->seed, (uint64_t)at->sample | use << 32, (uint64_t)at->n_tokens);
    return rng_unit_double(noise.word[0], noise.word[1]);
}
enum { NOISE_DRAW, NOISE_JUDGE, NOISE_REST };

static int32_t draw(const sampling *p, const sampling_place *at, candidates *c) {
    float largest;
    double sum = candidates_sum(c, &largest);
    double left = noise_of(p, at, NOISE_DRAW) * sum;
    if (c->mixed) qsort(c->list, (size_t)c->n, sizeof *c->list, by_id);
    for (int32_t i = 0; i < c->n; i++) {
        left -= (double)expf(c->list[i].logit - largest);
        if (left < 0) return c->list[i].id;
    }
    return c->list[c->n - 1].id;
}

static int32_t most_likely(const candidates *c) {
    int32_t best = 0;
    for (int32_t i = 1; i < c->n; i++)
        if (likelier(&c->list[i], &c->list[best])) best = i;
    return c->list[best].id;
}

/* What the chain of samplers leaves. */
static candidates narrow(const sampling *p, const sampling_place *at, const float *logits,
                         sampling_space *space) {
    candidates c = {.list = space->list,
                    .spare = space->spare,
                    .count = space->count,
                    .n = space->vocabulary,
                    .tokens = at->tokens,
                    .n_prompt = at->n_prompt,
                    .n_tokens = at->n_tokens};
    for (int32_t i = 0; i < c.n; i++)
        c.list[i] = (candidate){i, logits[i] == logits[i] ? logits[i] : -INFINITY};
    const sampler_def *last = NULL;
    for (;;) {
        const sampler_def *next = NULL;
        for (int32_t i = 0; registry_sampler[i]; i++) {
            const sampler_def *s = registry_sampler[i];
            bool later = !last || s->order > last->order;
            if (later && (!next || s->order < next->order)) next = s;
        }
        if (!next) return c;
        if (next->wanted(p)) next->apply(p, &c);
        last = next;
    }
}

static bool is_plain(const sampling *p) {
    for (int32_t i = 0; registry_sampler[i]; i++)
        if (registry_sampler[i]->wanted(p)) return false;
    return !(p->temperature > 0);
}

enum { BLOCK = 256, LANES = 16 };

/* The largest of a block; NaN counts as nothing. */
VECTOR_CLONES static float largest_of(const float *x) {
    float lanes[LANES], largest = -INFINITY;
    for (int k = 0; k < LANES; k++) lanes[k] = -INFINITY;
    for (int32_t i = 0; i < BLOCK; i += LANES)
        for (int k = 0; k < LANES; k++) lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
    for (int k = 0; k < LANES; k++) largest = lanes[k] > largest ? lanes[k] : largest;
    return largest;
}

/* most_likely of all logits as they are, without a list of them. */
static int32_t first_largest(const float *logits, int32_t n) {
    float largest = -INFINITY;
    int32_t from = 0, i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        float x = largest_of(logits + i);
        if (x > largest) largest = x, from = i;
    }
    for (; i < n; i++)
        if (logits[i] > largest) largest = logits[i], from = i;
    while (largest > -INFINITY && logits[from] != largest) from++;
    return from;
}

int32_t sampling_draw(const sampling *p, const sampling_place *at, const float *logits,
                      sampling_space *space) {
    if (is_plain(p)) return first_largest(logits, space->vocabulary);
    candidates c = narrow(p, at, logits, space);
    return p->temperature > 0 ? draw(p, at, &c) : most_likely(&c);
}

void sampling_chances(const sampling *p, const sampling_place *at, const float *logits,
                      sampling_space *space, float *out) {
    candidates c = narrow(p, at, logits, space);
    float largest;
    double sum = candidates_sum(&c, &largest);
    memset(out, 0, (size_t)space->vocabulary * sizeof *out);
    if (!(p->temperature > 0)) {
        out[most_likely(&c)] = 1;
        return;
    }
    for (int32_t i = 0; i < c.n; i++)
        out[c.list[i].id] = (float)((double)expf(c.list[i].logit - largest) / sum);
}

/* The token at which the sum of the part of `chances` over `from` passes u of the whole. */
static int32_t pick(const float *chances, const float *from, int32_t n, int32_t without, double u) {
    double sum = 0;
    int32_t last = -1;
    for (int round = 0; round < 2; round++) {
        double left = round ? u * sum : INFINITY;
        for (int32_t i = 0; i < n; i++) {
            float over = i == without ? 0 : chances[i] - (from ? from[i] : 0);
            if (!(over > 0)) continue;
            if (round == 0) sum += (double)over;
            last = i;
            left -= (double)over;
            if (left < 0) return i;
        }
    }
    return last;
}

int32_t sampling_pick(const sampling *p, const sampling_place *at, const float *chances,
                      int32_t n) {
    return pick(chances, NULL, n, -1, noise_of(p, at, NOISE_DRAW));
}

int32_t sampling_judge(const sampling *p, const sampling_place *at, const float *chances,
                       const float *from, int32_t n, int32_t guess) {
    double own = from ? (double)from[guess] : 1;
    if (noise_of(p, at, NOISE_JUDGE) * own < (double)chances[guess]) return guess;
    int32_t other = pick(chances, from, n, guess, noise_of(p, at, NOISE_REST));
    return other >= 0 ? other : guess; /* the two agree but for rounding */
}

double sampling_log_sum(const float *logits, int32_t n) {
    float largest = fmaxf(logits[first_largest(logits, n)], -INFINITY); /* all may be NaN */
    double sum = 0;
    for (int32_t i = 0; i < n; i++)
        if (logits[i] == logits[i]) sum += (double)expf(logits[i] - largest);
    return (double)largest + log(sum);
}

int32_t sampling_likely(const float *logits, int32_t n, int32_t k, candidate *out) {
    k = MIN_OF(k, n);
    for (int32_t i = 0; i < k; i++) out[i] = (candidate){i, logits[i]};
    make_heap(out, k);
    for (int32_t i = k; k > 0 && i < n; i++) {
        candidate c = {i, logits[i]};
        if (!likelier(&c, &out[0])) continue;
        out[0] = c;
        sink(out, k, 0);
    }
    sort_heap(out, k);
    return k;
}
