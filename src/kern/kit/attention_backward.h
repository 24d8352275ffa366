/* The backward pass, exact and in a fixed order, with memory for one block only:
 *   keys     a block of 512 keys against every tile of 64 flat rows:  dv += p^T . dout,  dk += ds^T . q
 *   queries  a block of 512 flat rows against every tile of 64 keys:  dq += ds . k
 * with p = exp(s - lse), ds = p * (dout.v - delta) * slope. Where one block holds all keys of a sequence, the pass over
 * keys also gives dq, tile by tile, from ds turned; longer sequences find their scores twice. Tiles go up; a gradient
 * row depends on its own sequence only. delta = out.dout - dlse of every row is found first, and lies in
 * call.scratch. */
#ifndef KERN_KIT_ATTENTION_BACKWARD_H
#define KERN_KIT_ATTENTION_BACKWARD_H

#include "kern/kit/attention_softmax.h"

typedef struct attn_back {
    const call *c;
    attn_shape shape;
    attn_scores how;
    attention_sequence a;
    int64_t kvh, rows; /* flat rows of the sequence and key head */
    attn_rows q, k, v, dout;
    /* a thread's memory */
    uint32_t *left[2];   /* the block's own rows: q and dout, or k and v */
    uint32_t *across[2]; /* the tile, packed like keys */
    uint32_t *along[2];  /* the tile, packed like values */
    float *s, *dp, *acc[2];
    uint32_t *p_weights, *ds_weights;
    bool whole;           /* the block of keys is the sequence's only one, and dq is wanted */
    uint32_t *keys_along; /* then: its keys packed like values */
    uint32_t *turned;     /* ds of the tile's rows, TURNED cells each */
    float *dq;            /* of the tile */
    int64_t *tile_row, *block_row; /* rows in memory; -1: none */
    int32_t *lo, *hi;              /* keys that the flat rows at hand see */
    float *lse, *delta;            /* of the same rows; lse in log2 */
} attn_back;

enum { TURNED = ATTN_TILE / 2 };

static inline void *attn_take(char **at, int64_t bytes) {
    char *p = *at;
    *at += round_up(bytes, CACHE_LINE);
    return p;
}

/* Lays out a thread's memory; returns its end. */
static inline char *attn_back_lay(attn_back *b, bool pairs, int64_t hp, char *at) {
    int64_t cell_bytes = pairs ? 2 : 4, square = ATTN_SUB * ATTN_TILE * 4;
    for (int i = 0; i < 2; i++) {
        b->left[i] = attn_take(&at, ATTN_BLOCK * hp * cell_bytes);
        b->across[i] = attn_take(&at, ATTN_TILE * hp * cell_bytes);
        b->along[i] = attn_take(&at, ATTN_TILE * hp * cell_bytes);
        b->acc[i] = attn_take(&at, ATTN_BLOCK * hp * 4);
    }
    b->s = attn_take(&at, square);
    b->dp = attn_take(&at, square);
    b->p_weights = pairs ? attn_take(&at, square / 2) : (uint32_t *)(void *)b->s;
    b->ds_weights = pairs ? attn_take(&at, square / 2) : (uint32_t *)(void *)b->dp;
    b->keys_along = attn_take(&at, ATTN_BLOCK * hp * cell_bytes);
    b->turned = attn_take(&at, ATTN_TILE * TURNED * 4);
    b->dq = attn_take(&at, ATTN_TILE * hp * 4);
    b->tile_row = attn_take(&at, ATTN_TILE * 8);
    b->block_row = attn_take(&at, ATTN_BLOCK * 8);
    b->lo = attn_take(&at, ATTN_BLOCK * 4);
    b->hi = attn_take(&at, ATTN_BLOCK * 4);
    b->lse = attn_take(&at, ATTN_BLOCK * 4);
    b->delta = attn_take(&at, ATTN_BLOCK * 4);
    return at;
}

static inline int64_t attn_back_bytes(const call *c, bool pairs) {
    attn_back b;
    char *zero = (char *)(uintptr_t)CACHE_LINE;
    return (int64_t)(attn_back_lay(&b, pairs, attn_shape_of(c).hp, zero) - zero);
}

/* The row of lse and delta, and of q in heads, of a flat row. */
static inline int64_t attn_back_at(const attn_back *b, int64_t flat) {
    int64_t group = b->shape.p->group;
    return (b->a.q_first + flat / group) * b->shape.heads + b->kvh * group + flat % group;
}

