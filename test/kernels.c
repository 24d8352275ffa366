/* Every kernel that this machine can run, on random cases of its op's sampler in several formats: against the op's
 * reference within the kernel's own tolerance; the same bits however the units are dealt out, at addresses that are
 * not on a cache line, and over an operand that the op may overwrite; nothing written outside of the outputs. */
#include "exec/plan.h"
#include "ops/attention.h"
#include "ops/gather.h"
#include "ops/gated_mlp.h"
#include "ops/norm.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CASES = 24, GUARD = 256, BUFFERS = MAX_IN + MAX_OUT };
static const int64_t SPLITS[] = {1, 2, 3, 7};

typedef struct lab {
    test *t;
    context *cx;
    graph *g;
    states *store[2];
    plan *fast, *plain;
    const plan_step *step;
    const call *want; /* of the reference */
    unsigned char *buffer[BUFFERS];
} lab;

/* ---- the sampled graph in other formats ---- */
enum {
    MIX_F32,
    MIX_BF16,
    MIX_F16,
    MIX_FLOATS,
    MIX_INT8,
    MIX_NARROW,
    MIX_BLOCKS,
    MIX_SPARSE,
    MIXES
};

/* Of the leaf that is operand `of` of the node under test (negative: of none). */
static const num_format *pick_format(sample *s, int mix, int of) {
    static const char *const names[] = {"f32", "bf16", "f16"}, *const beside[] = {"int8_g32",
                                                                                  "bf16", "f32"};
    const op_def *op = value_node(s->g, s->y)->op;
    bool narrow = of >= 0 && op->narrow_in >> of & 1, table = of == 0 && op == &op_embedding;
    if (table && mix == MIX_BLOCKS) narrow = true;
    if (mix == MIX_FLOATS) return num_find(names[sample_int(s, 0, 2)]);
    if (mix == MIX_INT8) return num_find("int8_row");
    if (mix == MIX_NARROW || !narrow) return num_find(names[mix == MIX_NARROW ? narrow : mix % 3]);
    if (mix < MIX_BLOCKS) return num_find(names[mix]);
    if (mix == MIX_SPARSE) return num_find(of ? "bf16_2of4" : beside[sample_int(s, 1, 2)]);
    if (of == 0 && !table) return num_find(beside[sample_int(s, 0, 2)]);
    int32_t n = 0, at;
    while (registry_format[n]) n++;
    do at = (int32_t)sample_int(s, 0, n - 1);
    while (registry_format[at]->kind != NUM_BLOCK);
    return registry_format[at];
}

static int operand_of(const sample *s, int32_t leaf) {
    const node *n = value_node(s->g, s->y);
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i].node == leaf) return i;
    return -1;
}

static const void *params_in(const node *n, const num_format *format, arena *mem) {
    if (!n->op->params_bytes) return NULL;
    char *copy = arena_alloc(mem, n->op->params_bytes);
    if (!copy) return NULL;
    memcpy(copy, n->params, n->op->params_bytes);
    for (const field *f = n->op->fields; f && f->name; f++) {
        const num_format *of;
        if (f->kind != FIELD_FORMAT) continue;
        memcpy(&of, copy + f->offset, sizeof of);
        if (of && !strcmp(of->name, "f64")) memcpy(copy + f->offset, &format, sizeof format);
    }
    return copy;
}

/* Copies the sample's graph; false where an op refuses the formats. */
static bool copy_graph(sample *s, graph *to, int mix, value *y) {
    int32_t last = s->y.node;
    for (int32_t id = 0; id <= last; id++) {
        const node *n = graph_node(s->g, id);
        value v;
        if (op_is_leaf(n->op)) {
            type t = n->out[0];
            if (t.format->kind != NUM_INDEX) t.format = pick_format(s, mix, operand_of(s, id));
            v = n->op == &op_input ? graph_input(to, n->name, t)
                                   : graph_state(to, n->name, t, n->tag);
        } else {
            v = graph_add(
                to, n->op,
                params_in(n, pick_format(s, mix < MIX_INT8 ? mix : MIX_F32, -1), &to->mem), n->n_in,
                n->in);
        }
        if (value_absent(v) || v.node != id) return false;
    }
    *y = (value){s->y.node, 0};
    for (int32_t o = 0; o < value_node(to, *y)->n_out; o++) {
        char name[16];
        snprintf(name, sizeof name, "y%d", o);
        graph_mark(to, MARK_OUTPUT, name, (value){y->node, o}, NO_VALUE);
    }
    return graph_status(to) == STATUS_OK;
}

