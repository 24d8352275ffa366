/* The forward pass over a unit of work, around a small matrix product that each instruction set brings:
 * for every segment, for every 8 tiles of it (packed once for the whole block), for some rows of the
 * block and tile: scores, softmax, weighted values, each over all rows before the next.
 * A weight of zero does not keep a value out that is not finite. Where rows see different keys of a tile and one
 * of its values is such, each row takes a copy of the tile without what it does not see. */
#ifndef KERN_KIT_ATTENTION_FORWARD_H
#define KERN_KIT_ATTENTION_FORWARD_H

#include "kern/kit/attention_few.h"
#include "kern/kit/attention_softmax.h"

/* A thread's memory for one block. */
typedef struct attn_state {
    uint32_t *q, *keys, *values, *weights;
    float *scores, *acc, *out;
    float *most, *most_all, *sum_all, *sum16;
    int64_t *lo, *hi; /* keys [lo, hi) that a row sees */
    int64_t *k_row; /* rows of k and v behind the keys of a chunk, and a tile after it; -1: none */
    bool wild[ATTN_CHUNK];                  /* tiles that need the following */
    uint32_t *values_alone, *weights_alone; /* a tile for one row; the row's weights, then zeros, */
    float *acc_alone;                       /* and sums, with as many rows as a product may touch */
} attn_state;

enum { ATTN_ALONE = 16 };

/* Lays the state out over `memory`; returns the bytes. */
static inline int64_t attn_state_lay(attn_state *s, bool pairs, int64_t hp, char *memory) {
    int64_t cells = pairs ? hp / 2 : hp, tile = (pairs ? 32 : 64) * hp;
    int64_t q = 0, keys = q + ATTN_BLOCK * cells * 4, values = keys + ATTN_CHUNK * tile * 4;
    int64_t scores = values + ATTN_CHUNK * tile * 4, weights = scores + ATTN_SUB * ATTN_TILE * 4;
    int64_t acc = weights + (pairs ? ATTN_SUB * ATTN_TILE * 2 : 0), out = acc + ATTN_BLOCK * hp * 4;
    int64_t most = out + ATTN_BLOCK * hp * 4, most_all = most + ATTN_BLOCK * 4;
    int64_t sum_all = most_all + ATTN_BLOCK * 4, sum16 = sum_all + ATTN_BLOCK * 4;
    int64_t lo = sum16 + ATTN_BLOCK * 64, hi = lo + ATTN_BLOCK * 8, k_row = hi + ATTN_BLOCK * 8;
    int64_t values_alone = k_row + (ATTN_CHUNK + 1) * ATTN_TILE * 8;
    int64_t weights_alone = values_alone + tile * 4;
    int64_t acc_alone = weights_alone + ATTN_ALONE * ATTN_TILE * 4;
    int64_t at = acc_alone + ATTN_ALONE * hp * 4;
    if (!memory) return at;
    *s = (attn_state){.q = (uint32_t *)(void *)(memory + q),
                      .keys = (uint32_t *)(void *)(memory + keys),
                      .values = (uint32_t *)(void *)(memory + values),
                      .scores = (float *)(void *)(memory + scores),
                      .weights = (uint32_t *)(void *)(memory + (pairs ? weights : scores)),
                      .acc = (float *)(void *)(memory + acc),
                      .out = (float *)(void *)(memory + out),
                      .most = (float *)(void *)(memory + most),
                      .most_all = (float *)(void *)(memory + most_all),
                      .sum_all = (float *)(void *)(memory + sum_all),
                      .sum16 = (float *)(void *)(memory + sum16),
                      .lo = (int64_t *)(void *)(memory + lo),
                      .hi = (int64_t *)(void *)(memory + hi),
                      .k_row = (int64_t *)(void *)(memory + k_row),
                      .values_alone = (uint32_t *)(void *)(memory + values_alone),
                      .weights_alone = (uint32_t *)(void *)(memory + weights_alone),
                      .acc_alone = (float *)(void *)(memory + acc_alone)};
    return at;
}

/* The rows of one unit. */
typedef struct attn_block {
    const call *c;
    attn_shape shape;
    attn_cut cut;
    int64_t kvh, first, rows; /* flat rows [first, first + rows) */
    int64_t lo, hi;           /* what any of them sees */
    int64_t all_lo, all_hi;   /* what all of them see */
    attn_rows k, v;
    attn_scores how;
} attn_block;

