/* The thread that reads ahead owns the shards and a context of its own; what it makes goes through a ring
 * of batches. A batch carries the state behind it, so that the state told is that of the step in hand,
 * however far the thread has come. */
#include "text/loader.h"
#include "base/rng.h"
#include "base/time.h"
#include "text/sequence_index.h"
#include <pthread.h>
#include <string.h>

enum { RING = 4, WAITING = 16, NO_SEQUENCE = -1 };
/* Sets up to this size are checked whole before time is spent; larger ones as they are read. */
static const int64_t CHECKED_BYTES = (int64_t)1 << 30;

/* The numbers of a state: what it belongs to, then where it is. */
enum { OF_DATA, AT_STEP, AT_EPOCH, AT_DRAWN, AT_WAITING, LIST };

typedef struct place_state {
    int64_t step, epoch, drawn; /* drawn: sequences of this epoch */
    int64_t waiting;
    int64_t list[WAITING]; /* drawn, not yet used, oldest first */
} place_state;

typedef struct slot {
    int32_t *memory, *ids, *positions, *targets, *offsets;
    loader_batch batch;
    place_state after;
    status st;
} slot;

struct loader {
    context *cx, *own; /* own: the thread's */
    loader_options options;
    token_set set;
    sequence_index index;
    int64_t most_sequences, fingerprint;
    slot ring[RING];
    place_state at, told; /* at: the thread's */

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t made_one, took_one;
    int64_t made, taken; /* batches since the thread began */
    bool running, stop, holds;
    double stalled;
};

/* A pseudo-random permutation of [0, count): four Feistel rounds on the next even number of bits, walked
 * until it lands inside. */
static int64_t permuted(uint64_t seed, uint64_t stream, int64_t count, int64_t n) {
    int half = 1;
    while ((uint64_t)1 << 2 * half < (uint64_t)count) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1, x = (uint64_t)n;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint64_t round = 0; round < 4; round++) {
            rng_block b = rng_at(seed, stream, round << 32 | right);
            uint64_t next = left ^ (b.word[0] & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= (uint64_t)count);
    return (int64_t)x;
}

/* A number below count; the bias is below count / 2^64. */
static int64_t window_at(const loader *l, int64_t number) {
    rng_block b = rng_at(l->options.seed, rng_stream("windows"), (uint64_t)number);
    uint64_t word = (uint64_t)b.word[1] << 32 | b.word[0];
    uint64_t count = (uint64_t)l->index.sequences;
    uint64_t low = (word & UINT32_MAX) * (count & UINT32_MAX) >> 32;
    uint64_t mid = (word >> 32) * (count & UINT32_MAX), mid2 = (word & UINT32_MAX) * (count >> 32);
    uint64_t carry = (low + (mid & UINT32_MAX) + (mid2 & UINT32_MAX)) >> 32;
    return (int64_t)((word >> 32) * (count >> 32) + (mid >> 32) + (mid2 >> 32) + carry);
}

/* The next sequence of the order, NO_SEQUENCE when the epochs are over. */
static int64_t draw(loader *l) {
    place_state *s = &l->at;
    const loader_options *o = &l->options;
    if (s->drawn == l->index.sequences) {
        s->drawn = 0;
        s->epoch++;
    }
    if (o->epochs && s->epoch >= o->epochs) {
        s->drawn = l->index.sequences; /* stays at the end */
        s->epoch = o->epochs - 1;
        return NO_SEQUENCE;
    }
    int64_t n = s->drawn++;
    if (o->in_order) return n;
    uint64_t stream = rng_stream("shuffle") + (uint64_t)s->epoch;
    return permuted(o->seed, stream, l->index.sequences, n);
}

static status put_sequence(loader *l, slot *b, const sequence_place *p) {
    loader_batch *t = &b->batch;
    int32_t at = t->tokens, n = (int32_t)p->count;
    TRY(shard_read(p->shard, p->from, n, b->ids + at));
    TRY(shard_read(p->shard, p->from + 1, n, b->targets + at));
    int32_t most = b->ids[at];
    for (int32_t i = 0; i < n; i++) {
        b->positions[at + i] = i;
        if (b->targets[at + i] > most || b->targets[at + i] < 0) most = b->targets[at + i];
    }
    if (most < 0 || most >= l->set.vocabulary)
        FAIL(l->own, STATUS_BAD_DATA, "'%s' holds id %u, outside the vocabulary of %lld",
             p->shard->path, (unsigned)most, (long long)l->set.vocabulary);
    t->tokens = at + n;
    b->offsets[++t->sequences] = t->tokens;
    return STATUS_OK;
}

static status make_windows(loader *l, slot *b) {
    for (int64_t i = 0; i < l->options.windows; i++) {
        sequence_place p;
        int64_t number = l->at.step * l->options.windows + i;
        TRY(sequence_index_find(&l->index, window_at(l, number), &p));
        TRY(put_sequence(l, b, &p));
    }
    l->at.drawn += b->batch.tokens;
    b->batch.epoch = (double)l->at.drawn / (double)l->index.ids;
    return STATUS_OK;
}