static void fill_inputs(const plan *p, states *store, const sample *s) {
    for (int32_t i = 0; i < s->n_inputs; i++) {
        const node *n = value_node(s->g, s->inputs[i].v);
        const tensor *t = plan_tensor(p, s->inputs[i].v);
        if (n->op == &op_state) {
            const state *held = states_find(store, n->name);
            t = &held->t;
        }
        if (s->inputs[i].numbers)
            tensor_set(t, s->inputs[i].numbers);
        else
            t->format->pack_index(s->inputs[i].ids, s->inputs[i].count, t->data);
    }
}

static const plan_step *step_of(const plan *p, value y) {
    for (int32_t k = 0; k < p->n_steps; k++)
        if (p->steps[k].node->id == y.node) return &p->steps[k];
    return NULL;
}

/* ---- running one kernel by hand ---- */
static void deal(int64_t units, int64_t parts, void (*part)(const call *, int64_t, int64_t, void *),
                 const call *c, void *scratch) {
    for (int64_t k = parts - 1; k >= 0; k--)
        if (units * (k + 1) / parts > units * k / parts)
            part(c, units * k / parts, units * (k + 1) / parts, scratch);
}

static void run_kernel(const kernel_def *k, const call *c, int64_t parts, void *scratch) {
    if (k->prepare_units) deal(k->prepare_units(c), parts, k->prepare, c, scratch);
    deal(k->units(c), parts, k->run, c, scratch);
    if (k->merge_units) deal(k->merge_units(c), parts, k->merge, c, scratch);
}

/* Bytes of a tensor between two guards, `off` bytes from where a cache line begins. */
static void *guarded(lab *l, int which, const void *from, int64_t bytes, int64_t off) {
    free(l->buffer[which]);
    l->buffer[which] = aligned_alloc(64, (size_t)round_up(bytes + 2 * GUARD + off, 64));
    if (!l->buffer[which]) abort();
    memset(l->buffer[which], 0xff, (size_t)(bytes + 2 * GUARD + off));
    unsigned char *at = l->buffer[which] + GUARD + off;
    if (from) memcpy(at, from, (size_t)bytes);
    return at;
}

static bool guards_hold(const lab *l, int which, int64_t bytes, int64_t off) {
    const unsigned char *b = l->buffer[which];
    for (int64_t i = 0; b && i < GUARD; i++)
        if (b[off + i] != 0xff || b[GUARD + off + bytes + i] != 0xff) return false;
    return true;
}

/* Runs the kernel on copies of the operands and puts the outputs' bytes one after the other into `out`. */
static bool run_copy(lab *l, int64_t parts, int64_t off, int overwrite, unsigned char *out) {
    const kernel_def *k = l->step->chosen.kernel;
    call c = l->step->c;
    const op_def *op = c.node->op;
    for (int32_t i = 0; i < c.n_in; i++)
        if (c.in[i].data && !c.in[i].layout)
            c.in[i].data = guarded(l, i, c.in[i].data, tensor_bytes(&c.in[i]), off);
    for (int32_t o = 0; o < c.n_out; o++) {
        if (!c.out[o].data) continue;
        if (op->writes[o])
            c.out[o].data = c.in[op->writes[o] - 1].data;
        else if (o == 0 && overwrite >= 0)
            c.out[o].data = c.in[overwrite].data;
        else
            c.out[o].data = guarded(l, MAX_IN + o, NULL, tensor_bytes(&c.out[o]), off);
    }
    int64_t own = k->scratch_bytes ? k->scratch_bytes(&c) : 0;
    int64_t shared = k->shared_bytes ? k->shared_bytes(&c) : 0;
    void *scratch = aligned_alloc(64, (size_t)round_up(own + 64, 64));
    c.scratch = aligned_alloc(64, (size_t)round_up(shared + 64, 64));
    if (!scratch || !c.scratch) abort();
    memset(scratch, 0xff, (size_t)own);
    memset(c.scratch, 0xff, (size_t)shared);
    run_kernel(k, &c, parts, scratch);
    bool held = true;
    for (int32_t i = 0; i < c.n_in; i++)
        if (c.in[i].data && !c.in[i].layout) held &= guards_hold(l, i, tensor_bytes(&c.in[i]), off);
    for (int32_t o = 0; o < c.n_out; o++) {
        if (!c.out[o].data) continue;
        int64_t bytes = tensor_bytes(&c.out[o]);
        if (!op->writes[o] && !(o == 0 && overwrite >= 0))
            held &= guards_hold(l, MAX_IN + o, bytes, off);
        memcpy(out, c.out[o].data, (size_t)bytes);
        out += bytes;
    }
    free(scratch);
    free(c.scratch);
    return held;
}