/* The row of lse, in heads; times head it is the row of q and out. */
static inline int64_t attn_flat_at(const attn_block *b, int64_t flat) {
    int64_t group = b->shape.p->group;
    return (b->cut.a.q_first + flat / group) * b->shape.heads + b->kvh * group + flat % group;
}

static inline void attn_load_queries(const attn_core *core, attn_block *b, attn_state *s) {
    const attention_params *p = b->shape.p;
    const tensor *q = &b->c->in[ATTENTION_Q];
    int64_t cells = core->pairs ? b->shape.hp / 2 : b->shape.hp;
    attn_format f = attn_format_of(q->format);
    attn_rows x = {.base = q->data, .head = p->head, .format = f};
    x.row_bytes = p->head * (f == ATTN_F32 ? 4 : 2);
    b->lo = b->all_hi = INT64_MAX;
    b->hi = b->all_lo = 0;
    for (int64_t r = 0; r < b->rows; r++) {
        int64_t at = attn_flat_at(b, b->first + r), i = (b->first + r) / p->group;
        for (int64_t d = 0; d < cells; d += 16)
            _mm512_store_si512(s->q + r * cells + d, attn_cells(&x, f, core->pairs, at, d));
        attention_range(p, b->cut.a.keys - b->cut.a.queries + i, b->cut.a.keys, &s->lo[r],
                        &s->hi[r]);
        b->lo = MIN_OF(b->lo, s->lo[r]);
        b->hi = MAX_OF(b->hi, s->hi[r]);
        b->all_lo = MAX_OF(b->all_lo, s->lo[r]);
        b->all_hi = MIN_OF(b->all_hi, s->hi[r]);
    }
}

/* The rows behind the keys of a tile; -1: none. */
static inline void attn_tile_rows(const attn_block *b, int64_t tile, int64_t rows[ATTN_TILE]) {
    const attention_sequence *a = &b->cut.a;
    int64_t page = a->pages ? b->shape.p->page : a->keys, key = tile * ATTN_TILE, i = 0;
    while (i < ATTN_TILE && key < a->keys) {
        int64_t row = attention_key_row(b->shape.p, a, key);
        int64_t n = MIN_OF(page - key % page, MIN_OF(ATTN_TILE - i, a->keys - key));
        for (int64_t end = i + n; i < end; i++) rows[i] = row++;
        key += n;
    }
    while (i < ATTN_TILE) rows[i++] = -1;
}

/* Whether any of the packed values is infinite or not a number. */
static inline bool attn_any_wild(bool pairs, const uint32_t *values, int64_t cells) {
    const __m512i odd = _mm512_set1_epi32(pairs ? 0x7f807f80 : 0x7f800000);
    uint32_t found = 0;
    for (int64_t i = 0; i < cells; i += 16) {
        __m512i x = _mm512_and_si512(_mm512_load_si512(values + i), odd);
        found |= pairs ? _mm512_cmpeq_epi16_mask(x, odd) : _mm512_cmpeq_epi32_mask(x, odd);
    }
    return found;
}

/* Tiles [tile, tile + count) into the packed buffers. */
static inline void attn_pack_chunk(const attn_core *core, const attn_block *b, attn_state *s,
                                   int64_t tile, int64_t count) {
    int64_t size = (core->pairs ? 32 : 64) * b->shape.hp;
    attn_tile_rows(b, tile, s->k_row);
    for (int64_t t = 0; t < count; t++) {
        int64_t *rows = s->k_row + t * ATTN_TILE, *next = rows + ATTN_TILE;
        attn_tile_rows(b, tile + t + 1, next);
        int64_t key0 = (tile + t) * ATTN_TILE;
        attn_pack_keys(&b->k, core->pairs, rows, next, s->keys + t * size, b->shape.hp);
        attn_pack_values(&b->v, core->pairs, rows, next, s->values + t * size, b->shape.hp);
        bool full = b->all_lo <= key0 && b->all_hi >= key0 + ATTN_TILE;
        s->wild[t] = !full && attn_any_wild(core->pairs, s->values + t * size, size);
    }
}

