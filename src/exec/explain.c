#include "exec/explain.h"
#include <stdio.h>
#include <string.h>

static void put(text_sink sink, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(text_sink sink, const char *fmt, ...) {
    char line[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n > 0) sink.put(sink.to, line, strlen(line));
}

static const char *const tag_names[TAG_COUNT] = {
    "parameter", "packed",        "gradient", "optimiser", "activation",
    "kv",        "communication", "tier",     "input",     "scratch"};

void explain_kernels(const plan *p, text_sink sink) {
    for (int32_t k = 0; k < p->n_steps; k++) {
        const plan_step *s = &p->steps[k];
        put(sink, "%%%d %s: %s", s->node->id, s->node->op->name,
            s->skipped         ? s->node->op->view_of ? "a view, nothing runs"
                                                      : "read in packed layouts only, nothing runs"
            : s->chosen.kernel ? s->chosen.kernel->name
                               : "reference");
        for (int32_t i = 0; i < s->c.n_in; i++)
            if (s->packed[i]) put(sink, ", operand %d packed as %s", i, s->packed[i]->def->name);
        put(sink, "\n");
        for (const refusal *r = s->chosen.refused; r; r = r->next)
            put(sink, "    not %s: %s\n", r->kernel->name, r->why);
    }
}

void explain_memory(const plan *p, text_sink sink) {
    for (int32_t k = 0; k < p->n_steps; k++) {
        const plan_step *s = &p->steps[k];
        for (int32_t o = 0; o < s->c.n_out; o++) {
            const char *at = s->c.out[o].data;
            if (!at)
                put(sink, "%%%d.%d nobody reads\n", s->node->id, o);
            else if (at >= p->memory && at < p->memory + p->planned_bytes)
                put(sink, "%%%d.%d at %lld, %lld bytes\n", s->node->id, o,
                    (long long)(at - p->memory),
                    (long long)type_bound_bytes(p->g, &s->node->out[o]));
            else
                put(sink, "%%%d.%d in a state\n", s->node->id, o);
        }
    }
    for (int32_t t = 0; t < TAG_COUNT; t++)
        if (p->peak_bytes[t])
            put(sink, "peak %s: %lld bytes\n", tag_names[t], (long long)p->peak_bytes[t]);
    put(sink, "placed: %lld bytes; largest live set: %lld bytes\n", (long long)p->planned_bytes,
        (long long)p->live_bytes);
}