/* Facts of flat rows [first, first + n), the last ones of which may not be there. */
static inline void attn_back_rows(attn_back *b, int64_t first, int64_t n, int64_t *row) {
    const float *lse = b->c->in[ATTENTION_LSE].data, *delta = b->c->scratch;
    for (int64_t i = 0; i < n; i++) {
        int64_t flat = first + i, from = 0, to = 0;
        row[i] = -1;
        b->lse[i] = b->delta[i] = 0;
        if (flat < b->rows) {
            row[i] = attn_back_at(b, flat);
            attention_range(b->shape.p, b->a.keys - b->a.queries + flat / b->shape.p->group,
                            b->a.keys, &from, &to);
            b->lse[i] = to > from ? lse[row[i]] * 0x1.715476p+0f : 0;
            b->delta[i] = delta[row[i]];
        }
        b->lo[i] = (int32_t)from;
        b->hi[i] = (int32_t)to;
    }
}

static inline void attn_back_keys(const attn_back *b, int64_t first, int64_t n, int64_t *row) {
    for (int64_t i = 0; i < n; i++) row[i] = first + i < b->a.keys ? b->a.k_first + first + i : -1;
}

static inline void attn_back_left(const attn_rows *x, bool pairs, const int64_t *row, int64_t n,
                                  int64_t hp, uint32_t *to) {
    int64_t cells = pairs ? hp / 2 : hp;
    for (int64_t r = 0; r < n; r++)
        for (int64_t d = 0; d < cells; d += 16)
            _mm512_store_si512(to + r * cells + d, attn_cells(x, x->format, pairs, row[r], d));
}

/* One row of 64: weights of p (where asked for) and ds, from scores and dout.v. */
ALWAYS_INLINE void attn_back_row(const attn_scores *k, bool pairs, const __m512 lse[4],
                                 const __m512 delta[4], const __mmask16 keep[4], const float *s,
                                 const float *dp, uint32_t *p_weight, uint32_t *ds_weight) {
    __m512 p[4], ds[4], slope[4];
    for (int v = 0; v < 4; v++) {
        __m512 x = _mm512_load_ps(s + 16 * v);
        if (k->into_cap != 0) {
            x = attn_tanh(_mm512_mul_ps(x, _mm512_set1_ps(k->into_cap)));
            slope[v] = _mm512_fnmadd_ps(x, x, _mm512_set1_ps(1));
        }
        p[v] = _mm512_fmsub_ps(x, _mm512_set1_ps(k->scale), lse[v]);
    }
    attn_exp2_many(p, 4, !pairs, keep);
    for (int v = 0; v < 4; v++) {
        ds[v] = _mm512_sub_ps(_mm512_load_ps(dp + 16 * v), delta[v]);
        if (k->into_cap != 0) ds[v] = _mm512_mul_ps(ds[v], slope[v]);
        ds[v] = _mm512_maskz_mul_ps(keep[v], p[v], ds[v]);
    }
    for (int v = 0; v < 4; v += 2) {
        if (pairs) {
            __m512bh two = _mm512_cvtne2ps_pbh(ds[v + 1], ds[v]);
            memcpy(ds_weight + 8 * v, &two, 64);
            two = _mm512_cvtne2ps_pbh(p[v + 1], p[v]);
            if (p_weight) memcpy(p_weight + 8 * v, &two, 64);
            continue;
        }
        for (int w = v; w < v + 2; w++) {
            _mm512_store_ps((float *)(void *)ds_weight + 16 * w, ds[w]);
            if (p_weight) _mm512_store_ps((float *)(void *)p_weight + 16 * w, p[w]);
        }
    }
}

/* s and dp of rows [r, r + n) of the block against the tile. */
static inline void attn_back_scores(const attn_core *core, attn_back *b, int64_t r, int64_t n) {
    int64_t cells = core->pairs ? b->shape.hp / 2 : b->shape.hp;
    core->product(n, 4, false, b->left[0] + r * cells, cells, b->across[0], ATTN_TILE, b->s,
                  ATTN_TILE, cells);
    core->product(n, 4, false, b->left[1] + r * cells, cells, b->across[1], ATTN_TILE, b->dp,
                  ATTN_TILE, cells);
}