/* ---- checks ---- */
/* The largest error of an output, in units of what is allowed. */
static double error_of(const tensor *got, const tensor *want, double tolerance) {
    int64_t count = tensor_elems(got);
    double *a = calloc((size_t)count + 1, sizeof *a), *b = calloc((size_t)count + 1, sizeof *b);
    double largest = 0, worst = 0;
    if (!a || !b) abort();
    if (got->format->kind == NUM_INDEX) {
        worst = memcmp(got->data, want->data, (size_t)tensor_bytes(got)) ? INFINITY : 0;
    } else {
        tensor_get(got, a);
        tensor_get(want, b);
        for (int64_t i = 0; i < count; i++)
            if (isfinite(b[i])) largest = fmax(largest, fabs(b[i]));
        for (int64_t i = 0; i < count; i++) {
            double allowed = tolerance * largest + 2 * got->format->error * fabs(b[i]) + 1e-30;
            double off = isnan(a[i]) && isnan(b[i]) ? 0 : a[i] == b[i] ? 0 : fabs(a[i] - b[i]);
            worst = off <= allowed * worst ? worst : off / allowed; /* NaN counts as wrong */
            if (isnan(off)) worst = INFINITY;
        }
    }
    free(a);
    free(b);
    return worst;
}

static int64_t output_bytes(const call *c) {
    int64_t total = 0;
    for (int32_t o = 0; o < c->n_out; o++) total += c->out[o].data ? tensor_bytes(&c->out[o]) : 0;
    return total;
}

/* What is wrong with this case, or NULL. */
static const char *check_bits(lab *l) {
    const call *c = &l->step->c;
    const op_def *op = c->node->op;
    int64_t bytes = output_bytes(c);
    unsigned char *one = malloc((size_t)bytes + 1), *other = malloc((size_t)bytes + 1);
    if (!one || !other) abort();
    const char *wrong = NULL;
    for (int k = 0; k < (int)COUNT_OF(SPLITS) && !wrong; k++) {
        memset(k ? other : one, 0x55, (size_t)bytes);
        if (!run_copy(l, SPLITS[k], 0, -1, k ? other : one)) wrong = "wrote outside of its outputs";
        if (k && memcmp(one, other, (size_t)bytes)) wrong = "other bits when split";
    }
    if (!wrong && (!run_copy(l, 2, 4, -1, other) || memcmp(one, other, (size_t)bytes)))
        wrong = "other bits off a cache line";
    for (int32_t i = 0; i < c->n_in && op->n_in >= 0 && !wrong && c->out[0].data; i++) {
        if (!(op->may_overwrite >> i & 1) || !c->in[i].data || op->writes[0]) continue;
        if (c->in[i].format != c->out[0].format ||
            tensor_bytes(&c->in[i]) != tensor_bytes(&c->out[0]))
            continue;
        if (!run_copy(l, 3, 0, i, other) || memcmp(one, other, (size_t)bytes))
            wrong = "other bits over its operand";
    }
    free(one);
    free(other);
    return wrong;
}

