/* A matrix is taken apart into plain codes, scales and zeros, and each part is made from those in a buffer of its own:
 * layers are small beside the model. */
#include "store/packed_write.h"
#include "num/kit/ints.h"
#include <string.h>

/* A matrix as plain numbers. */
typedef struct plain {
    int64_t n, k, group, groups;
    int32_t bits;
    uint8_t *codes; /* [n, k] */
    float *scales;  /* [n, groups] */
    uint8_t *zeros; /* [n, groups] */
} plain;

status packed_write_recipe(context *cx, packed_method method, const num_format *format, int64_t n,
                           int64_t k, packed_recipe *out) {
    static const char *const names[] = {"", "GPTQ", "AWQ", "compressed-tensors"};
    static const int32_t allowed[] = {0, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8, 1 << 4,
                                      1 << 2 | 1 << 4 | 1 << 8};
    ints_layout as;
    *out = (packed_recipe){.method = method};
    if (method == PACKED_SPARSE24) {
        if (format->kept && k % format->block_elems == 0) return STATUS_OK;
        FAIL(cx, STATUS_UNSUPPORTED,
             "sparse-24 holds rows of whole 32s of bf16_2of4, not %lld of %s", (long long)k,
             format->name);
    }
    if (!ints_layout_of(format, &as))
        FAIL(cx, STATUS_UNSUPPORTED, "a model folder has no place for %s", format->name);
    if (!(allowed[method] >> as.bits & 1))
        FAIL(cx, STATUS_UNSUPPORTED, "%s has no codes of %d bits", names[method], as.bits);
    if (n % 32 || k % 32)
        FAIL(cx, STATUS_UNSUPPORTED, "%s packs matrices of whole 32s, not %lld x %lld",
             names[method], (long long)n, (long long)k);
    bool middle = as.bits == 8 && !as.group; /* symmetric rows of 8 bits come as uint8_row */
    *out = (packed_recipe){.method = method,
                           .bits = as.bits,
                           .group = as.group,
                           .symmetric = !as.affine && !middle,
                           .zeros_less_one = method == PACKED_GPTQ};
    return STATUS_OK;
}

int32_t packed_write_parts(const packed_recipe *r, int64_t n, int64_t k,
                           packed_part out[PACKED_PARTS]) {
    int64_t groups = r->group ? div_up(k, r->group) : 1;
    if (r->method == PACKED_SPARSE24) {
        out[0] = (packed_part){"compressed", "BF16", 2, {n, k / 2}};
        out[1] = (packed_part){"bitmask", "U8", 2, {n, k / 8}};
        out[2] = (packed_part){"shape", "I64", 2, {2, 1}};
        return 3;
    }
    if (r->method == PACKED_GPTQ) {
        out[0] = (packed_part){"qweight", "I32", 2, {k * r->bits / 32, n}};
        out[1] = (packed_part){"qzeros", "I32", 2, {groups, n * r->bits / 32}};
        out[2] = (packed_part){"scales", "F16", 2, {groups, n}};
        out[3] = (packed_part){"g_idx", "I32", 1, {k}};
        return 4;
    }
    if (r->method == PACKED_AWQ) {
        out[0] = (packed_part){"qweight", "I32", 2, {k, n / 8}};
        out[1] = (packed_part){"qzeros", "I32", 2, {groups, n / 8}};
        out[2] = (packed_part){"scales", "F16", 2, {groups, n}};
        return 3;
    }
    out[0] = (packed_part){"weight_packed", "I32", 2, {n, k * r->bits / 32}};
    out[1] = (packed_part){"weight_scale", "F16", 2, {n, groups}};
    out[2] = (packed_part){"weight_shape", "I64", 1, {2}};
    out[3] = (packed_part){"weight_zero_point", "I32", 2, {n * r->bits / 32, groups}};
    return r->symmetric ? 3 : 4;
}

/* ---- parts ---- */

/* Puts code `index` of a stream whose words lie `stride` apart from word `first`. */
static void put_stream(uint32_t *words, int64_t first, int64_t stride, int64_t index, int32_t bits,
                       uint32_t code) {
    int64_t bit = index * bits, at = bit % 32;
    uint64_t wide = (uint64_t)code << at;
    words[first + bit / 32 * stride] |= (uint32_t)wide;
    if (at + bits > 32) words[first + (bit / 32 + 1) * stride] |= (uint32_t)(wide >> 32);
}

