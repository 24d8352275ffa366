/* Joining the parts. Codes of up to ROWS rows at once are brought into plain bytes, since the words of GPTQ and
 * AWQ run across rows; then each row is written in the joined format. */
#include "store/packed.h"
#include "num/kit/ints.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 16, NAME_ROOM = 512 };

struct packed_layer {
    packed_recipe recipe;
    int64_t k, n, group, groups; /* of the file */
    const num_format *format;
    const modelfile_tensor *codes, *zeros, *scales; /* zeros NULL: all in the middle */
    const int32_t *order;                           /* group of each k, where not in order */
};

static const int awq_order[8] = {0, 2, 4, 6, 1, 3, 5, 7};

static uint32_t word_at(const modelfile_tensor *t, int64_t index) {
    uint32_t word;
    memcpy(&word, (const char *)t->data + 4 * index, 4);
    return word;
}

/* Code `index` of a stream whose words lie `stride` apart from word `first`. */
static uint32_t stream_code(const modelfile_tensor *t, int64_t first, int64_t stride, int64_t index,
                            int64_t bits) {
    int64_t bit = index * bits, at = bit % 32;
    uint64_t word = word_at(t, first + bit / 32 * stride);
    if (at + bits > 32) word |= (uint64_t)word_at(t, first + (bit / 32 + 1) * stride) << 32;
    return (uint32_t)(word >> at) & ((1u << bits) - 1);
}

static uint32_t awq_code(const modelfile_tensor *t, int64_t row, int64_t words, int64_t column) {
    int nibble = 0;
    while (awq_order[nibble] != column % 8) nibble++;
    return word_at(t, row * words + column / 8) >> 4 * nibble & 15;
}

static uint32_t code_at(const struct packed_layer *l, int64_t row, int64_t k) {
    switch (l->recipe.method) {
    case PACKED_GPTQ:
        return stream_code(l->codes, row, l->n, k, l->recipe.bits);
    case PACKED_AWQ:
        return awq_code(l->codes, k, l->n / 8, row);
    default:
        return stream_code(l->codes, row * l->codes->shape[1], 1, k, l->recipe.bits);
    }
}

static uint32_t zero_at(const struct packed_layer *l, int64_t row, int64_t group) {
    uint32_t middle = 1u << (l->recipe.bits - 1);
    if (!l->zeros) return middle;
    switch (l->recipe.method) {
    case PACKED_GPTQ:
        return (stream_code(l->zeros, group * l->zeros->shape[1], 1, row, l->recipe.bits) +
                l->recipe.zeros_less_one) &
               (2 * middle - 1);
    case PACKED_AWQ:
        return awq_code(l->zeros, group, l->n / 8, row);
    default:
        return stream_code(l->zeros, group, l->groups, row, l->recipe.bits);
    }
}

static float scale_at(const struct packed_layer *l, int64_t row, int64_t group) {
    const num_format *f = l->scales->format;
    float scale;
    int64_t at =
        l->recipe.method == PACKED_COMPRESSED ? row * l->groups + group : group * l->n + row;
    f->unpack((const char *)l->scales->data + at * f->block_bytes, 0, 1, &scale);
    return scale;
}

static void row_values(const struct packed_layer *l, int64_t row, const uint8_t *codes,
                       float *out) {
    for (int64_t k = 0; k < l->k; k++) {
        int32_t group;
        memcpy(&group, &l->order[k], 4);
        out[k] = scale_at(l, row, group) * (float)((int)codes[k] - (int)zero_at(l, row, group));
    }
}

static void row_codes(const struct packed_layer *l, int64_t row, const uint8_t *codes,
                      float *scales, uint8_t *zeros, void *out) {
    int64_t step = l->format->row_head_bytes ? l->k : l->format->block_elems;
    for (int64_t k = 0, g = 0; k < l->k; k += step, g++) {
        scales[g] = scale_at(l, row, k / l->group);
        zeros[g] = (uint8_t)zero_at(l, row, k / l->group);
    }
    ints_store(l->format, l->k, codes, scales, zeros, out);
}

