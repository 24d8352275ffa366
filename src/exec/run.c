/* Running a plan: patch the extents, then call one kernel after the other. Where there is no
 * kernel, the op's reference runs on doubles that are unpacked before and packed behind it. */
#include "base/time.h"
#include "exec/packs.h"
#include "exec/plan.h"
#include <string.h>

status plan_bind(plan *p, const int64_t *symbols) {
    for (int32_t i = 1; i <= p->g->n_symbols; i++)
        if (symbols[i] < 1 || symbols[i] > p->g->symbols[i].bound)
            return context_fail(p->cx, STATUS_BAD_ARGUMENT,
                                "symbol '%s' is %lld, but lies in 1..%lld", p->g->symbols[i].name,
                                (long long)symbols[i], (long long)p->g->symbols[i].bound);
    for (int32_t i = 0; i < p->n_patches; i++)
        *p->patches[i].where = extent_at(p->patches[i].what, symbols);
    return STATUS_OK;
}

typedef struct job {
    const call *c;
    void (*part)(const call *c, int64_t from, int64_t to, void *thread_scratch);
    char *scratch;
    int64_t scratch_bytes;
} job;

static void run_part(void *arg, int64_t from, int64_t to, int thread) {
    const job *j = arg;
    j->part(j->c, from, to, j->scratch + thread * j->scratch_bytes);
}

static void run_kernel(plan *p, const kernel_def *kernel, const call *c) {
    job j = {.c = c, .scratch = p->thread_scratch, .scratch_bytes = p->thread_scratch_bytes};
    int64_t prepare = kernel->prepare_units ? kernel->prepare_units(c) : 0;
    if (prepare) {
        j.part = kernel->prepare;
        pool_run(p->pool, run_part, &j, prepare);
    }
    j.part = kernel->run;
    bool streams = kernel->streams && kernel->streams(c);
    (streams ? pool_run_stream : pool_run)(p->pool, run_part, &j, kernel->units(c));
    int64_t merge = kernel->merge_units ? kernel->merge_units(c) : 0;
    if (merge) {
        j.part = kernel->merge;
        pool_run(p->pool, run_part, &j, merge);
    }
}

int64_t plan_reference_bytes(const plan_step *s) {
    int64_t total = 0;
    for (int32_t i = 0; i < s->c.n_in; i++)
        if (s->c.in[i].format && s->c.in[i].format->kind != NUM_INDEX)
            total += round_up(8 * tensor_elems(&s->c.in[i]), CACHE_LINE);
    for (int32_t o = 0; o < s->c.n_out; o++)
        total += round_up(8 * tensor_elems(&s->c.out[o]), CACHE_LINE);
    return total;
}

/* A double copy of one tensor in the scratch, which moves on behind it. Ids stay as they are. */
static void widen(const plan *p, tensor *t, char **scratch, bool read) {
    if (t->format->kind == NUM_INDEX) return;
    double *numbers = (double *)*scratch;
    *scratch += round_up(8 * tensor_elems(t), CACHE_LINE);
    if (read && t->data) tensor_get(t, numbers);
    t->data = numbers;
    t->format = p->f64;
}

void plan_run_reference(plan *p, const call *c) {
    call wide = *c;
    char *scratch = p->reference_scratch;
    for (int32_t i = 0; i < c->n_in; i++) {
        bool shape_only = c->node->op->n_in >= 0 && (c->node->op->shape_only >> i & 1);
        if (c->in[i].format && (c->in[i].data || shape_only))
            widen(p, &wide.in[i], &scratch, !shape_only);
    }
    for (int32_t o = 0; o < c->n_out; o++) {
        if (c->out[o].format->kind == NUM_INDEX) {
            if (!c->out[o].data) wide.out[o].data = scratch;
            scratch += c->out[o].data ? 0 : round_up(8 * tensor_elems(&c->out[o]), CACHE_LINE);
        } else {
            widen(p, &wide.out[o], &scratch, false);
        }
    }
    c->node->op->reference(&wide);
    for (int32_t o = 0; o < c->n_out; o++)
        if (c->out[o].data && c->out[o].format->kind != NUM_INDEX)
            tensor_set(&c->out[o], wide.out[o].data);
}

