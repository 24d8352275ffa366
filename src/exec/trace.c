#include "exec/trace.h"

static const char *const phase_names[] = {"load", "forward", "backward", "update"};

/* Names are Hone's own or bound by users: quotes and backslashes are the only characters that need
 * care here. */
static void put_text(FILE *to, const char *text) {
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        if ((unsigned char)*text >= 32) fputc(*text, to);
    }
}

static void begin_event(const char *category, const char *name, double began, double seconds,
                        FILE *to) {
    fprintf(to, "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"cat\":\"%s\",\"name\":\"", category);
    put_text(to, name);
    fprintf(to, "\",\"ts\":%.3f,\"dur\":%.3f,\"args\":{", 1e6 * began, 1e6 * seconds);
}

static void end_event(const graph *g, const type *t, const char *label, FILE *to) {
    char text[192];
    fputs(",\"type\":\"", to);
    put_text(to, type_print(g, t, text, sizeof text));
    fputs("\",\"label\":\"", to);
    put_text(to, label ? label : "");
    fputs("\"}}", to);
}

/* A packed layout that is renewed in the step: its bytes are those of the plain values and its own. */
static void put_pack(const plan_pack *k, const plan *p, double from, FILE *to) {
    const node *n = value_node(p->g, k->from);
    double bytes = (double)type_bound_bytes(p->g, value_type(p->g, k->from));
    begin_event("renew", "pack", k->began_seconds - from, k->seconds, to);
    fprintf(to, "\"kernel\":\"%s\",\"flops\":0,\"bytes\":%.0f", k->def->name,
            bytes + (double)k->size_bytes);
    end_event(p->g, value_type(p->g, k->from), n->name, to);
}

static void put_event(const plan_step *s, const graph *g, double from, FILE *to) {
    cost work = {0};
    if (s->node->op->cost) s->node->op->cost(&s->c, &work);
    begin_event(phase_names[s->node->phase], s->node->op->name, s->began_seconds - from, s->seconds,
                to);
    fprintf(to, "\"node\":%d,\"kernel\":\"%s\",\"flops\":%.0f,\"bytes\":%.0f", s->node->id,
            s->chosen.kernel ? s->chosen.kernel->name : "reference", work.flops, work.bytes);
    end_event(g, &s->node->out[0], s->node->name, to);
}

status trace_write(const plan *p, FILE *to) {
    double from = 0;
    const char *between = "";
    fprintf(to, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    for (int32_t k = p->n_load; k < p->n_steps; k++) {
        const plan_step *s = &p->steps[k];
        if (s->skipped) continue;
        if (!*between) from = s->began_seconds;
        fputs(between, to);
        put_event(s, p->g, from, to);
        between = ",\n";
    }
    for (int32_t i = 0; i < p->n_packs; i++) {
        if (!p->packs[i].renewed) continue;
        fputs(between, to);
        put_pack(&p->packs[i], p, from, to);
        between = ",\n";
    }
    fprintf(to, "\n]}\n");
    return ferror(to) ? context_fail(p->cx, STATUS_IO, "the trace could not be written")
                      : STATUS_OK;
}
