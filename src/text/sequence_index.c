/* Groups of documents never reach over two shards, so a group's documents are consecutive in one. */
#include "text/sequence_index.h"

enum { GROUP_DOCUMENTS = 64 };

static int64_t sequences_of(const sequence_index *x, int64_t ids) {
    if (x->windows) return MAX_OF(ids - x->longest, 0);
    return ids < 2 ? 0 : div_up(ids - 1, x->longest);
}

static status count_shard(sequence_index *x, shard *s, int64_t *group, int64_t *total) {
    for (int64_t d = 0; d < s->documents; d++) {
        int64_t from, to;
        TRY(shard_document(s, d, &from, &to));
        if (d % GROUP_DOCUMENTS == 0) x->before[(*group)++] = *total;
        int64_t n = sequences_of(x, to - from);
        *total += n;
        if (n && !x->windows) {
            x->ids += to - from - 1;
            x->shortest = MIN_OF(x->shortest, to - from - 1 - (n - 1) * x->longest);
        }
    }
    return STATUS_OK;
}

status sequence_index_make(context *cx, token_part *part, int64_t longest, bool windows,
                           sequence_index *out) {
    *out = (sequence_index){
        .cx = cx, .part = part, .longest = longest, .windows = windows, .shortest = longest};
    for (int64_t i = 0; i < part->n_shards; i++)
        out->groups += div_up(part->shards[i].documents, GROUP_DOCUMENTS);
    out->before = context_alloc(cx, (size_t)(out->groups + 1) * sizeof *out->before);
    out->groups_before =
        out->before ? context_alloc(cx, (size_t)(part->n_shards + 1) * sizeof *out->groups_before)
                    : NULL;
    status st = out->groups_before ? STATUS_OK : STATUS_NO_MEMORY;
    int64_t group = 0, total = 0;
    for (int64_t i = 0; i < part->n_shards && st == STATUS_OK; i++) {
        out->groups_before[i] = group;
        st = count_shard(out, part->shards + i, &group, &total);
    }
    if (st != STATUS_OK) {
        sequence_index_free(out);
        return st;
    }
    out->before[out->groups] = out->sequences = total;
    out->groups_before[part->n_shards] = out->groups;
    if (windows) out->ids = total;
    return STATUS_OK;
}

void sequence_index_free(sequence_index *x) {
    context_release(x->cx, x->before);
    context_release(x->cx, x->groups_before);
    x->before = x->groups_before = NULL;
}

/* The last of `count` ascending numbers, the first of which is <= n, that is <= n. */
static int64_t last_at_most(const int64_t *list, int64_t count, int64_t n) {
    int64_t low = 0, high = count;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (list[middle] <= n)
            low = middle;
        else
            high = middle;
    }
    return low;
}

status sequence_index_find(const sequence_index *x, int64_t number, sequence_place *out) {
    int64_t group = last_at_most(x->before, x->groups, number);
    int64_t which = last_at_most(x->groups_before, x->part->n_shards, group);
    shard *s = x->part->shards + which;
    int64_t left = number - x->before[group];
    for (int64_t d = (group - x->groups_before[which]) * GROUP_DOCUMENTS; d < s->documents; d++) {
        int64_t from, to;
        TRY(shard_document(s, d, &from, &to));
        int64_t n = sequences_of(x, to - from);
        if (left >= n) {
            left -= n;
            continue;
        }
        int64_t begin = from + (x->windows ? left : left * x->longest);
        *out = (sequence_place){s, begin, MIN_OF(x->longest, to - 1 - begin)};
        return STATUS_OK;
    }
    FAIL(x->cx, STATUS_BUG, "sequence %lld of '%s' is nowhere", (long long)number, s->path);
}
