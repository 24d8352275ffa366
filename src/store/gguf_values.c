/* The tables of value and tensor types, and values as callers want them. */
#include "store/gguf.h"
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    int32_t size_bytes;
} types[GGUF_TYPES] = {
    [GGUF_U8] = {"uint8", 1},    [GGUF_I8] = {"int8", 1},    [GGUF_U16] = {"uint16", 2},
    [GGUF_I16] = {"int16", 2},   [GGUF_U32] = {"uint32", 4}, [GGUF_I32] = {"int32", 4},
    [GGUF_F32] = {"float32", 4}, [GGUF_BOOL] = {"bool", 1},  [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"uint64", 8}, [GGUF_I64] = {"int64", 8},
    [GGUF_F64] = {"float64", 8},
};

/* Blocks of 256 hold 8-bit scales beside their codes, which explains the odd sizes. */
static const gguf_dtype dtypes[] = {
    {0, "f32", 1, 4},         {1, "f16", 1, 2},         {2, "q4_0", 32, 18},
    {3, "q4_1", 32, 20},      {6, "q5_0", 32, 22},      {7, "q5_1", 32, 24},
    {8, "q8_0", 32, 34},      {9, "q8_1", 32, 40},      {10, "q2_k", 256, 84},
    {11, "q3_k", 256, 110},   {12, "q4_k", 256, 144},   {13, "q5_k", 256, 176},
    {14, "q6_k", 256, 210},   {15, "q8_k", 256, 292},   {16, "iq2_xxs", 256, 66},
    {17, "iq2_xs", 256, 74},  {18, "iq3_xxs", 256, 98}, {19, "iq1_s", 256, 50},
    {20, "iq4_nl", 32, 18},   {21, "iq3_s", 256, 110},  {22, "iq2_s", 256, 82},
    {23, "iq4_xs", 256, 136}, {24, "i8", 1, 1},         {25, "i16", 1, 2},
    {26, "i32", 1, 4},        {27, "i64", 1, 8},        {28, "f64", 1, 8},
    {29, "iq1_m", 256, 56},   {30, "bf16", 1, 2},       {34, "tq1_0", 256, 54},
    {35, "tq2_0", 256, 66},   {39, "mxfp4", 32, 17},    {40, "nvfp4", 64, 36},
    {41, "q1_0", 128, 18},
};

const gguf_dtype *gguf_dtype_of_id(uint32_t id) {
    for (int64_t i = 0; i < COUNT_OF(dtypes); i++)
        if (dtypes[i].id == id) return &dtypes[i];
    return NULL;
}

const gguf_dtype *gguf_dtype_of_name(const char *name) {
    for (int64_t i = 0; i < COUNT_OF(dtypes); i++)
        if (!strcmp(dtypes[i].name, name)) return &dtypes[i];
    return NULL;
}

const char *gguf_type_name(gguf_type type) {
    return (unsigned)type < GGUF_TYPES ? types[type].name : "unknown";
}

int32_t gguf_type_bytes(gguf_type type) {
    return (unsigned)type < GGUF_TYPES ? types[type].size_bytes : 0;
}

bool gguf_size(const gguf_dtype *dtype, const int64_t *shape, int32_t n_dims, int64_t *size_bytes) {
    int64_t inner = n_dims ? shape[0] : 1;
    if (inner < 0 || inner % dtype->block_elems) return false;
    int64_t bytes;
    if (mul_overflows(inner / dtype->block_elems, dtype->block_bytes, &bytes)) return false;
    for (int32_t d = 1; d < n_dims; d++)
        if (shape[d] < 0 || mul_overflows(bytes, shape[d], &bytes)) return false;
    *size_bytes = bytes;
    return true;
}

gguf_value gguf_item(const gguf_value *array, int64_t index) {
    gguf_value v = {.type = array->item_type};
    unsigned char raw[8] = {0};
    int32_t n = types[array->item_type].size_bytes;
    memcpy(raw, (const char *)array->items + index * n, (size_t)n);
    uint64_t bits = 0;
    for (int i = 7; i >= 0; i--) bits = bits << 8 | raw[i];
    switch (array->item_type) {
    case GGUF_I8:
        v.integer = (int8_t)bits;
        break;
    case GGUF_I16:
        v.integer = (int16_t)bits;
        break;
    case GGUF_I32:
        v.integer = (int32_t)bits;
        break;
    case GGUF_F32: {
        float f;
        memcpy(&f, raw, 4);
        v.number = (double)f;
        break;
    }
    case GGUF_F64:
        memcpy(&v.number, raw, 8);
        break;
    default:
        v.whole = bits;
    }
    return v;
}

static status find_value(const gguf *g, const char *key, const gguf_value **out) {
    *out = gguf_find(g, key);
    if (*out) return STATUS_OK;
    FAIL(g->cx, STATUS_BAD_DATA, "'%s': key '%s' is missing", g->files[0].path, key);
}

static status wrong_type(const gguf *g, const char *key, const char *expected, gguf_type found) {
    return context_fail(g->cx, STATUS_BAD_DATA, "'%s': key '%s': expected %s, found %s",
                        g->files[0].path, key, expected, gguf_type_name(found));
}

status gguf_integer(const gguf *g, const char *key, int64_t lo, int64_t hi, int64_t *out) {
    const gguf_value *v;
    TRY(find_value(g, key, &v));
    if (v->type == GGUF_F32 || v->type == GGUF_F64 || v->type == GGUF_BOOL ||
        !gguf_type_bytes(v->type))
        return wrong_type(g, key, "an integer", v->type);
    bool huge = v->type == GGUF_U64 && v->whole > (uint64_t)INT64_MAX;
    if (huge || v->integer < lo || v->integer > hi)
        FAIL(g->cx, STATUS_BAD_DATA,
             "'%s': key '%s': expected an integer in %lld..%lld, found %s%lld", g->files[0].path,
             key, (long long)lo, (long long)hi, huge ? "above " : "",
             huge ? (long long)INT64_MAX : (long long)v->integer);
    *out = v->integer;
    return STATUS_OK;
}

status gguf_number(const gguf *g, const char *key, double *out) {
    const gguf_value *v;
    TRY(find_value(g, key, &v));
    if (v->type == GGUF_F32 || v->type == GGUF_F64)
        *out = v->number;
    else if (v->type == GGUF_U64)
        *out = (double)v->whole;
    else if (gguf_type_bytes(v->type) && v->type != GGUF_BOOL)
        *out = (double)v->integer;
    else
        return wrong_type(g, key, "a number", v->type);
    return STATUS_OK;
}

status gguf_text(const gguf *g, const char *key, gguf_string *out) {
    const gguf_value *v;
    TRY(find_value(g, key, &v));
    if (v->type != GGUF_STRING) return wrong_type(g, key, "a string", v->type);
    *out = v->text;
    return STATUS_OK;
}

status gguf_array(const gguf *g, const char *key, gguf_type item_type, const gguf_value **out) {
    TRY(find_value(g, key, out));
    if ((*out)->type != GGUF_ARRAY) return wrong_type(g, key, "an array", (*out)->type);
    if ((*out)->item_type != item_type)
        FAIL(g->cx, STATUS_BAD_DATA, "'%s': key '%s': expected an array of %s, found one of %s",
             g->files[0].path, key, gguf_type_name(item_type), gguf_type_name((*out)->item_type));
    return STATUS_OK;
}