static void lab_close(lab *l) {
    for (int i = 0; i < BUFFERS; i++) free(l->buffer[i]);
    plan_free(l->fast);
    plan_free(l->plain);
    for (int i = 0; i < 2; i++)
        if (l->store[i]) states_free(l->store[i]);
    if (l->g) graph_free(l->g);
    context_free(l->cx);
}

static status plan_both(lab *l, const sample *s, cpu_isa isa, value y) {
    TRY(plan_new(l->cx, l->g, l->store[1], NULL, &(plan_options){.isa_limit = isa, .poison = true},
                 &l->fast));
    TRY(plan_new(l->cx, l->g, l->store[0], NULL, &(plan_options){.reference_only = true},
                 &l->plain));
    l->step = step_of(l->fast, y);
    if (!l->step || !l->step->chosen.kernel) return STATUS_OK;
    plan *both[] = {l->plain, l->fast};
    for (int k = 0; k < 2; k++) {
        fill_inputs(both[k], l->store[k], s);
        TRY(plan_load(both[k]));
        TRY(plan_bind(both[k], s->symbols));
        plan_run(both[k], 77);
        if (k == 0 && both[k]->n_steps) l->want = &step_of(both[k], y)->c;
    }
    return STATUS_OK;
}

typedef struct trial_case {
    const op_def *op;
    uint64_t seed;
    int mix;
    cpu_isa isa;
    bool strange; /* some contents are not finite, or below the smallest normal number */
    double *worst;
} trial_case;

/* What is no ordinary number, here and there. Attention takes finite numbers only: what a row must not see is
 * multiplied by zero with the rest of its tile. */
static void make_strange(sample *s) {
    static const double strange[] = {1e-40, -3e-45, -0.0, 0, NAN, INFINITY, -INFINITY};
    const op_def *op = value_node(s->g, s->y)->op;
    int32_t kinds = op == &op_attention || op == &op_attention_bwd ? 4 : COUNT_OF(strange);
    for (int32_t i = 0; i < s->n_inputs; i++)
        for (int64_t k = 0; s->inputs[i].numbers && k < s->inputs[i].count; k++)
            if (!sample_int(s, 0, 15))
                s->inputs[i].numbers[k] = strange[sample_int(s, 0, kinds - 1)];
}

/* The kernel that ran, NULL when none did. */
static const kernel_def *try_case(test *t, const trial_case *x) {
    const op_def *op = x->op;
    lab l = {.t = t, .cx = context_new()};
    sample s = {.g = graph_new(l.cx), .state = x->seed * 7919, .wide = 16};
    const kernel_def *used = NULL;
    value y;
    for (int32_t i = 0; i < MAX_SYMBOLS; i++) s.symbols[i] = 1;
    l.g = graph_new(l.cx);
    for (int i = 0; i < 2; i++) l.store[i] = states_new(l.cx);
    if (op->sample(&s) != STATUS_OK) {
        test_fail(t, __FILE__, __LINE__, op->name, "sampler: %s", context_error(l.cx));
    } else if (copy_graph(&s, l.g, x->mix, &y)) {
        if (x->strange) make_strange(&s);
        if (plan_both(&l, &s, x->isa, y) != STATUS_OK) {
            test_fail(t, __FILE__, __LINE__, op->name, "%s", context_error(l.cx));
        } else if (l.step && l.step->chosen.kernel) {
            used = l.step->chosen.kernel;
            const call *c = &l.step->c;
            for (int32_t o = 0; o < c->n_out; o++)
                if (c->out[o].data && l.want->out[o].data)
                    *x->worst =
                        fmax(*x->worst, error_of(&c->out[o], &l.want->out[o], used->tolerance));
            const char *wrong = check_bits(&l);
            if (wrong)
                test_fail(t, __FILE__, __LINE__, used->name, "seed %d, formats %d: %s",
                          (int)x->seed, x->mix, wrong);
        }
    }
    graph_free(s.g);
    lab_close(&l);
    return used;
}

typedef struct tally {
    const kernel_def *kernel;
    int64_t cases;
    double worst;
} tally;