ALWAYS_INLINE void attn_softmax_as(bool pairs, bool full, bool capped, const attn_block *b,
                                   attn_state *s, int64_t r0, int64_t n, int64_t key0) {
    /* not through `s`, of which a compiler must think that the stores change it */
    const int64_t hp = b->shape.hp, weight_cells = pairs ? 32 : 64, *lo = s->lo, *hi = s->hi;
    const float *score = s->scores;
    float *most = s->most + r0, *sum16 = s->sum16 + r0 * 16, *acc = s->acc + r0 * hp;
    uint32_t *weight = s->weights;
    const attn_scores how = b->how;
    for (int64_t r = r0; r < r0 + n; r++) {
        int64_t from = full ? 0 : lo[r] - key0, to = full ? ATTN_TILE : hi[r] - key0;
        if (full || (to > 0 && from < ATTN_TILE && from < to))
            attn_softmax_row(&how, pairs, full, capped, from, to, score, weight, most, sum16, acc,
                             hp);
        else
            memset(weight, 0, (size_t)weight_cells * 4);
        score += ATTN_TILE, weight += weight_cells;
        most++, sum16 += 16, acc += hp;
    }
}

/* Softmax of rows [r0, r0 + n), whose scores and weights start at row 0 of their buffers. */
static inline void attn_softmax(const attn_core *core, const attn_block *b, attn_state *s,
                                int64_t r0, int64_t n, int64_t key0, bool full) {
    bool capped = b->how.into_cap != 0;
    if (!core->pairs)
        attn_softmax_as(false, full, capped, b, s, r0, n, key0);
    else if (capped)
        attn_softmax_as(true, full, true, b, s, r0, n, key0);
    else if (full)
        attn_softmax_as(true, true, false, b, s, r0, n, key0);
    else
        attn_softmax_as(true, false, false, b, s, r0, n, key0);
}

/* acc += weights . values, 64 columns of the head at a time. */
static inline void attn_values(const attn_core *core, const attn_block *b, attn_state *s,
                               int64_t r0, int64_t n, const uint32_t *values, int64_t steps) {
    int64_t hp = b->shape.hp, weight_cells = core->pairs ? 32 : 64;
    for (int64_t d = 0; d < hp; d += 64)
        core->product(n, hp - d >= 64 ? 4 : 2, true, s->weights, weight_cells, values + d, hp,
                      s->acc + r0 * hp + d, hp, steps);
}

/* Of the 64 `rows` of a tile, those whose keys row r sees; false if there are none. */
static inline bool attn_seen_rows(const attn_state *s, int64_t r, int64_t key0, const int64_t *rows,
                                  int64_t seen[ATTN_TILE]) {
    int64_t lo = s->lo[r] - key0, hi = s->hi[r] - key0;
    for (int64_t i = 0; i < ATTN_TILE; i++) seen[i] = i >= lo && i < hi ? rows[i] : -1;
    return hi > 0 && lo < ATTN_TILE && lo < hi;
}

/* As attn_values, each row without the values that it does not see. */
static inline void attn_values_alone(const attn_core *core, const attn_block *b, attn_state *s,
                                     int64_t r0, int64_t n, int64_t key0, int64_t slot) {
    int64_t hp = b->shape.hp, weight_cells = core->pairs ? 32 : 64, seen[ATTN_TILE];
    for (int64_t i = 0; i < n; i++) {
        float *acc = s->acc + (r0 + i) * hp;
        if (!attn_seen_rows(s, r0 + i, key0, s->k_row + slot * ATTN_TILE, seen)) continue;
        attn_pack_values(&b->v, core->pairs, seen, NULL, s->values_alone, hp);
        memset(s->weights_alone, 0, (size_t)(ATTN_ALONE * weight_cells) * 4);
        memcpy(s->weights_alone, s->weights + i * weight_cells, (size_t)weight_cells * 4);
        memset(s->acc_alone, 0, (size_t)(ATTN_ALONE * hp) * 4);
        memcpy(s->acc_alone, acc, (size_t)hp * 4);
        for (int64_t d = 0; d < hp; d += 64)
            core->product(1, hp - d >= 64 ? 4 : 2, true, s->weights_alone, weight_cells,
                          s->values_alone + d, hp, s->acc_alone + d, hp, weight_cells);
        memcpy(acc, s->acc_alone, (size_t)hp * 4);
    }
}