static void fill_waiting(loader *l) {
    place_state *s = &l->at;
    int64_t most = l->options.in_order ? 1 : WAITING;
    while (s->waiting < most) {
        int64_t number = draw(l);
        if (number == NO_SEQUENCE) return;
        s->list[s->waiting++] = number;
    }
}

static status make_packed(loader *l, slot *b) {
    place_state *s = &l->at;
    fill_waiting(l);
    for (int64_t i = 0; i < s->waiting && b->batch.sequences < l->most_sequences;) {
        sequence_place p;
        TRY(sequence_index_find(&l->index, s->list[i], &p));
        if (b->batch.tokens + p.count > l->options.tokens) {
            i++;
            continue;
        }
        TRY(put_sequence(l, b, &p));
        memmove(s->list + i, s->list + i + 1, (size_t)(--s->waiting - i) * sizeof *s->list);
        fill_waiting(l);
    }
    double used = (double)(s->drawn - s->waiting) / (double)l->index.sequences;
    b->batch.epoch = (double)s->epoch + used;
    return STATUS_OK;
}

static void make(loader *l, slot *b) {
    b->batch = (loader_batch){
        .ids = b->ids, .positions = b->positions, .targets = b->targets, .offsets = b->offsets};
    b->st = l->options.windows ? make_windows(l, b) : make_packed(l, b);
    l->at.step++;
    b->after = l->at;
}

static void *read_ahead(void *arg) {
    loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        if (l->made - l->taken == RING) {
            pthread_cond_wait(&l->took_one, &l->lock);
            continue;
        }
        slot *b = l->ring + l->made % RING;
        pthread_mutex_unlock(&l->lock);
        make(l, b);
        pthread_mutex_lock(&l->lock);
        l->made++;
        pthread_cond_signal(&l->made_one);
        if (b->st != STATUS_OK) break;
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void halt(loader *l) {
    if (!l->running) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->took_one);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    l->running = l->stop = l->holds = false;
    l->made = l->taken = 0;
}

static status begin(loader *l) {
    if (pthread_create(&l->thread, NULL, read_ahead, l))
        FAIL(l->cx, STATUS_NO_MEMORY, "a thread that reads data ahead cannot be started");
    l->running = true;
    return STATUS_OK;
}

status loader_next(loader *l, loader_batch *out) {
    bool first = !l->running;
    if (first) TRY(begin(l));
    pthread_mutex_lock(&l->lock);
    if (l->holds) {
        l->taken++;
        pthread_cond_signal(&l->took_one);
    }
    if (l->made == l->taken) {
        int64_t from = time_ns();
        while (l->made == l->taken) pthread_cond_wait(&l->made_one, &l->lock);
        if (!first) l->stalled += (double)(time_ns() - from) * 1e-9;
    }
    l->holds = true;
    pthread_mutex_unlock(&l->lock);
    const slot *b = l->ring + l->taken % RING;
    if (b->st != STATUS_OK) {
        status st = context_fail(l->cx, b->st, "%s", context_error(l->own));
        halt(l);
        l->at = l->told;
        return st;
    }
    l->told = b->after;
    *out = b->batch;
    return STATUS_OK;
}

loader_state loader_tell(const loader *l) {
    const place_state *p = &l->told;
    loader_state s = {{l->fingerprint, p->step, p->epoch, p->drawn, p->waiting}};
    memcpy(s.number + LIST, p->list, (size_t)p->waiting * sizeof *p->list);
    return s;
}

status loader_seek(loader *l, const loader_state *state) {
    const int64_t *n = state->number, most = l->index.sequences;
    if (n[OF_DATA] != l->fingerprint)
        FAIL(l->cx, STATUS_BAD_ARGUMENT,
             "the position in the data belongs to other data than '%s', or to other options "
             "(tokens a step, sequence length, seed, split)",
             l->set.folder);
    bool fits = n[AT_STEP] >= 0 && n[AT_EPOCH] >= 0 && n[AT_DRAWN] >= 0 &&
                (l->options.windows || n[AT_DRAWN] <= most) && n[AT_WAITING] >= 0 &&
                n[AT_WAITING] <= WAITING;
    for (int64_t i = 0; fits && i < n[AT_WAITING]; i++)
        fits = n[LIST + i] >= 0 && n[LIST + i] < most;
    if (!fits) FAIL(l->cx, STATUS_BAD_DATA, "the position in '%s' is corrupt", l->set.folder);
    halt(l);
    l->at = (place_state){
        .step = n[AT_STEP], .epoch = n[AT_EPOCH], .drawn = n[AT_DRAWN], .waiting = n[AT_WAITING]};
    memcpy(l->at.list, n + LIST, (size_t)n[AT_WAITING] * sizeof *l->at.list);
    l->told = l->at;
    return STATUS_OK;
}