void plan_run_step(plan *p, plan_step *s) {
    if (s->skipped) return;
    s->c.step_seed = p->step_seed;
    if (p->trace) s->began_seconds = time_seconds();
    if (s->chosen.kernel)
        run_kernel(p, s->chosen.kernel, &s->c);
    else
        plan_run_reference(p, &s->c);
    if (p->trace) s->seconds = time_seconds() - s->began_seconds;
}

typedef struct packing {
    const plan_pack *pack;
    const tensor *source;
} packing;

static void run_pack(void *arg, int64_t from, int64_t to, int thread) {
    (void)thread;
    const packing *k = arg;
    k->pack->def->run(k->source, k->pack->data, from, to);
}

/* One layout; whoever holds the plain contents may let go of them where they are a state's. */
static void pack_one(plan *p, plan_pack *pack) {
    const tensor *source = &p->tensors[pack->from.node * MAX_OUT + pack->from.out];
    packing k = {pack, source};
    if (p->trace) pack->began_seconds = time_seconds();
    pool_run(p->pool, run_pack, &k, pack->def->units(source));
    if (p->trace) pack->seconds = time_seconds() - pack->began_seconds;
    if (p->options.release && value_node(p->g, pack->from)->op == &op_state)
        p->options.release(p->options.release_user, source->data, tensor_bytes(source));
}

bool plan_reads(const plan *p, int32_t node) {
    for (int32_t k = p->n_load; k < p->n_steps; k++) {
        const plan_step *s = &p->steps[k];
        for (int32_t i = 0; i < s->node->n_in && !s->skipped; i++)
            if (s->node->in[i].node == node && !s->packed[i]) return true;
    }
    return false;
}

/* A state of the store's own (a file held it in another order), whose packed layouts are all that is read, after the
 * last of them. */
static void let_go(const plan *p, int32_t i) {
    const node *n = value_node(p->g, p->packs[i].from);
    const state *s = n->op == &op_state ? states_find(p->store, n->name) : NULL;
    bool last = true;
    for (int32_t j = i + 1; j < p->n_packs; j++)
        last &= graph_storage(p->g, p->packs[j].from).node != n->id;
    if (s && last && p->options.release && !plan_reads(p, n->id)) states_let_go(s);
}

/* Runs the load phase and packs: all of it, or what the step's writes have made old and nobody renewed yet. */
static void derive(plan *p, bool all) {
    for (int32_t k = 0; k < p->n_load; k++)
        if (all || p->steps[k].renewed) plan_run_step(p, &p->steps[k]);
    for (int32_t i = 0; i < p->n_packs; i++) {
        if (!p->packs_ready && (all || (p->packs[i].renewed && p->packs[i].after < 0)))
            pack_one(p, &p->packs[i]);
        if (all) let_go(p, i);
    }
}

status plan_load(plan *p) {
    pool_enter_step(p->pool);
    derive(p, true);
    pool_leave_step(p->pool);
    packs_written(p);
    for (int32_t k = 0; k < p->n_steps; k++)
        for (int32_t i = 0; i < p->steps[k].c.n_in; i++)
            if (p->steps[k].packed[i]) p->steps[k].c.in[i].data = p->steps[k].packed[i]->data;
    p->loaded = true;
    return STATUS_OK;
}

void plan_run(plan *p, uint64_t step_seed) {
    p->step_seed = step_seed;
    pool_enter_step(p->pool);
    for (int32_t k = p->n_load; k < p->n_steps; k++) {
        plan_run_step(p, &p->steps[k]);
        for (plan_pack *pack = p->steps[k].renews; pack; pack = pack->next)
            if (pack->renewed) pack_one(p, pack);
    }
    derive(p, false);
    pool_leave_step(p->pool);
}

const tensor *plan_tensor(const plan *p, value v) {
    return &p->tensors[v.node * MAX_OUT + v.out];
}

value plan_find_input(const plan *p, const char *name) {
    value v = graph_find(p->g, name);
    return value_absent(v) || value_node(p->g, v)->op != &op_input ? NO_VALUE : v;
}

value plan_find_output(const plan *p, const char *name) {
    for (int32_t i = 0; i < p->g->n_marks; i++)
        if (p->g->marks[i].name && !strcmp(p->g->marks[i].name, name)) return p->g->marks[i].at;
    return NO_VALUE;
}