static void put_awq(uint32_t *words, int64_t row, int64_t n, int64_t column, uint32_t code) {
    static const int32_t place[8] = {0, 4, 1, 5, 2, 6, 3, 7}; /* the nibble of column 0, 1 .. */
    words[row * (n / 8) + column / 8] |= code << 4 * place[column % 8];
}

static void fill_codes(const packed_recipe *r, const plain *p, uint32_t *words) {
    for (int64_t row = 0; row < p->n; row++)
        for (int64_t k = 0; k < p->k; k++) {
            uint32_t code = p->codes[row * p->k + k];
            if (r->method == PACKED_GPTQ)
                put_stream(words, row, p->n, k, p->bits, code);
            else if (r->method == PACKED_AWQ)
                put_awq(words, k, p->n, row, code);
            else
                put_stream(words, row * (p->k * p->bits / 32), 1, k, p->bits, code);
        }
}

static void fill_zeros(const packed_recipe *r, const plain *p, uint32_t *words) {
    uint32_t mask = (1u << p->bits) - 1;
    for (int64_t row = 0; row < p->n; row++)
        for (int64_t g = 0; g < p->groups; g++) {
            uint32_t zero = p->zeros[row * p->groups + g];
            if (r->zeros_less_one) zero = (zero - 1) & mask;
            if (r->method == PACKED_GPTQ)
                put_stream(words, g * (p->n * p->bits / 32), 1, row, p->bits, zero);
            else if (r->method == PACKED_AWQ)
                put_awq(words, g, p->n, row, zero);
            else
                put_stream(words, g, p->groups, row, p->bits, zero);
        }
}

static void fill_scales(const packed_recipe *r, const plain *p, char *out) {
    const num_format *f16 = num_find("f16");
    for (int64_t row = 0; row < p->n; row++)
        for (int64_t g = 0; g < p->groups; g++) {
            int64_t at = r->method == PACKED_COMPRESSED ? row * p->groups + g : g * p->n + row;
            f16->pack(&p->scales[row * p->groups + g], 1, out + 2 * at);
        }
}

static void fill_part(const packed_recipe *r, const plain *p, const char *suffix, char *out) {
    if (strstr(suffix, "zero"))
        fill_zeros(r, p, (uint32_t *)(void *)out);
    else if (strstr(suffix, "scale"))
        fill_scales(r, p, out);
    else if (!strcmp(suffix, "weight_shape"))
        memcpy(out, (int64_t[]){p->n, p->k}, 2 * sizeof(int64_t));
    else if (!strcmp(suffix, "g_idx"))
        for (int64_t k = 0; k < p->k; k++) ((int32_t *)(void *)out)[k] = (int32_t)(k / p->group);
    else
        fill_codes(r, p, (uint32_t *)(void *)out);
}

/* Codes, scales and zeros of all rows, in one block of memory. */
static status take_apart(context *cx, const num_format *format, const void *data, plain *p) {
    int64_t row_bytes = num_row_bytes(format, p->k), cells = p->n * p->groups;
    p->scales = context_alloc(cx, (size_t)(cells * (int64_t)(sizeof *p->scales + 1) + p->n * p->k));
    if (!p->scales) return STATUS_NO_MEMORY;
    p->zeros = (uint8_t *)(p->scales + cells);
    p->codes = p->zeros + cells;
    for (int64_t r = 0; r < p->n; r++)
        ints_take(format, p->k, (const char *)data + r * row_bytes, p->codes + r * p->k,
                  p->scales + r * p->groups, p->zeros + r * p->groups);
    return STATUS_OK;
}

/* Values, masks or the shape, row by row from the blocks of bf16_2of4. */
static status write_sparse24(const num_format *format, const char *data, int64_t n, int64_t k,
                             int32_t index, file_writer *out) {
    enum { MASK = 4 };
    if (index == 2) return file_write(out, (int64_t[]){n, k}, 2 * (int64_t)sizeof(int64_t));
    for (int64_t b = 0; b < n * k / format->block_elems; b++, data += format->block_bytes)
        TRY(index ? file_write(out, data, MASK)
                  : file_write(out, data + MASK, format->block_bytes - MASK));
    return STATUS_OK;
}