enum { MX_BLOCK = 32, MX_BYTES = 1 + MX_BLOCK / 2 };

/* GGUF's order of codes, which mxfp4 has: code i below, i + 16 above. */
static void mxfp4_rows(const struct packed_layer *l, int64_t from, int64_t to, uint8_t *out) {
    int64_t blocks = l->k / MX_BLOCK;
    for (int64_t b = from * blocks; b < to * blocks; b++, out += MX_BYTES) {
        const uint8_t *codes = (const uint8_t *)l->codes->data + b * (MX_BLOCK / 2);
        out[0] = ((const uint8_t *)l->scales->data)[b];
        for (int i = 0; i < MX_BLOCK / 2; i++) {
            int shift = 4 * (i % 2);
            out[1 + i] =
                (uint8_t)((codes[i / 2] >> shift & 15) | (codes[8 + i / 2] >> shift & 15) << 4);
        }
    }
}

enum { SPARSE_BLOCK = 32, SPARSE_BYTES = 36, SPARSE_FOURS = 0x1668 /* bit m: m has two bits */ };

/* A block of bf16_2of4 is its mask and its values. */
static status sparse24_rows(context *cx, const struct packed_layer *l, int64_t from, int64_t to,
                            uint8_t *out) {
    int64_t blocks = l->k / SPARSE_BLOCK;
    for (int64_t b = from * blocks; b < to * blocks; b++, out += SPARSE_BYTES) {
        const uint8_t *mask = (const uint8_t *)l->scales->data + 4 * b;
        for (int i = 0; i < 8; i++)
            if (!(SPARSE_FOURS >> (mask[i / 2] >> 4 * (i % 2) & 15) & 1))
                FAIL(cx, STATUS_BAD_DATA, "'%s': row %lld does not keep two of every four",
                     l->scales->name, (long long)(b / blocks));
        memcpy(out, mask, 4);
        memcpy(out + 4, (const char *)l->codes->data + b * SPARSE_BLOCK, SPARSE_BLOCK);
    }
    return STATUS_OK;
}

/* ROWS rows of codes, then the scales and zeros of one row's groups. */
static status packed_rows(context *cx, const struct packed_layer *l, int64_t from, int64_t to,
                          char *out) {
    int64_t most_groups = div_up(l->k, 32), row_bytes = num_row_bytes(l->format, l->k);
    char *scratch = context_alloc(cx, (size_t)(ROWS * l->k + 5 * most_groups));
    if (!scratch) return STATUS_NO_MEMORY;
    float *scales = (float *)scratch;
    uint8_t *zeros = (uint8_t *)(scales + most_groups), *codes = zeros + most_groups;
    for (int64_t row = from; row < to; row += ROWS) {
        int64_t rows = MIN_OF(ROWS, to - row);
        for (int64_t k = 0; k < l->k; k++)
            for (int64_t r = 0; r < rows; r++)
                codes[r * l->k + k] = (uint8_t)code_at(l, row + r, k);
        for (int64_t r = 0; r < rows; r++, out += row_bytes) {
            if (l->order)
                row_values(l, row + r, codes + r * l->k, (float *)(void *)out);
            else
                row_codes(l, row + r, codes + r * l->k, scales, zeros, out);
        }
    }
    context_release(cx, scratch);
    return STATUS_OK;
}

status modelfile_rows(const modelfile *m, const modelfile_tensor *t, int64_t from, int64_t to,
                      void *out) {
    if (t->packed && t->packed->recipe.method == PACKED_MXFP4) {
        mxfp4_rows(t->packed, from, to, out);
        return STATUS_OK;
    }
    if (t->packed && t->packed->recipe.method == PACKED_SPARSE24)
        return sparse24_rows(m->cx, t->packed, from, to, out);
    if (t->packed) return packed_rows(m->cx, t->packed, from, to, out);
    int64_t bytes = num_row_bytes(t->format, t->n_dims ? t->shape[t->n_dims - 1] : 1);
    memcpy(out, (const char *)t->data + from * bytes, (size_t)((to - from) * bytes));
    return STATUS_OK;
}

