/* Whether a job fits: plans of the same job are made without taking memory, and counted; to them comes what the process
 * holds already (the program and its libraries, the opened data and model), and what the job's maker holds besides. The
 * token shards are counted in the plan, since their pages are in memory once they are read, but they need not fit: the
 * system drops pages of files first. */
#include "train/job.h"
#include "base/footprint.h"
#include <stdio.h>

typedef struct size_text {
    char text[24];
} size_text;

static size_text megabytes(int64_t bytes) {
    size_text t;
    double mib = (double)bytes / (1 << 20);
    snprintf(t.text, sizeof t.text, mib < 10240 ? "%.0f MiB" : "%.1f GiB",
             mib < 10240 ? mib : mib / 1024);
    return t;
}

/* States and plans together, for a micro-batch of so many sequences. */
static status count(job *j, int64_t batch, int64_t *bytes) {
    step_options o = job_step_options(j, batch);
    step_model m = language_model(&j->language);
    step *s = NULL;
    score *judge = NULL;
    o.dry_run = true;
    o.gathers |= batch != j->options.batch;
    int64_t before = footprint_heap_bytes();
    TRY(step_new(j->cx, &m, &o, NULL, j->workers, &s));
    status st = j->has_validation ? score_new(j->cx, &m, &o, NULL, j->workers, &judge) : STATUS_OK;
    *bytes = step_planned_bytes(s) + step_state_bytes(s);
    *bytes += footprint_heap_bytes() - before; /* the graphs and plans themselves */
    if (judge) *bytes += judge->p->planned_bytes + judge->p->packed_bytes + judge->p->scratch_bytes;
    score_free(judge);
    step_free(s);
    return st;
}

static int64_t shard_bytes(const job *j) {
    const token_set *set = loader_set(j->learn.l);
    int64_t bytes = 0;
    for (int k = 0; k < TOKEN_SPLITS; k++)
        for (int64_t i = 0; i < set->part[k].n_shards; i++)
            bytes += set->part[k].shards[i].map.size_bytes;
    return bytes;
}

status job_check_memory(job *j, int64_t limit_bytes) {
    int64_t bytes, less, beside = 0, held = footprint_peak_bytes();
    if (j->options.beside) TRY(j->options.beside(j->options.user, &j->options.config, &beside));
    held += beside;
    TRY(count(j, j->options.batch, &bytes));
    bytes += held;
    j->result.planned_bytes = bytes + shard_bytes(j);
    if (bytes <= limit_bytes) return STATUS_OK;
    size_text needs = megabytes(bytes), has = megabytes(limit_bytes);
    for (int64_t parts = 2; parts <= j->options.batch; parts *= 2) {
        int64_t batch = j->options.batch / parts;
        if (batch * parts != j->options.batch) continue;
        TRY(count(j, batch, &less));
        less += held;
        if (less > limit_bytes) continue;
        FAIL(j->cx, STATUS_NO_MEMORY,
             "the job needs %s, and this process may have %s; --batch %lld --accumulate %lld "
             "learns the same in %s",
             needs.text, has.text, (long long)batch, (long long)(parts * j->options.trainer.parts),
             megabytes(less).text);
    }
    FAIL(j->cx, STATUS_NO_MEMORY,
         "the job needs %s, and this process may have %s; no smaller batch fits either: take a "
         "smaller model or context",
         needs.text, has.text);
}