/* acc[i] of those rows += weights . the tile's rows. */
static inline void attn_back_add(const attn_core *core, attn_back *b, int64_t r, int64_t n,
                                 const uint32_t *weights, int i) {
    int64_t hp = b->shape.hp, cells = core->pairs ? 32 : 64;
    for (int64_t d = 0; d < hp; d += 64)
        core->product(n, hp - d >= 64 ? 4 : 2, true, weights, cells, b->along[i] + d, hp,
                      b->acc[i] + r * hp + d, hp, cells);
}

/* Rows [r, r + n) of a block of queries against keys [key0, key0 + 64). */
static inline void attn_back_query_tile(const attn_core *core, attn_back *b, int64_t r, int64_t n,
                                        int64_t key0) {
    int64_t weight_cells = core->pairs ? 32 : 64;
    bool seen = false;
    for (int64_t i = r; i < r + n; i++)
        seen = seen || (b->lo[i] < key0 + ATTN_TILE && b->hi[i] > MAX_OF(key0, b->lo[i]));
    if (!seen) return;
    attn_back_scores(core, b, r, n);
    for (int64_t i = 0; i < n; i++) {
        __m512 lse[4], delta[4];
        __mmask16 keep[4];
        for (int v = 0; v < 4; v++) {
            int64_t lo = b->lo[r + i] - key0 - 16 * v, hi = b->hi[r + i] - key0 - 16 * v;
            lse[v] = _mm512_set1_ps(b->lse[r + i]);
            delta[v] = _mm512_set1_ps(b->delta[r + i]);
            keep[v] = (__mmask16)(attn_first(hi) & ~attn_first(lo));
        }
        const float *s = b->s + i * ATTN_TILE, *dp = b->dp + i * ATTN_TILE;
        uint32_t *to = b->ds_weights + i * weight_cells;
        if (core->pairs)
            attn_back_row(&b->how, true, lse, delta, keep, s, dp, NULL, to);
        else
            attn_back_row(&b->how, false, lse, delta, keep, s, dp, NULL, to);
    }
    attn_back_add(core, b, r, n, b->ds_weights, 0);
}

/* dq of flat rows [first, first + 512). */
static inline void attn_back_queries(const attn_core *core, attn_back *b, int64_t first) {
    int64_t hp = b->shape.hp, head = b->shape.p->head, n = MIN_OF(ATTN_BLOCK, b->rows - first);
    int64_t lo = INT64_MAX, hi = 0;
    attn_back_rows(b, first, n, b->block_row);
    attn_back_left(&b->q, core->pairs, b->block_row, n, hp, b->left[0]);
    attn_back_left(&b->dout, core->pairs, b->block_row, n, hp, b->left[1]);
    memset(b->acc[0], 0, (size_t)(n * hp) * 4);
    for (int64_t i = 0; i < n; i++) {
        lo = MIN_OF(lo, b->lo[i]);
        hi = MAX_OF(hi, b->hi[i]);
    }
    for (int64_t key0 = lo / ATTN_TILE * ATTN_TILE; key0 < hi; key0 += ATTN_TILE) {
        attn_back_keys(b, key0, ATTN_TILE, b->tile_row);
        attn_pack_keys(&b->k, core->pairs, b->tile_row, NULL, b->across[0], hp);
        attn_pack_keys(&b->v, core->pairs, b->tile_row, NULL, b->across[1], hp);
        attn_pack_values(&b->k, core->pairs, b->tile_row, NULL, b->along[0], hp);
        for (int64_t r = 0; r < n; r += core->sub)
            attn_back_query_tile(core, b, r, MIN_OF(core->sub, n - r), key0);
    }
    for (int64_t r = 0; r < n; r++)
        attn_store_row(&b->c->out[ATTENTION_DQ], b->block_row[r] * head, head, b->acc[0] + r * hp,
                       (float)b->shape.p->scale);
}

/* ds of `n` keys by the tile's 64 rows becomes, row by row, cells along the keys; behind the last key zeros, to whole
 * groups of 16. Returns the cells of a row. */
static inline int64_t attn_back_turn(const attn_core *core, const attn_back *b, int64_t n) {
    int64_t cells = round_up(core->pairs ? div_up(n, 2) : n, 16);
    int64_t row_bytes = ATTN_TILE * (core->pairs ? 2 : 4);
    const attn_rows ds = {.base = (const char *)b->ds_weights,
                          .row_bytes = row_bytes,
                          .head = ATTN_TILE,
                          .format = core->pairs ? ATTN_BF16 : ATTN_F32};
    for (int64_t k = 0; k < cells; k += 16)
        for (int64_t g = 0; g < ATTN_TILE; g += 16) {
            __m512i r[16];
            for (int64_t i = 0; i < 16; i++) {
                int64_t at = core->pairs ? 2 * (k + i) : k + i;
                r[i] = core->pairs
                           ? attn_pair_cells(&ds, at < n ? at : -1, at + 1 < n ? at + 1 : -1, g)
                           : attn_cells(&ds, ATTN_F32, false, at < n ? at : -1, g);
            }
            attn_transpose(r);
            for (int64_t i = 0; i < 16; i++)
                _mm512_store_si512(b->turned + (g + i) * TURNED + k, r[i]);
        }
    return cells;
}