/* What any of rows [r0, r0 + n) sees, and what all of them see. */
typedef struct attn_span {
    int64_t lo, hi, all_lo, all_hi;
} attn_span;

static inline attn_span attn_span_of(const attn_state *s, int64_t r0, int64_t n) {
    attn_span x = {.lo = INT64_MAX, .all_hi = INT64_MAX};
    for (int64_t r = r0; r < r0 + n; r++) {
        x.lo = MIN_OF(x.lo, s->lo[r]);
        x.hi = MAX_OF(x.hi, s->hi[r]);
        x.all_lo = MAX_OF(x.all_lo, s->lo[r]);
        x.all_hi = MIN_OF(x.all_hi, s->hi[r]);
    }
    return x;
}

/* Rows [r0, r0 + n), which see `span`, against one tile; only what one of them sees of it is computed. */
static inline void attn_tile(const attn_core *core, const attn_block *b, attn_state *s, int64_t r0,
                             int64_t n, attn_span span, int64_t key0, int64_t slot) {
    int64_t hp = b->shape.hp, cells = core->pairs ? hp / 2 : hp;
    int64_t size = (core->pairs ? 32 : 64) * hp, hi = span.hi;
    bool full = span.all_lo <= key0 && span.all_hi >= key0 + ATTN_TILE;
    if (span.lo >= key0 + ATTN_TILE || hi <= key0) return;
    if (full && core->whole && n > core->grain && b->how.into_cap == 0 && hp % 64 == 0) {
        core->whole(b, s, r0, n, slot);
        return;
    }
    if (!full && n > core->grain) {
        for (int64_t r = r0; r < r0 + n; r += core->grain) {
            int64_t part = MIN_OF(core->grain, r0 + n - r);
            attn_tile(core, b, s, r, part, attn_span_of(s, r, part), key0, slot);
        }
        return;
    }
    int64_t seen = MIN_OF(hi - key0, ATTN_TILE), vectors = div_up(seen, 16);
    core->product(n, (int)vectors, false, s->q + r0 * cells, cells, s->keys + slot * size,
                  ATTN_TILE, s->scores, ATTN_TILE, cells);
    attn_softmax(core, b, s, r0, n, key0, full);
    if (!full && s->wild[slot])
        attn_values_alone(core, b, s, r0, n, key0, slot);
    else
        attn_values(core, b, s, r0, n, s->values + slot * size,
                    round_up(core->pairs ? vectors * 8 : vectors * 16, core->steps));
}

/* What is worked on behind a tile: the next one, or, behind the last, the first one of the next key head. */
static inline void attn_places_after(const attn_block *b, int64_t tile, int64_t rows[ATTN_TILE],
                                     attn_places *keys, attn_places *values) {
    attn_rows k = b->k, v = b->v;
    if (++tile * ATTN_TILE >= b->hi) {
        tile = b->lo / ATTN_TILE;
        k.first += k.head;
        v.first += v.head;
    }
    attn_tile_rows(b, tile, rows);
    attn_places_of(&k, rows, keys);
    attn_places_of(&v, rows, values);
}

/* A block of few rows against tile after tile; each asks for the next while it is worked on. */
static inline void attn_few_tiles(const attn_core *core, const attn_block *b, attn_state *s,
                                  int64_t first, int64_t end) {
    int64_t hp = b->shape.hp, weight_cells = core->pairs ? 32 : 64, n = b->rows;
    int64_t rows_of[2][ATTN_TILE], seen[ATTN_TILE];
    attn_places keys[2], values[2], alone; /* of this tile and the next, by turns */
    attn_tile_rows(b, first, rows_of[first % 2]);
    attn_places_of(&b->k, rows_of[first % 2], &keys[first % 2]);
    attn_places_of(&b->v, rows_of[first % 2], &values[first % 2]);
    for (int64_t tile = first; tile < end; tile++) {
        int64_t key0 = tile * ATTN_TILE, now = tile % 2;
        bool full = b->all_lo <= key0 && b->all_hi >= key0 + ATTN_TILE;
        const int64_t *rows = rows_of[now];
        attn_places_after(b, tile, rows_of[!now], &keys[!now], &values[!now]);
        attn_places_scales(&b->k, rows, &keys[now]);
        attn_places_scales(&b->v, rows, &values[now]);
        attn_few_keys(&b->k, core->pairs, &keys[now], s->keys, hp);
        attn_few_scores(core->pairs, n, s->q, core->pairs ? hp / 2 : hp, s->keys,
                        div_up(MIN_OF(b->hi - key0, ATTN_TILE), 16), s->scores,
                        attn_ahead_of(&b->k, &keys[!now]));
        attn_softmax(core, b, s, 0, n, key0, full);
        attn_ahead next = attn_ahead_of(&b->v, &values[!now]);
        if (full)
            attn_few_values(&b->v, core->pairs, n, &values[now], s->weights, s->acc, hp, next);
        for (int64_t r = 0; r < n && !full; r++) {
            if (!attn_seen_rows(s, r, key0, rows, seen)) continue;
            attn_places_of(&b->v, seen, &alone);
            attn_places_scales(&b->v, seen, &alone);
            attn_few_values(&b->v, core->pairs, 1, &alone, s->weights + r * weight_cells,
                            s->acc + r * hp, hp, next);
        }
    }
}