static void count_case(tally *all, int32_t n, const kernel_def *k, double worst) {
    for (int32_t i = 0; i < n; i++) {
        if (all[i].kernel != k) continue;
        all[i].cases++;
        all[i].worst = fmax(all[i].worst, worst);
    }
}

static bool op_has_kernel(const op_def *op, cpu_isa isa) {
    for (int32_t f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++)
            if ((*k)->op == op && !strcmp((*k)->isa, cpu_isa_name(isa))) return true;
    return false;
}

static int mixes_of(const op_def *op) {
    return op->narrow_in || op == &op_embedding ? MIXES : MIX_NARROW;
}

static void against_reference(test *t) {
    enum { MOST = 512 };
    tally all[MOST];
    int32_t n = 0;
    for (int32_t f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k && n < MOST; k++)
            all[n++] = (tally){.kernel = *k};
    for (cpu_isa isa = ISA_SCALAR; isa <= cpu_isa_best(); isa++)
        for (int32_t i = 0; registry_op[i]; i++)
            for (uint64_t seed = 1; op_has_kernel(registry_op[i], isa) && seed <= CASES; seed++)
                for (int mix = 0; mix < mixes_of(registry_op[i]); mix++) {
                    double worst = 0;
                    const trial_case x = {registry_op[i], seed, mix, isa, false, &worst};
                    const kernel_def *k = try_case(t, &x);
                    if (k) count_case(all, n, k, worst);
                    CHECK(t, !(worst > 1), "%s: %g of the allowed error (seed %d, formats %d)",
                          k->name, worst, (int)seed, mix);
                }
    int skipped = 0;
    for (int32_t i = 0; i < n; i++) {
        cpu_isa isa = ISA_SCALAR;
        bool known = cpu_isa_find(all[i].kernel->isa, &isa);
        CHECK(t, known, "%s: instruction set %s", all[i].kernel->name, all[i].kernel->isa);
        skipped += isa > cpu_isa_best();
        CHECK(t, all[i].cases || isa > cpu_isa_best(), "%s takes no sampled case",
              all[i].kernel->name);
    }
    if (skipped) test_skip(t, "%d of %d kernels lack their instruction set here", skipped, n);
}

/* NaN, infinities, zeros of both signs and numbers below the smallest normal one give what the reference gives. */
static void not_finite(test *t) {
    static const int mixes[] = {MIX_F32, MIX_BF16, MIX_NARROW};
    for (int32_t i = 0; registry_op[i]; i++)
        for (uint64_t seed = 1; op_has_kernel(registry_op[i], cpu_isa_best()) && seed <= 6; seed++)
            for (int m = 0; m < COUNT_OF(mixes); m++) {
                double worst = 0;
                const trial_case x = {registry_op[i], seed, mixes[m], cpu_isa_best(), true, &worst};
                const kernel_def *k = try_case(t, &x);
                CHECK(t, !(worst > 1), "%s: %g of the allowed error (seed %d, formats %d)", k->name,
                      worst, (int)seed, mixes[m]);
            }
}

/* Errors, NaN and writes past the end must be seen. */
static void control(test *t) {
    const num_format *f32 = num_find("f32");
    tensor a = {.data = (float[]){1}, .format = f32},
           b = {.data = (float[]){1.001f}, .format = f32};
    CHECK(t, error_of(&a, &b, 0x1p-20) > 1, "an error of a thousandth was not seen");
    a.data = (float[]){NAN};
    CHECK(t, error_of(&a, &b, 1) > 1, "a NaN was not seen");
    lab l = {.t = t};
    float *at = guarded(&l, 0, b.data, 4, 0);
    CHECK(t, guards_hold(&l, 0, 4, 0), "nothing was written");
    at[1] = 1;
    CHECK(t, !guards_hold(&l, 0, 4, 0), "a write past the end was not seen");
    free(l.buffer[0]);
}

/* Squares, but for the first of each range of units, which depends on where the range begins. */
static void run_by_range(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    for (int64_t i = from; i < to; i++) y[i] = x[i] * x[i] + (i == from ? 0x1p-20f : 0);
}
static int64_t units_each(const call *c) {
    return tensor_elems(&c->out[0]);
}
static void run_past(const call *c, int64_t from, int64_t to, void *scratch) {
    run_by_range(c, from, to, scratch);
    if (to == units_each(c)) ((float *)c->out[0].data)[to] = 0;
}