/* dq of the tile += ds . keys [r, r + n). */
static inline void attn_back_add_turned(const attn_core *core, attn_back *b, int64_t r, int64_t n) {
    int64_t hp = b->shape.hp, cells = attn_back_turn(core, b, n);
    const uint32_t *keys = b->keys_along + (core->pairs ? r / 2 : r) * hp;
    for (int64_t d = 0; d < hp; d += 64)
        core->product(ATTN_TILE, hp - d >= 64 ? 4 : 2, true, b->turned, TURNED, keys + d, hp,
                      b->dq + d, hp, cells);
}

/* Keys [r, r + n) of a block that starts at key `first` against the tile of flat rows at hand. */
static inline void attn_back_key_tile(const attn_core *core, attn_back *b, int64_t first, int64_t r,
                                      int64_t n) {
    int64_t weight_cells = core->pairs ? 32 : 64, key0 = first + r;
    int32_t lo = INT32_MAX, hi = 0;
    bool full = true;
    for (int64_t i = 0; i < ATTN_TILE; i++) {
        full = full && b->lo[i] <= key0 && b->hi[i] >= key0 + ATTN_TILE;
        if (b->hi[i] == b->lo[i]) continue;
        lo = MIN_OF(lo, b->lo[i]);
        hi = MAX_OF(hi, b->hi[i]);
    }
    if (lo >= key0 + n || hi <= key0) return;
    n = MIN_OF(n, round_up(hi - key0, core->grain));
    attn_back_scores(core, b, r, n);
    __m512 lse[4], delta[4];
    for (int v = 0; v < 4; v++) {
        lse[v] = _mm512_load_ps(b->lse + 16 * v);
        delta[v] = _mm512_load_ps(b->delta + 16 * v);
    }
    for (int64_t i = 0; i < n; i++) {
        __mmask16 keep[4] = {0xffff, 0xffff, 0xffff, 0xffff};
        const __m512i key = _mm512_set1_epi32((int32_t)(key0 + i));
        for (int v = 0; !full && v < 4; v++)
            keep[v] = _mm512_cmple_epi32_mask(_mm512_load_si512(b->lo + 16 * v), key) &
                      _mm512_cmpgt_epi32_mask(_mm512_load_si512(b->hi + 16 * v), key);
        const float *s = b->s + i * ATTN_TILE, *dp = b->dp + i * ATTN_TILE;
        uint32_t *p = b->p_weights + i * weight_cells, *ds = b->ds_weights + i * weight_cells;
        if (core->pairs)
            attn_back_row(&b->how, true, lse, delta, keep, s, dp, p, ds);
        else
            attn_back_row(&b->how, false, lse, delta, keep, s, dp, p, ds);
    }
    attn_back_add(core, b, r, n, b->ds_weights, 0);
    attn_back_add(core, b, r, n, b->p_weights, 1);
    if (b->whole) attn_back_add_turned(core, b, r, n);
}

/* Stores and clears dq of the tile of flat rows at hand. */
static inline void attn_back_store_tile(attn_back *b, int64_t rows) {
    int64_t hp = b->shape.hp, head = b->shape.p->head;
    for (int64_t i = 0; i < rows; i++)
        attn_store_row(&b->c->out[ATTENTION_DQ], b->tile_row[i] * head, head, b->dq + i * hp,
                       (float)b->shape.p->scale);
    memset(b->dq, 0, (size_t)(ATTN_TILE * hp) * 4);
}