/* ---- joining ---- */

typedef struct joining {
    modelfile *m;
    const packed_recipe *recipe;
    bool *used; /* by tensor */
} joining;

static const modelfile_tensor *take(joining *w, const char *base, const char *part) {
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s.%s", base, part);
    const modelfile_tensor *t = modelfile_find(w->m, name);
    if (t) w->used[t - w->m->tensors] = true;
    return t;
}

static status need_words(joining *w, const modelfile_tensor *t, const char *base, const char *part,
                         int64_t rows, int64_t columns) {
    if (!t) FAIL(w->m->cx, STATUS_BAD_DATA, "'%s.%s' is missing", base, part);
    if (!t->format || strcmp(t->format->name, "i32") != 0 || t->n_dims != 2 ||
        t->shape[0] != rows || t->shape[1] != columns)
        FAIL(w->m->cx, STATUS_BAD_DATA, "'%s' must be i32 [%lld, %lld]", t->name, (long long)rows,
             (long long)columns);
    return STATUS_OK;
}

static status need_scales(joining *w, struct packed_layer *l, const char *base) {
    const modelfile_tensor *t = l->scales;
    bool rows = l->recipe.method == PACKED_COMPRESSED;
    if (!t) FAIL(w->m->cx, STATUS_BAD_DATA, "the scales of '%s' are missing", base);
    int64_t groups = t->n_dims == 2 ? t->shape[rows] : 0;
    l->group = l->recipe.group && l->recipe.group < l->k ? l->recipe.group : l->k;
    l->groups = div_up(l->k, l->group);
    if (!t->format || t->format->kind != NUM_FLOAT || t->n_dims != 2 || t->shape[!rows] != l->n ||
        groups != l->groups)
        FAIL(w->m->cx, STATUS_BAD_DATA, "'%s' must be floats for %lld groups of %lld columns",
             t->name, (long long)l->groups, (long long)l->n);
    return STATUS_OK;
}

/* compressed-tensors fills rows up to whole words; such rows would have codes that are none. */
static status need_shape(joining *w, const struct packed_layer *l, const modelfile_tensor *t) {
    if (!t) return STATUS_OK;
    int64_t shape[2] = {0, 0};
    if (t->size_bytes == sizeof shape) memcpy(shape, t->data, sizeof shape);
    if (shape[0] != l->n || shape[1] != l->k)
        FAIL(w->m->cx, STATUS_UNSUPPORTED, "'%s' says %lld x %lld, but the codes are %lld x %lld",
             t->name, (long long)shape[0], (long long)shape[1], (long long)l->n, (long long)l->k);
    return STATUS_OK;
}

/* Sets l->order where the groups do not run in order. */
static status read_order(joining *w, struct packed_layer *l, const modelfile_tensor *t) {
    if (!t) return STATUS_OK;
    if (!t->format || strcmp(t->format->name, "i32") != 0 || t->n_dims != 1 || t->shape[0] != l->k)
        FAIL(w->m->cx, STATUS_BAD_DATA, "'%s' must be i32 [%lld]", t->name, (long long)l->k);
    bool in_order = true;
    for (int64_t k = 0; k < l->k; k++) {
        uint32_t group = word_at(t, k);
        if (group >= (uint64_t)l->groups)
            FAIL(w->m->cx, STATUS_BAD_DATA, "'%s': k %lld is of group %d of %lld", t->name,
                 (long long)k, (int)group, (long long)l->groups);
        in_order &= group == (uint64_t)(k / l->group);
    }
    if (!in_order) l->order = t->data;
    return STATUS_OK;
}

static bool zeros_in_middle(const struct packed_layer *l) {
    uint32_t middle = 1u << (l->recipe.bits - 1);
    for (int64_t g = 0; l->zeros && g < l->groups; g++)
        for (int64_t n = 0; n < l->n; n++)
            if (zero_at(l, n, g) != middle) return false;
    return true;
}