/* Kernels whose bits depend on the split, or that write too far, must be found out. */
static void split_control(test *t) {
    static const kernel_def by_range = {
        .name = "by range", .units = units_each, .run = run_by_range};
    static const kernel_def past = {.name = "past", .units = units_each, .run = run_past};
    static const struct {
        const kernel_def *kernel;
        const char *wrong;
    } known[] = {{&by_range, "other bits when split"}, {&past, "wrote outside of its outputs"}};
    float x[40], y[40];
    for (int i = 0; i < 40; i++) x[i] = (float)i / 7;
    for (int i = 0; i < 2; i++) {
        const node n = {.op = op_find("square"), .n_in = 1, .n_out = 1};
        const tensor of = {.data = x, .format = num_find("f32"), .rank = 1, .dim = {40}};
        plan_step step = {.chosen = {.kernel = known[i].kernel},
                          .c = {.node = &n, .n_in = 1, .n_out = 1, .in = {of}, .out = {of}}};
        step.c.out[0].data = y;
        lab l = {.t = t, .step = &step};
        const char *wrong = check_bits(&l);
        CHECK(t, wrong && !strcmp(wrong, known[i].wrong), "%s: %s", known[i].kernel->name,
              wrong ? wrong : "nothing was seen");
        for (int k = 0; k < BUFFERS; k++) free(l.buffer[k]);
    }
}

/* ---- norms of more rows than the caches hold, which store past them ---- */
enum { FAR_COLUMNS = 2048, FAR_ROWS = 64 };

/* A norm or its backward over `rows` rows from x and dy on, into y, which may be x. */
static void run_norm(const kernel_def *k, float *x, float *dy, float *w, float *y, int64_t rows) {
    const num_format *f32 = num_find("f32");
    const norm_params params = {.eps = 1e-5};
    const tensor wide = {.format = f32, .rank = 2, .dim = {rows, FAR_COLUMNS}};
    const tensor line = {.data = w, .format = f32, .rank = 1, .dim = {FAR_COLUMNS}};
    call c = {.params = &params, .n_in = 3, .n_out = 1, .in = {wide, line, line}, .out = {wide}};
    c.in[0].data = x;
    c.out[0].data = y;
    if (k->merge) {
        c.in[NORM_BWD_DY] = wide;
        c.in[NORM_BWD_DY].data = dy;
        c.n_out = k->op == &op_layer_norm_bwd ? 3 : 2;
        c.out[1].format = c.out[2].format = f32;
    }
    k->run(&c, 0, k->units(&c), NULL);
}

/* The last rows of many have the bits that they have alone, where they stay in the caches; also over x. */
static void beyond_caches(test *t) {
    const int64_t row = FAR_COLUMNS * sizeof(float);
    const int64_t rows = round_up(CPU_FAR_BYTES / row + 1, FAR_ROWS),
                  last = (rows - FAR_ROWS) * FAR_COLUMNS;
    float *x = aligned_alloc(CACHE_LINE, (size_t)(rows * row)), w[FAR_COLUMNS];
    float *dy = aligned_alloc(CACHE_LINE, (size_t)(rows * row));
    float *y = aligned_alloc(CACHE_LINE, (size_t)(rows * row));
    float *alone = aligned_alloc(CACHE_LINE, (size_t)(FAR_ROWS * row));
    sample r = {.state = 7};
    for (int i = 0; i < FAR_COLUMNS; i++) w[i] = (float)sample_real(&r, -1, 1);
    for (int64_t i = 0; i < FAR_COLUMNS; i++) x[i] = (float)sample_real(&r, -1, 1);
    for (int64_t i = FAR_COLUMNS; i < rows * FAR_COLUMNS; i++)
        x[i] = x[i - FAR_COLUMNS] * 0.875f + w[i % 1021];
    for (int64_t i = 0; i < rows * FAR_COLUMNS; i++) dy[i] = x[(i * 17) % FAR_COLUMNS];
    for (int32_t f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++) {
            const op_def *op = (*k)->op;
            if (op != &op_rms_norm && op != &op_layer_norm && op != &op_rms_norm_bwd &&
                op != &op_layer_norm_bwd)
                continue;
            if (!cpu_isa_allowed((*k)->isa)) continue;
            run_norm(*k, x + last, dy + last, w, alone, FAR_ROWS);
            run_norm(*k, x, dy, w, y, rows);
            CHECK(t, !memcmp(y + last, alone, (size_t)(FAR_ROWS * row)), "%s: other bits",
                  (*k)->name);
            memcpy(y, x, (size_t)(rows * row));
            run_norm(*k, y, dy, w, y, rows);
            CHECK(t, !memcmp(y + last, alone, (size_t)(FAR_ROWS * row)), "%s: other bits over x",
                  (*k)->name);
            w[5] += 1;
            run_norm(*k, x + last, dy + last, w, alone, FAR_ROWS);
            CHECK(t, memcmp(y + last, alone, (size_t)(FAR_ROWS * row)), "%s: other w, equal bits",
                  (*k)->name);
        }
    free(x), free(dy), free(y), free(alone);
}