static inline void attn_segment(const attn_core *core, const attn_block *b, attn_state *s,
                                int64_t seg) {
    int64_t per = ATTN_SEGMENT / ATTN_TILE;
    int64_t first = MAX_OF(seg * per, b->lo / ATTN_TILE);
    int64_t end = MIN_OF((seg + 1) * per, div_up(b->hi, ATTN_TILE));
    for (int64_t r = 0; r < b->rows; r++) s->most[r] = -INFINITY;
    memset(s->sum16, 0, (size_t)b->rows * 64);
    memset(s->acc, 0, (size_t)(b->rows * b->shape.hp) * 4);
    bool few = core->few && b->rows <= ATTN_FEW;
    if (few) attn_few_tiles(core, b, s, first, end);
    for (int64_t tile = first; tile < end && !few; tile += ATTN_CHUNK) {
        int64_t count = MIN_OF(ATTN_CHUNK, end - tile);
        attn_pack_chunk(core, b, s, tile, count);
        for (int64_t r = 0; r < b->rows; r += core->sub) {
            int64_t n = MIN_OF(core->sub, b->rows - r);
            attn_span span = attn_span_of(s, r, n);
            for (int64_t t = 0; t < count; t++)
                attn_tile(core, b, s, r, n, span, (tile + t) * ATTN_TILE, t);
        }
    }
}

/* One finished row: takes the sink in and writes out and lse. */
static inline void attn_finish(const attn_block *b, int64_t flat, float most, float sum,
                               const float *row) {
    const tensor *sinks = &b->c->in[ATTENTION_SINKS], *out = &b->c->out[0], *lse = &b->c->out[1];
    int64_t at = attn_flat_at(b, flat), head = b->shape.p->head;
    float shrink = 1;
    if (sinks->data) {
        float sink;
        sinks->format->unpack(sinks->data, at % b->shape.heads, 1, &sink);
        sink *= 0x1.715476p+0f;
        float now = most > sink ? most : sink;
        shrink = most == -INFINITY ? 0 : exp2f(most - now);
        sum = sum * shrink + (now == -INFINITY ? 0 : exp2f(sink - now));
        most = now;
    }
    if (lse->data)
        ((float *)lse->data)[at] =
            most == -INFINITY ? -INFINITY : (most + log2f(sum)) * 0x1.62e430p-1f;
    if (!out->data) return;
    attn_store_row(out, at * head, head, row, sum == 0 ? 0 : shrink / sum);
}