/* dk and dv of keys [first, first + 512), and dq where these are all. */
static inline void attn_back_block_of_keys(const attn_core *core, attn_back *b, int64_t first) {
    const attention_params *par = b->shape.p;
    int64_t hp = b->shape.hp, head = par->head, n = MIN_OF(ATTN_BLOCK, b->a.keys - first);
    int64_t kv = b->shape.kv_heads * head, start = b->a.keys - b->a.queries;
    attn_back_keys(b, first, round_up(n, ATTN_TILE), b->block_row);
    attn_back_left(&b->k, core->pairs, b->block_row, n, hp, b->left[0]);
    attn_back_left(&b->v, core->pairs, b->block_row, n, hp, b->left[1]);
    for (int i = 0; i < 2; i++) memset(b->acc[i], 0, (size_t)(n * hp) * 4);
    for (int64_t r = 0; b->whole && r < n; r += ATTN_TILE)
        attn_pack_values(&b->k, core->pairs, b->block_row + r, NULL,
                         b->keys_along + (core->pairs ? r / 2 : r) * hp, hp);
    memset(b->dq, 0, (size_t)(ATTN_TILE * hp) * 4);
    for (int64_t flat = 0; flat < b->rows; flat += ATTN_TILE) {
        int64_t last = MIN_OF(flat + ATTN_TILE, b->rows) - 1, lo, hi, unused;
        attention_range(par, start + flat / par->group, b->a.keys, &lo, &unused);
        attention_range(par, start + last / par->group, b->a.keys, &unused, &hi);
        if (!b->whole && (hi <= first || lo >= first + n)) continue;
        attn_back_rows(b, flat, ATTN_TILE, b->tile_row);
        attn_pack_keys(&b->q, core->pairs, b->tile_row, NULL, b->across[0], hp);
        attn_pack_keys(&b->dout, core->pairs, b->tile_row, NULL, b->across[1], hp);
        attn_pack_values(&b->q, core->pairs, b->tile_row, NULL, b->along[0], hp);
        attn_pack_values(&b->dout, core->pairs, b->tile_row, NULL, b->along[1], hp);
        for (int64_t r = 0; r < n; r += core->sub)
            attn_back_key_tile(core, b, first, r, MIN_OF(core->sub, n - r));
        if (b->whole) attn_back_store_tile(b, last + 1 - flat);
    }
    const tensor *dk = &b->c->out[ATTENTION_DK], *dv = &b->c->out[ATTENTION_DV];
    for (int64_t r = 0; r < n; r++) {
        int64_t at = b->block_row[r] * kv + b->kvh * head;
        if (dk->data) attn_store_row(dk, at, head, b->acc[0] + r * hp, (float)par->scale);
        if (dv->data) attn_store_row(dv, at, head, b->acc[1] + r * hp, 1);
    }
}

/* Units of one sequence: for each key head its blocks of queries, then of keys. */
typedef struct attn_back_cut {
    attention_sequence a;
    int64_t query_blocks, key_blocks, units;
    bool whole; /* the only block of keys gives dq too */
} attn_back_cut;
static inline attn_back_cut attn_back_cut_at(const call *c, const attn_shape *s, int64_t i) {
    attn_back_cut x = {.a = attention_sequence_at(c, i)};
    bool keys = c->out[ATTENTION_DK].data || c->out[ATTENTION_DV].data;
    if (keys) x.key_blocks = div_up(x.a.keys, ATTN_BLOCK);
    x.whole = x.key_blocks == 1 && c->out[ATTENTION_DQ].data;
    if (c->out[ATTENTION_DQ].data && !x.whole)
        x.query_blocks = div_up(x.a.queries * s->p->group, ATTN_BLOCK);
    x.units = s->kv_heads * (x.query_blocks + x.key_blocks);
    return x;
}

static inline int64_t attn_back_units(const call *c) {
    attn_shape s = attn_shape_of(c);
    int64_t units = 0;
    for (int64_t i = 0; i < s.sequences; i++) units += attn_back_cut_at(c, &s, i).units;
    return units;
}