/* A gated MLP or its backward of n numbers, which are gate, up and dy at once. */
static void run_gated(const kernel_def *k, float *x, float *y, float *z, int64_t n) {
    const gated_mlp_params params = {ACT_SILU};
    const tensor line = {.format = num_find("f32"), .rank = 1, .dim = {n}};
    call c = {
        .params = &params, .n_in = 3, .n_out = 2, .in = {line, line, line}, .out = {line, line}};
    for (int i = 0; i < 3; i++) c.in[i].data = x;
    c.out[0].data = y;
    c.out[1].data = z;
    k->run(&c, 0, k->units(&c), NULL);
}

/* The last of many numbers have the bits that they have alone; also over x. */
static void gated_beyond_caches(test *t) {
    const int64_t far = CPU_FAR_BYTES / sizeof(float), last = far + 4096, left = 4096 + 45;
    const int64_t n = last + left, size = round_up(n * (int64_t)sizeof(float), CACHE_LINE);
    float *x = aligned_alloc(CACHE_LINE, (size_t)size),
          *y = aligned_alloc(CACHE_LINE, (size_t)size);
    float *z = aligned_alloc(CACHE_LINE, (size_t)size), alone[2][4096 + 45];
    const size_t bytes = (size_t)left * sizeof(float);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(i * 7919 % 10007) * 1e-3f - 5;
    for (int32_t f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++) {
            bool back = (*k)->op == &op_gated_mlp_bwd;
            if ((*k)->op != &op_gated_mlp && !back) continue;
            if (!cpu_isa_allowed((*k)->isa)) continue;
            run_gated(*k, x + last, alone[0], alone[1], left);
            run_gated(*k, x, y, z, n);
            CHECK(t, !memcmp(y + last, alone[0], bytes), "%s: other bits", (*k)->name);
            CHECK(t, !back || !memcmp(z + last, alone[1], bytes), "%s: other bits", (*k)->name);
            memcpy(y, x, (size_t)n * sizeof(float));
            run_gated(*k, y, y, z, n);
            CHECK(t, !memcmp(y + last, alone[0], bytes), "%s: other bits over x", (*k)->name);
            CHECK(t, !back || !memcmp(z + last, alone[1], bytes), "%s: other bits over x",
                  (*k)->name);
            x[n - 1] += 1;
            run_gated(*k, x + last, alone[0], alone[1], left);
            CHECK(t, memcmp(y + last, alone[0], bytes), "%s: other x, equal bits", (*k)->name);
        }
    free(x), free(y), free(z);
}

const test_case suite_kernels[] = {{"against_reference", against_reference},
                                   {"not_finite", not_finite},
                                   {"beyond_caches", beyond_caches},
                                   {"gated_beyond_caches", gated_beyond_caches},
                                   {"control", control},
                                   {"split_control", split_control},
                                   {0}};
