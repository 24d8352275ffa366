/* How attention's kernels cut the work.
 *   flat row   (query, head of the group): r = query * group + head; all flat rows of one key head share keys
 *   block      up to 512 flat rows of one sequence and key head: one unit of work
 *   tile       64 keys at an absolute position of the sequence; a segment is 16 tiles
 * Each segment starts anew; its sums are then merged in ascending order. So the work of a short block over
 * many keys (decoding) can also be cut by segments, left in call.scratch as partial records, and be merged
 * afterwards with the same bits. What a row computes depends on its own position and keys only. */
#ifndef KERN_KIT_ATTENTION_H
#define KERN_KIT_ATTENTION_H

#include "dev/kernel.h"
#include "ops/attention.h"

enum {
    ATTN_TILE = 64,
    ATTN_SEGMENT = 1024,
    ATTN_BLOCK = 512, /* flat rows */
    ATTN_SUB = 64,    /* flat rows that take a tile together, at most */
    ATTN_CHUNK = 8,   /* tiles packed at a time; divides a segment */
    ATTN_HEAD_MAX = 256,
    ATTN_RECORD_HEAD =
        16, /* floats before a partial record's row: reference maximum, sum, padding */
    ATTN_PARTIAL_BYTES = 4 << 20
};

typedef struct attn_shape {
    const attention_params *p;
    int64_t heads, kv_heads, sequences;
    int64_t hp;       /* head size, padded to 32 */
    int64_t capacity; /* partial records that call.scratch holds */
} attn_shape;

static inline int64_t attn_record_floats(int64_t hp) {
    return ATTN_RECORD_HEAD + hp;
}

static inline int64_t attn_shared_bytes(const call *c) {
    const attention_params *p = c->params;
    int64_t kv_heads = c->in[ATTENTION_K].dim[1] / p->head, tokens = c->in[ATTENTION_Q].dim[0];
    int64_t sequences = c->in[ATTENTION_Q_OFFSETS].dim[0] - 1;
    int64_t rows = MIN_OF(tokens * p->group, sequences * ATTN_SUB) * kv_heads;
    int64_t segments = div_up(c->in[ATTENTION_K].dim[0], ATTN_SEGMENT) + 1;
    int64_t record = attn_record_floats(round_up(p->head, 32)) * 4;
    return MIN_OF(rows * segments, ATTN_PARTIAL_BYTES / record) * record;
}

static inline attn_shape attn_shape_of(const call *c) {
    const attention_params *p = c->params;
    int64_t hp = round_up(p->head, 32);
    return (attn_shape){.p = p,
                        .heads = c->in[ATTENTION_Q].dim[1] / p->head,
                        .kv_heads = c->in[ATTENTION_K].dim[1] / p->head,
                        .sequences = c->in[ATTENTION_Q_OFFSETS].dim[0] - 1,
                        .hp = hp,
                        .capacity = attn_shared_bytes(c) / (attn_record_floats(hp) * 4)};
}

/* One sequence's share of the units, met in order. */
typedef struct attn_cut {
    attention_sequence a;
    int64_t rows, blocks;        /* flat rows and blocks of each key head */
    int64_t seg_from, seg_count; /* segments that any row sees */
    bool split;                  /* a unit for each segment */
    int64_t units, first_record; /* all key heads together */
    int64_t split_rows;
} attn_cut;

/* `used` counts the partial records given out so far. */
static inline attn_cut attn_cut_at(const call *c, const attn_shape *s, int64_t sequence,
                                   int64_t *used) {
    attn_cut x = {.a = attention_sequence_at(c, sequence)};
    int64_t from, to, before, end;
    x.rows = x.a.queries * s->p->group;
    x.blocks = div_up(x.rows, ATTN_BLOCK);
    attention_range(s->p, x.a.keys - x.a.queries, x.a.keys, &from, &before);
    attention_range(s->p, x.a.keys - 1, x.a.keys, &before, &end);
    to = MAX_OF(end, from);
    x.seg_from = from / ATTN_SEGMENT;
    x.seg_count = div_up(to, ATTN_SEGMENT) - x.seg_from;
    int64_t records = x.rows * x.seg_count * s->kv_heads;
    x.split = x.rows <= ATTN_SUB && x.seg_count > 1 && *used + records <= s->capacity;
    x.first_record = *used;
    x.units = s->kv_heads * x.blocks * (x.split ? x.seg_count : 1);
    x.split_rows = x.split ? s->kv_heads * x.rows : 0;
    if (x.split) *used += records;
    return x;
}

static inline int64_t attn_units(const call *c) {
    attn_shape s = attn_shape_of(c);
    int64_t units = 0, used = 0;
    for (int64_t i = 0; i < s.sequences; i++) units += attn_cut_at(c, &s, i, &used).units;
    return units;
}

static inline int64_t attn_merge_units(const call *c) {
    attn_shape s = attn_shape_of(c);
    int64_t rows = 0, used = 0;
    for (int64_t i = 0; i < s.sequences; i++) rows += attn_cut_at(c, &s, i, &used).split_rows;
    return rows;
}

/* The partial record of a flat row of key head `kvh` in segment `seg` (an absolute number). */
static inline float *attn_record(const call *c, const attn_shape *s, const attn_cut *x, int64_t kvh,
                                 int64_t flat, int64_t seg) {
    int64_t i = (kvh * x->rows + flat) * x->seg_count + (seg - x->seg_from);
    return (float *)c->scratch + (x->first_record + i) * attn_record_floats(s->hp);
}

#endif