status packed_write_part(context *cx, const packed_recipe *r, const num_format *format,
                         const void *data, int64_t n, int64_t k, int32_t index, file_writer *out) {
    packed_part parts[PACKED_PARTS];
    if (r->method == PACKED_SPARSE24) return write_sparse24(format, data, n, k, index, out);
    (void)packed_write_parts(r, n, k, parts);
    const packed_part *part = &parts[index];
    int64_t bytes = !strcmp(part->dtype, "F16") ? 2 : !strcmp(part->dtype, "I64") ? 8 : 4;
    for (int32_t d = 0; d < part->n_dims; d++) bytes *= part->shape[d];
    plain p = {.n = n, .k = k, .group = r->group ? r->group : k, .bits = (int32_t)r->bits};
    p.groups = div_up(k, p.group);
    TRY(take_apart(cx, format, data, &p));
    char *buffer = context_zalloc(cx, (size_t)bytes);
    status st = buffer ? STATUS_OK : STATUS_NO_MEMORY;
    if (buffer) {
        fill_part(r, &p, part->suffix, buffer);
        st = file_write(out, buffer, bytes);
    }
    context_release(cx, buffer);
    context_release(cx, p.scales);
    return st;
}

/* ---- config.json ---- */

static void write_compressed(json_writer *w, const packed_recipe *r) {
    json_write_string_field(w, "quant_method", "compressed-tensors");
    json_write_string_field(w, "format", "pack-quantized");
    json_write_string_field(w, "quantization_status", "compressed");
    json_write_key(w, "config_groups");
    json_write_object(w);
    json_write_key(w, "group_0");
    json_write_object(w);
    json_write_key(w, "targets");
    json_write_array(w);
    json_write_string(w, "Linear");
    json_write_array_end(w);
    json_write_key(w, "weights");
    json_write_object(w);
    json_write_integer_field(w, "num_bits", r->bits);
    json_write_string_field(w, "type", "int");
    json_write_bool_field(w, "symmetric", r->symmetric);
    json_write_string_field(w, "strategy", r->group ? "group" : "channel");
    if (r->group) json_write_integer_field(w, "group_size", r->group);
    json_write_object_end(w);
    json_write_object_end(w);
    json_write_object_end(w);
    json_write_key(w, "ignore");
    json_write_array(w);
    json_write_string(w, "lm_head");
    json_write_array_end(w);
}

static void write_sparse24_config(json_writer *w) {
    json_write_string_field(w, "quant_method", "compressed-tensors");
    json_write_string_field(w, "format", "dense");
    json_write_string_field(w, "quantization_status", "compressed");
    json_write_key(w, "config_groups");
    json_write_object(w);
    json_write_object_end(w);
    json_write_key(w, "sparsity_config");
    json_write_object(w);
    json_write_string_field(w, "format", "sparse-24-bitmask");
    json_write_string_field(w, "sparsity_structure", "2:4");
    json_write_number_field(w, "global_sparsity", 0.5);
    json_write_key(w, "targets");
    json_write_array(w);
    json_write_string(w, "Linear");
    json_write_array_end(w);
    json_write_key(w, "ignore");
    json_write_array(w);
    json_write_string(w, "lm_head");
    json_write_array_end(w);
    json_write_object_end(w);
}

void packed_write_config(json_writer *w, const packed_recipe *r) {
    json_write_object(w);
    if (r->method == PACKED_SPARSE24) {
        write_sparse24_config(w);
    } else if (r->method == PACKED_COMPRESSED) {
        write_compressed(w, r);
    } else if (r->method == PACKED_AWQ) {
        json_write_string_field(w, "quant_method", "awq");
        json_write_string_field(w, "version", "gemm");
        json_write_bool_field(w, "zero_point", true);
    } else {
        json_write_string_field(w, "quant_method", "gptq");
        json_write_string_field(w, "checkpoint_format", "gptq");
        json_write_bool_field(w, "sym", r->symmetric);
        json_write_bool_field(w, "desc_act", false);
    }
    if (r->method == PACKED_GPTQ || r->method == PACKED_AWQ) {
        json_write_integer_field(w, "bits", r->bits);
        json_write_integer_field(w, "group_size", r->group ? r->group : -1);
    }
    json_write_object_end(w);
}