static void set_format(struct packed_layer *l) {
    if (l->order) {
        l->format = num_find("f32");
        return;
    }
    ints_layout as = {.bits = (int32_t)l->recipe.bits, .affine = !zeros_in_middle(l)};
    for (int64_t g = 128; g >= 32 && !as.group && l->group < l->k; g /= 2)
        if (l->group % g == 0) as.group = g;
    as.affine |= !as.group && as.bits == 8; /* int8_row is another family's */
    l->format = ints_format(as);
}

static status find_parts(joining *w, struct packed_layer *l, const char *base) {
    const modelfile_tensor *c = l->codes;
    int64_t bits = l->recipe.bits;
    if (!c->format || strcmp(c->format->name, "i32") != 0 || c->n_dims != 2)
        FAIL(w->m->cx, STATUS_BAD_DATA, "'%s' must be i32 with two axes", c->name);
    if (l->recipe.method == PACKED_COMPRESSED) {
        l->n = c->shape[0];
        l->k = c->shape[1] * 32 / bits;
        TRY(need_shape(w, l, take(w, base, "weight_shape")));
        l->scales = take(w, base, "weight_scale");
        TRY(need_scales(w, l, base));
        if (!l->recipe.symmetric) {
            l->zeros = take(w, base, "weight_zero_point");
            TRY(need_words(w, l->zeros, base, "weight_zero_point", div_up(l->n * bits, 32),
                           l->groups));
        }
        return read_order(w, l, take(w, base, "weight_g_idx"));
    }
    bool gptq = l->recipe.method == PACKED_GPTQ;
    l->k = gptq ? c->shape[0] * 32 / bits : c->shape[0];
    l->n = gptq ? c->shape[1] : c->shape[1] * 8;
    if (l->k % 32 || l->n % 32)
        FAIL(w->m->cx, STATUS_BAD_DATA,
             "'%s' stands for %lld x %lld, which are not multiples of 32", c->name, (long long)l->n,
             (long long)l->k);
    l->scales = take(w, base, "scales");
    TRY(need_scales(w, l, base));
    l->zeros = take(w, base, "qzeros");
    TRY(need_words(w, l->zeros, base, "qzeros", l->groups, l->n * bits / 32));
    return gptq ? read_order(w, l, take(w, base, "g_idx")) : STATUS_OK;
}

/* The weight's name without ".qweight", or NULL where the tensor is no layer's codes. */
static const char *base_of(joining *w, const modelfile_tensor *t) {
    packed_method method = w->recipe->method;
    const char *suffix = method == PACKED_COMPRESSED ? ".weight_packed"
                         : method == PACKED_MXFP4    ? "_blocks"
                         : method == PACKED_SPARSE24 ? ".compressed"
                                                     : ".qweight";
    size_t length = strlen(t->name), tail = strlen(suffix);
    if (length <= tail || length > NAME_ROOM - 32 || strcmp(t->name + length - tail, suffix) != 0)
        return NULL;
    return arena_strndup(&w->m->memory, t->name, length - tail);
}

static status join_mxfp4(joining *w, struct packed_layer *l, const char *base,
                         modelfile_tensor *out) {
    const modelfile_tensor *c = l->codes;
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s_scales", base);
    l->scales = modelfile_find(w->m, name);
    if (!l->scales) FAIL(w->m->cx, STATUS_BAD_DATA, "'%s' is missing", name);
    const modelfile_tensor *s = l->scales;
    w->used[s - w->m->tensors] = true;
    bool fits = c->n_dims == 4 && s->n_dims == 3 && c->shape[3] == MX_BLOCK / 2 &&
                !strcmp(c->format_name, "u8") && !strcmp(s->format_name, "u8");
    for (int32_t d = 0; fits && d < 3; d++) fits = c->shape[d] == s->shape[d];
    if (!fits)
        FAIL(w->m->cx, STATUS_BAD_DATA, "'%s' and '%s' must be u8 [e, n, k, 16] and [e, n, k]",
             c->name, name);
    l->n = c->shape[1];
    l->k = c->shape[2] * MX_BLOCK;
    l->format = num_find("mxfp4");
    *out = (modelfile_tensor){.name = base,
                              .format_name = l->format->name,
                              .format = l->format,
                              .n_dims = 3,
                              .shape = {c->shape[0], l->n, l->k},
                              .size_bytes = c->shape[0] * l->n * num_row_bytes(l->format, l->k),
                              .packed = l};
    return STATUS_OK;
}

