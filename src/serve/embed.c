/* Steps over the texts of many jobs, and their answer (serve/embed.h). */
#include "serve/embed.h"
#include "base/time.h"
#include "serve/reply.h"
#include <string.h>

status embed_space_make(context *cx, const embedder *e, embed_space *out) {
    out->width = embedder_width(e);
    out->vectors = context_alloc(cx, (size_t)(EMBED_TEXTS * out->width) * sizeof *out->vectors);
    return out->vectors ? STATUS_OK : STATUS_NO_MEMORY;
}

void embed_space_free(context *cx, embed_space *s) {
    context_release(cx, s->vectors);
}

static bool goes_on(const job *j) {
    return !j->cancelled && !job_done(j);
}

bool embed_busy(const job *list) {
    for (const job *j = list; j; j = j->next)
        if (goes_on(j)) return true;
    return false;
}

/* The texts of one step: one of each job, then the next of each, until the batch is full. */
typedef struct batch {
    embedder_text texts[EMBED_TEXTS];
    job_choice *choices[EMBED_TEXTS];
    int32_t n;
    int64_t tokens;
} batch;

static bool add_text(batch *b, job *j, int32_t which) {
    const job_prompt *p = &j->prompts[which];
    if (b->n == EMBED_TEXTS || (b->n && b->tokens + p->n_ids > EMBED_TOKENS)) return false;
    b->texts[b->n] = (embedder_text){p->ids, p->n_ids};
    b->choices[b->n++] = &j->choices[which];
    b->tokens += p->n_ids;
    return true;
}

static void fill(batch *b, job *list) {
    bool more = true;
    for (int32_t round = 0; more; round++) {
        more = false;
        for (job *j = list; j; j = j->next) {
            int32_t which = j->n_done + round;
            if (!goes_on(j) || which >= j->n_choices) continue;
            if (!add_text(b, j, which)) return;
            more = true;
        }
    }
}

/* The texts of a job are done in order, so that `n_done` says which come next. */
static status keep(job_choice *c, const float *vector, int64_t width) {
    job *j = c->of;
    TRY(text_append(&c->content, (const char *)vector, width * (int64_t)sizeof *vector));
    c->done = true;
    c->finish = ENGINE_STOP;
    j->n_done++;
    if (!job_done(j)) return STATUS_OK;
    j->first = time_seconds();
    reply_vectors(j, width);
    job_sum_up(j);
    return STATUS_OK;
}

status embed_step(job *list, embedder *e, embed_space *space) {
    batch b = {.n = 0};
    fill(&b, list);
    TRY(embedder_run(e, b.texts, b.n, space->vectors));
    for (int32_t i = 0; i < b.n; i++) {
        if (keep(b.choices[i], space->vectors + i * space->width, space->width) == STATUS_OK)
            continue;
        if (!b.choices[i]->of->cancelled)
            job_fail(b.choices[i]->of, 503, "not enough memory for this request");
    }
    return STATUS_OK;
}