/* Segments [from, to) of a block, gathered in order or left as partial records. */
static inline void attn_run_block(const attn_core *core, attn_block *b, attn_state *s, int64_t from,
                                  int64_t to) {
    int64_t hp = b->shape.hp;
    attn_load_queries(core, b, s);
    for (int64_t r = 0; r < b->rows; r++) {
        s->most_all[r] = -INFINITY;
        s->sum_all[r] = 0;
    }
    memset(s->out, 0, (size_t)(b->rows * hp) * 4);
    for (int64_t seg = from; seg < to; seg++) {
        if (!b->cut.split && (seg * ATTN_SEGMENT >= b->hi || (seg + 1) * ATTN_SEGMENT <= b->lo))
            continue;
        attn_segment(core, b, s, seg);
        for (int64_t r = 0; r < b->rows; r++) {
            float sum = attn_sum16(_mm512_load_ps(s->sum16 + r * 16));
            if (b->cut.split) {
                float *record = attn_record(b->c, &b->shape, &b->cut, b->kvh, b->first + r, seg);
                record[0] = s->most[r];
                record[1] = sum;
                memcpy(record + ATTN_RECORD_HEAD, s->acc + r * hp, (size_t)hp * 4);
            } else {
                attn_merge(&s->most_all[r], &s->sum_all[r], s->out + r * hp, s->most[r], sum,
                           s->acc + r * hp, hp);
            }
        }
    }
    for (int64_t r = 0; !b->cut.split && r < b->rows; r++)
        attn_finish(b, b->first + r, s->most_all[r], s->sum_all[r], s->out + r * hp);
}

/* Everything of a block but its rows. */
static inline attn_block attn_block_of(const call *c, const attn_shape *shape, const attn_cut *cut,
                                       int64_t kvh) {
    const attention_params *p = shape->p;
    return (attn_block){.c = c,
                        .shape = *shape,
                        .cut = *cut,
                        .kvh = kvh,
                        .k = attn_rows_of(&c->in[ATTENTION_K], kvh * p->head, p->head),
                        .v = attn_rows_of(&c->in[ATTENTION_V], kvh * p->head, p->head),
                        .how = attn_scores_of(p)};
}

/* Unit `u` of one sequence: the key head outermost, then blocks from the last (the longest) to the first. */
static inline void attn_run_unit(const attn_core *core, const call *c, const attn_shape *shape,
                                 const attn_cut *cut, int64_t u, attn_state *s) {
    int64_t per_head = cut->units / shape->kv_heads, in_head = u % per_head;
    attn_block b = attn_block_of(c, shape, cut, u / per_head);
    int64_t from = cut->seg_from, to = from + cut->seg_count, block = 0;
    if (cut->split) {
        from += in_head;
        to = from + 1;
    } else {
        block = cut->blocks - 1 - in_head;
    }
    b.first = block * ATTN_BLOCK;
    b.rows = MIN_OF(ATTN_BLOCK, cut->rows - b.first);
    attn_run_block(core, &b, s, from, to);
}

static inline void attn_forward(const attn_core *core, const call *c, int64_t from, int64_t to,
                                void *memory) {
    attn_shape shape = attn_shape_of(c);
    attn_state s;
    attn_state_lay(&s, core->pairs, shape.hp, memory);
    int64_t base = 0, used = 0;
    for (int64_t i = 0; i < shape.sequences && base < to; i++) {
        attn_cut cut = attn_cut_at(c, &shape, i, &used);
        int64_t end = MIN_OF(to, base + cut.units);
        for (int64_t u = MAX_OF(from, base); u < end; u++)
            attn_run_unit(core, c, &shape, &cut, u - base, &s);
        base += cut.units;
    }
}

/* Rows [from, to) of those that were cut by segments. */
static inline void attn_forward_merge(const call *c, int64_t from, int64_t to) {
    attn_shape shape = attn_shape_of(c);
    float row[ATTN_HEAD_MAX];
    int64_t base = 0, used = 0;
    for (int64_t i = 0; i < shape.sequences && base < to; i++) {
        attn_cut cut = attn_cut_at(c, &shape, i, &used);
        int64_t end = MIN_OF(to, base + cut.split_rows);
        for (int64_t u = MAX_OF(from, base); u < end; u++) {
            int64_t kvh = (u - base) / cut.rows, flat = (u - base) % cut.rows;
            attn_block b = attn_block_of(c, &shape, &cut, kvh);
            float most = -INFINITY, sum = 0;
            memset(row, 0, sizeof row);
            for (int64_t seg = cut.seg_from; seg < cut.seg_from + cut.seg_count; seg++) {
                const float *record = attn_record(c, &shape, &cut, kvh, flat, seg);
                attn_merge(&most, &sum, row, record[0], record[1], record + ATTN_RECORD_HEAD,
                           shape.hp);
            }
            attn_finish(&b, flat, most, sum, row);
        }
        base += cut.split_rows;
    }
}

#endif