static inline void attn_backward(const attn_core *core, const call *c, int64_t from, int64_t to,
                                 void *memory) {
    attn_back b = {.c = c, .shape = attn_shape_of(c)};
    const attention_params *p = b.shape.p;
    attn_back_lay(&b, core->pairs, b.shape.hp, memory);
    b.how = attn_scores_of(p);
    int64_t base = 0;
    for (int64_t i = 0; i < b.shape.sequences && base < to; i++) {
        attn_back_cut cut = attn_back_cut_at(c, &b.shape, i);
        int64_t end = MIN_OF(to, base + cut.units), per = cut.query_blocks + cut.key_blocks;
        b.a = cut.a;
        b.whole = cut.whole;
        b.rows = cut.a.queries * p->group;
        for (int64_t u = MAX_OF(from, base); u < end; u++) {
            int64_t unit = (u - base) % per;
            b.kvh = (u - base) / per;
            b.k = attn_rows_of(&c->in[ATTENTION_K], b.kvh * p->head, p->head);
            b.v = attn_rows_of(&c->in[ATTENTION_V], b.kvh * p->head, p->head);
            b.q = attn_rows_of(&c->in[ATTENTION_Q], 0, p->head);
            b.dout = attn_rows_of(&c->in[ATTENTION_DOUT], 0, p->head);
            b.q.row_bytes = num_row_bytes(c->in[ATTENTION_Q].format, p->head);
            b.dout.row_bytes = num_row_bytes(c->in[ATTENTION_DOUT].format, p->head);
            if (unit < cut.query_blocks)
                attn_back_queries(core, &b, unit * ATTN_BLOCK);
            else
                attn_back_block_of_keys(core, &b, (unit - cut.query_blocks) * ATTN_BLOCK);
        }
        base += cut.units;
    }
}

/* ---- delta, before; gradients of sinks, after ---- */
static inline int64_t attn_back_shared_bytes(const call *c) {
    return c->in[ATTENTION_Q].dim[0] * attn_shape_of(c).heads * 4;
}

static inline int64_t attn_back_prepare_units(const call *c) {
    return c->in[ATTENTION_Q].dim[0];
}

static inline void attn_back_prepare(const call *c, int64_t from, int64_t to, void *memory) {
    (void)memory;
    attn_shape s = attn_shape_of(c);
    const tensor *dlse = &c->in[ATTENTION_DLSE];
    attn_rows out = attn_rows_of(&c->in[ATTENTION_OUT], 0, s.p->head);
    attn_rows dout = attn_rows_of(&c->in[ATTENTION_DOUT], 0, s.p->head);
    out.row_bytes = num_row_bytes(c->in[ATTENTION_OUT].format, s.p->head);
    dout.row_bytes = num_row_bytes(c->in[ATTENTION_DOUT].format, s.p->head);
    for (int64_t at = from * s.heads; at < to * s.heads; at++) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t d = 0; d < s.p->head; d += 16)
            sum = _mm512_fmadd_ps(_mm512_castsi512_ps(attn_cells(&out, out.format, false, at, d)),
                                  _mm512_castsi512_ps(attn_cells(&dout, dout.format, false, at, d)),
                                  sum);
        float delta = attn_sum16(sum);
        if (dlse->data) delta -= ((const float *)dlse->data)[at];
        ((float *)c->scratch)[at] = delta;
    }
}

static inline int64_t attn_back_merge_units(const call *c) {
    return c->out[ATTENTION_DSINKS].data ? attn_shape_of(c).heads : 0;
}

static inline void attn_back_merge(const call *c, int64_t from, int64_t to, void *memory) {
    (void)memory;
    const float *lse = c->in[ATTENTION_LSE].data, *delta = c->scratch;
    const float *sinks = c->in[ATTENTION_SINKS].data;
    int64_t heads = attn_shape_of(c).heads;
    for (int64_t h = from; h < to; h++) {
        double sum = 0;
        for (int64_t i = 0; sinks && i < c->in[ATTENTION_Q].dim[0]; i++)
            sum -= exp((double)sinks[h] - lse[i * heads + h]) * delta[i * heads + h];
        ((float *)c->out[ATTENTION_DSINKS].data)[h] = (float)sum;
    }
}

static inline bool attn_back_supports(const kernel_query *q, reason *why) {
    const attention_params *p = q->node->params;
    static const int32_t wide[] = {ATTENTION_SINKS, ATTENTION_LSE, ATTENTION_DLSE};
    static const int32_t rows[] = {ATTENTION_OUT, ATTENTION_DOUT};
    if (p->page) return refuse(why, "keys in pages");
    if (!q->in[ATTENTION_DOUT]) return refuse(why, "no gradient of the output");
    for (int i = 0; i < 3; i++)
        if (q->in[wide[i]] && strcmp(q->in[wide[i]]->format->name, "f32"))
            return refuse(why, "operand %d in %s", wide[i], q->in[wide[i]]->format->name);
    for (int i = 0; i < 2; i++)
        if (strcmp(q->in[rows[i]]->format->name, "f32") &&
            strcmp(q->in[rows[i]]->format->name, "bf16"))
            return refuse(why, "operand %d in %s", rows[i], q->in[rows[i]]->format->name);
    return true;
}

#endif
