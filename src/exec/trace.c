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

static void put_event(const plan_step *s, const graph *g, double from, FILE *to) {
    char type[192];
    cost work = {0};
    if (s->node->op->cost) s->node->op->cost(&s->c, &work);
    fprintf(to, "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"cat\":\"%s\",\"name\":\"",
            phase_names[s->node->phase]);
    put_text(to, s->node->op->name);
    fprintf(to,
            "\",\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"node\":%d,\"kernel\":\"%s\",\"flops\":%.0f,"
            "\"bytes\":%.0f,\"type\":\"",
            1e6 * (s->began_seconds - from), 1e6 * s->seconds, s->node->id,
            s->chosen.kernel ? s->chosen.kernel->name : "reference", work.flops, work.bytes);
    put_text(to, type_print(g, &s->node->out[0], type, sizeof type));
    fprintf(to, "\",\"label\":\"");
    put_text(to, s->node->name ? s->node->name : "");
    fprintf(to, "\"}}");
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
    fprintf(to, "\n]}\n");
    return ferror(to) ? context_fail(p->cx, STATUS_IO, "the trace could not be written")
                      : STATUS_OK;
}