static status make_ring(loader *l) {
    size_t tokens = (size_t)l->options.tokens, words = 3 * tokens + (size_t)l->most_sequences + 1;
    for (int i = 0; i < RING; i++) {
        slot *b = l->ring + i;
        b->memory = b->ids = context_zalloc(l->own, words * sizeof *b->ids);
        if (!b->memory) return STATUS_NO_MEMORY;
        b->positions = b->ids + tokens;
        b->targets = b->positions + tokens;
        b->offsets = b->targets + tokens;
    }
    return STATUS_OK;
}

static status check_options(context *cx, const loader_options *o) {
    enum { MOST_TOKENS = 1 << 28 };
    if (o->longest < 1 || o->longest > MOST_TOKENS)
        FAIL(cx, STATUS_BAD_ARGUMENT, "sequences of %lld ids: at least 1, at most %d",
             (long long)o->longest, MOST_TOKENS);
    if (o->windows < 0 || o->windows > MOST_TOKENS / o->longest)
        FAIL(cx, STATUS_BAD_ARGUMENT, "%lld windows of %lld ids a step", (long long)o->windows,
             (long long)o->longest);
    if (!o->windows && (o->tokens < o->longest || o->tokens > MOST_TOKENS))
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "%lld tokens a step: at least one sequence of %lld must fit, and at most %d",
             (long long)o->tokens, (long long)o->longest, MOST_TOKENS);
    return STATUS_OK;
}

static int64_t fingerprint_of(const loader *l) {
    const loader_options *o = &l->options;
    const int64_t facts[] = {o->split,         o->tokens,   o->longest, o->windows,
                             (int64_t)o->seed, o->in_order, o->epochs};
    uint64_t h = hash_xxh64(l->set.sha256, strlen(l->set.sha256), 0);
    return (int64_t)(hash_xxh64(facts, sizeof facts, h) >> 1);
}

static status check_whole(token_part *part) {
    int64_t size_bytes = 0;
    for (int64_t i = 0; i < part->n_shards; i++) size_bytes += part->shards[i].map.size_bytes;
    for (int64_t i = 0; i < part->n_shards && size_bytes <= CHECKED_BYTES; i++) {
        shard *s = part->shards + i;
        TRY(shard_check(s, 0, s->hashes - s->map.bytes));
    }
    return STATUS_OK;
}

static status open_data(loader *l, const char *folder) {
    loader_options *o = &l->options;
    TRY(check_options(l->own, o));
    if (o->windows) o->tokens = o->windows * o->longest;
    TRY(token_set_open(l->own, folder, &l->set));
    token_part *part = l->set.part + o->split;
    TRY(check_whole(part));
    TRY(sequence_index_make(l->own, part, o->longest, o->windows > 0, &l->index));
    if (!l->index.sequences)
        FAIL(l->own, STATUS_BAD_ARGUMENT,
             "split '%s' of '%s' holds no document of at least %lld ids",
             token_split_names[o->split], folder, (long long)(o->windows ? o->longest + 1 : 2));
    l->most_sequences = o->windows ? o->windows : o->tokens / l->index.shortest;
    l->fingerprint = fingerprint_of(l);
    return make_ring(l);
}

status loader_open(context *cx, const char *folder, const loader_options *options, loader **out) {
    *out = NULL;
    loader *l = context_zalloc(cx, sizeof *l);
    if (!l) return context_status(cx);
    l->cx = cx;
    l->options = *options;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->made_one, NULL);
    pthread_cond_init(&l->took_one, NULL);
    l->own = context_new();
    status st = l->own ? open_data(l, folder)
                       : context_fail(cx, STATUS_NO_MEMORY, "no memory for reading data");
    if (st != STATUS_OK && l->own) st = context_fail(cx, st, "%s", context_error(l->own));
    if (st == STATUS_OK)
        *out = l;
    else
        loader_close(l);
    return st;
}

void loader_close(loader *l) {
    if (!l) return;
    halt(l);
    if (l->own) {
        for (int i = 0; i < RING; i++) context_release(l->own, l->ring[i].memory);
        if (l->index.cx) sequence_index_free(&l->index);
        token_set_close(&l->set);
        context_free(l->own);
    }
    pthread_cond_destroy(&l->took_one);
    pthread_cond_destroy(&l->made_one);
    pthread_mutex_destroy(&l->lock);
    context_release(l->cx, l);
}

const token_set *loader_set(const loader *l) {
    return &l->set;
}

int64_t loader_sequences(const loader *l) {
    return l->index.sequences;
}

int64_t loader_most_sequences(const loader *l) {
    return l->most_sequences;
}

int64_t loader_epoch_tokens(const loader *l) {
    return l->index.ids;
}

double loader_stall_seconds(const loader *l) {
    return l->stalled;
}