static status join_sparse24(joining *w, struct packed_layer *l, const char *base) {
    const modelfile_tensor *c = l->codes, *s = l->scales = take(w, base, "bitmask");
    if (!s) FAIL(w->m->cx, STATUS_BAD_DATA, "'%s.bitmask' is missing", base);
    if (strcmp(c->format_name, "bf16") != 0 || c->n_dims != 2)
        FAIL(w->m->cx, STATUS_UNSUPPORTED, "'%s' is %s; kept values are read as bf16 [n, k/2]",
             c->name, c->format_name);
    l->n = c->shape[0];
    l->k = 2 * c->shape[1];
    if (l->k % SPARSE_BLOCK)
        FAIL(w->m->cx, STATUS_UNSUPPORTED,
             "rows of '%s' stand for %lld values, not a multiple of %d", c->name, (long long)l->k,
             SPARSE_BLOCK);
    if (strcmp(s->format_name, "u8") != 0 || s->n_dims != 2 || s->shape[0] != l->n ||
        s->shape[1] != l->k / 8)
        FAIL(w->m->cx, STATUS_BAD_DATA, "'%s' must be u8 [%lld, %lld]", s->name, (long long)l->n,
             (long long)(l->k / 8));
    l->format = num_find("bf16_2of4");
    return need_shape(w, l, take(w, base, "shape"));
}

static status join_one(joining *w, const char *base, const modelfile_tensor *codes,
                       modelfile_tensor *out) {
    arena *memory = &w->m->memory;
    struct packed_layer *l = ARENA_NEW(memory, struct packed_layer, 1);
    const char *name = arena_printf(memory, "%s.weight", base);
    if (!l || !name) return STATUS_NO_MEMORY;
    *l = (struct packed_layer){.recipe = *w->recipe, .codes = codes};
    w->used[codes - w->m->tensors] = true;
    if (l->recipe.method == PACKED_MXFP4) return join_mxfp4(w, l, base, out);
    bool sparse = l->recipe.method == PACKED_SPARSE24;
    TRY(sparse ? join_sparse24(w, l, base) : find_parts(w, l, base));
    if (modelfile_find(w->m, name))
        FAIL(w->m->cx, STATUS_BAD_DATA, "'%s' is there beside its codes", name);
    if (!sparse) set_format(l);
    *out = (modelfile_tensor){.name = name,
                              .format_name = l->format->name,
                              .format = l->format,
                              .n_dims = 2,
                              .shape = {l->n, l->k},
                              .size_bytes = l->n * num_row_bytes(l->format, l->k),
                              .packed = l};
    return STATUS_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const modelfile_tensor *)a)->name, ((const modelfile_tensor *)b)->name);
}

status packed_join(modelfile *m, const packed_recipe *recipe) {
    if (recipe->method == PACKED_NONE) return STATUS_OK;
    joining w = {.m = m, .recipe = recipe};
    w.used = ARENA_NEW(&m->memory, bool, m->n_tensors + 1);
    modelfile_tensor *list = ARENA_NEW(&m->memory, modelfile_tensor, m->n_tensors + 1);
    if (!w.used || !list) return STATUS_NO_MEMORY;
    int64_t n = 0;
    for (int64_t i = 0; i < m->n_tensors; i++) {
        const char *base = base_of(&w, &m->tensors[i]);
        if (base)
            TRY_NOTE(m->cx, join_one(&w, base, &m->tensors[i], &list[n++]), "layer '%s'", base);
    }
    if (!n) FAIL(m->cx, STATUS_BAD_DATA, "the configuration says quantised, but no layer is");
    for (int64_t i = 0; i < m->n_tensors; i++)
        if (!w.used[i]) list[n++] = m->tensors[i];
    qsort(list, (size_t)n, sizeof *list, by_name);
    m->tensors = list;
    m->n_tensors = n;
    return STATUS_OK;
}
