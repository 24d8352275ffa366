/* SentencePiece models: a protocol buffer (sentencepiece_model.proto), read field by field.
 *
 *   ModelProto       1 pieces*  2 trainer  3 normalizer
 *   SentencePiece    1 piece  2 score (f32)  3 type: 1 normal 2 unknown 3 control 4 user 5 unused
 *                    6 byte
 *   TrainerSpec      3 model_type: 1 unigram 2 BPE 3 word 4 char   24 whitespace behind words
 *                    35 byte_fallback   46 the token that begins a text, <s> unless said
 *   NormalizerSpec   2 compiled map  3 add a leading space  4 squeeze spaces  5 spaces to U+2581
 *
 * A key is (field << 3 | wire type); wire types 0 varint, 1 eight bytes, 2 length and bytes, 5 four
 * bytes. */
#include "text/tokenizer_parts.h"

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };
enum { KIND_UNIGRAM = 1, KIND_BPE };

typedef struct field {
    uint32_t number, wire;
    uint64_t value;    /* varint, or the four or eight bytes */
    const char *bytes; /* wire type 2, `value` of them */
} field;

typedef struct cursor {
    const char *at, *end;
} cursor;

typedef struct reader {
    context *cx;
    const char *name;
    tokenizer *t;
    uint8_t *types; /* by id */
    float *scores;
    int64_t count, capacity;
    uint64_t kind;
    bool byte_fallback, prefix, squeeze, escape, behind;
    const char *begin, *map;
    int64_t begin_bytes, map_bytes;
} reader;

static status truncated(const reader *r) {
    FAIL(r->cx, STATUS_BAD_DATA, "'%s' is no whole SentencePiece model", r->name);
}

static bool read_varint(cursor *c, uint64_t *out) {
    *out = 0;
    for (int shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        uint8_t byte = (uint8_t)*c->at++;
        *out |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

static bool read_fixed(cursor *c, int bytes, uint64_t *out) {
    if (c->end - c->at < bytes) return false;
    *out = 0;
    for (int i = 0; i < bytes; i++) *out |= (uint64_t)(uint8_t)c->at[i] << 8 * i;
    c->at += bytes;
    return true;
}

static bool read_field(cursor *c, field *f) {
    uint64_t key;
    if (!read_varint(c, &key) || key >> 3 > UINT32_MAX) return false;
    f->number = (uint32_t)(key >> 3);
    f->wire = (uint32_t)key & 7;
    f->bytes = NULL;
    if (f->wire == 0) return read_varint(c, &f->value);
    if (f->wire == 1) return read_fixed(c, 8, &f->value);
    if (f->wire == 5) return read_fixed(c, 4, &f->value);
    if (f->wire != 2 || !read_varint(c, &f->value) || f->value > (uint64_t)(c->end - c->at))
        return false;
    f->bytes = c->at;
    c->at += f->value;
    return true;
}

static status keep_piece(reader *r, const char *text, int64_t length, float score, uint8_t type) {
    if (r->count == r->capacity) {
        int64_t wish = MAX_OF(2 * r->capacity, 4096);
        uint8_t *types = ARENA_NEW(&r->t->mem, uint8_t, wish);
        float *scores = ARENA_NEW(&r->t->mem, float, wish);
        if (!types || !scores) return context_status(r->cx);
        if (r->count) {
            memcpy(types, r->types, (size_t)r->count);
            memcpy(scores, r->scores, (size_t)r->count * sizeof *scores);
        }
        r->types = types;
        r->scores = scores;
        r->capacity = wish;
    }
    r->types[r->count] = type;
    r->scores[r->count] = score;
    return vocab_add(&r->t->names, text, length, r->count++);
}

static status read_piece(reader *r, cursor c) {
    const char *text = "";
    int64_t length = 0;
    float score = 0;
    uint64_t type = TYPE_NORMAL;
    while (c.at < c.end) {
        field f;
        if (!read_field(&c, &f)) return truncated(r);
        if (f.number == 1 && f.wire == 2) {
            text = f.bytes;
            length = (int64_t)f.value;
        } else if (f.number == 2 && f.wire == 5) {
            memcpy(&score, &(uint32_t){(uint32_t)f.value}, sizeof score);
        } else if (f.number == 3 && f.wire == 0) {
            type = f.value;
        }
    }
    if (type < TYPE_NORMAL || type > TYPE_BYTE || score != score)
        FAIL(r->cx, STATUS_BAD_DATA, "'%s': piece %lld has type %llu, score %g", r->name,
             (long long)r->count, (unsigned long long)type, (double)score);
    return keep_piece(r, text, length, score, (uint8_t)type);
}

static status read_trainer(reader *r, cursor c) {
    while (c.at < c.end) {
        field f;
        if (!read_field(&c, &f)) return truncated(r);
        if (f.number == 3 && f.wire == 0) r->kind = f.value;
        if (f.number == 24 && f.wire == 0) r->behind = f.value != 0;
        if (f.number == 35 && f.wire == 0) r->byte_fallback = f.value != 0;
        if (f.number == 46 && f.wire == 2) {
            r->begin = f.bytes;
            r->begin_bytes = (int64_t)f.value;
        }
    }
    return STATUS_OK;
}

static status read_normalizer(reader *r, cursor c) {
    while (c.at < c.end) {
        field f;
        if (!read_field(&c, &f)) return truncated(r);
        if (f.number == 2 && f.wire == 2) {
            r->map = f.bytes;
            r->map_bytes = (int64_t)f.value;
        }
        if (f.number == 3 && f.wire == 0) r->prefix = f.value != 0;
        if (f.number == 4 && f.wire == 0) r->squeeze = f.value != 0;
        if (f.number == 5 && f.wire == 0) r->escape = f.value != 0;
    }
    return STATUS_OK;
}

static status read_fields(reader *r, cursor c) {
    while (c.at < c.end) {
        field f;
        if (!read_field(&c, &f)) return truncated(r);
        const cursor inside = {f.bytes, f.bytes ? f.bytes + f.value : NULL};
        if (f.wire != 2) continue;
        if (f.number == 1) TRY(read_piece(r, inside));
        if (f.number == 2) TRY(read_trainer(r, inside));
        if (f.number == 3) TRY(read_normalizer(r, inside));
    }
    if (!r->count) return truncated(r);
    if (r->kind != KIND_UNIGRAM && r->kind != KIND_BPE)
        FAIL(r->cx, STATUS_UNSUPPORTED, "'%s': a SentencePiece model of type %llu", r->name,
             (unsigned long long)r->kind);
    if (!r->escape || r->behind)
        FAIL(r->cx, STATUS_UNSUPPORTED, "'%s': white space that is not marked, or marked behind",
             r->name);
    return STATUS_OK;
}

static status set_added(reader *r) {
    tokenizer *t = r->t;
    t->added = ARENA_NEW(&t->mem, added_token, r->count + 1);
    t->before = ARENA_NEW(&t->mem, int32_t, 1);
    if (!t->added || !t->before) return context_status(r->cx);
    for (int64_t id = 0; id < r->count; id++) {
        uint8_t type = r->types[id];
        if (type != TYPE_UNKNOWN && type != TYPE_CONTROL && type != TYPE_USER) continue;
        int64_t length;
        const char *name = vocab_text(&t->names, (int32_t)id, &length);
        char *text = arena_strndup(&t->mem, name, (size_t)length);
        if (!text) return context_status(r->cx);
        t->added[t->added_count++] = (added_token){.text = text,
                                                   .length = length,
                                                   .id = (int32_t)id,
                                                   .special = type != TYPE_USER,
                                                   .normalized = type == TYPE_USER,
                                                   .verbatim = true};
        if (type == TYPE_UNKNOWN) t->bpe.unknown = t->unigram.unknown = (int32_t)id;
    }
    return STATUS_OK;
}

static status set_steps(reader *r) {
    tokenizer *t = r->t;
    if (r->map_bytes) {
        const char *copy = arena_strndup(&t->mem, r->map, (size_t)r->map_bytes);
        if (!copy) return context_status(r->cx);
        TRY_NOTE(r->cx, normal_check_charsmap(r->cx, copy, r->map_bytes), "'%s'", r->name);
        t->normals[t->normal_count++] =
            (normal){.kind = NORMAL_CHARSMAP, .text = copy, .length = r->map_bytes};
    }
    if (r->squeeze) t->normals[t->normal_count++] = (normal){.kind = NORMAL_SQUEEZE};
    if (r->prefix)
        t->normals[t->normal_count++] =
            (normal){.kind = NORMAL_PREPEND, .text = "\u2581", .length = 3};
    normal *spaces = t->normals + t->normal_count++;
    *spaces = (normal){.kind = NORMAL_REPLACE, .text = "\u2581", .length = 3};
    TRY(pattern_open_literal(&spaces->pattern, r->cx, " ", 1));
    t->decode.marks = true;
    t->decode.byte_tokens = r->byte_fallback;
    t->decode.strip_first_space = r->prefix;
    memcpy(t->decode.mark, "\u2581", sizeof "\u2581");
    return STATUS_OK;
}

static status set_model(reader *r) {
    tokenizer *t = r->t;
    t->bpe.byte_fallback = t->unigram.byte_fallback = r->byte_fallback;
    t->bpe.fuse_unknown = true;
    t->scores = ARENA_NEW(&t->mem, double, r->count);
    if (!t->scores) return context_status(r->cx);
    for (int64_t id = 0; id < r->count; id++) t->scores[id] = (double)r->scores[id];
    if (r->kind == KIND_UNIGRAM) {
        t->model = MODEL_UNIGRAM;
        t->unigram.single = true;
        return STATUS_OK;
    }
    bool *skip = ARENA_NEW(&t->mem, bool, r->count);
    if (!skip) return context_status(r->cx);
    for (int64_t id = 0; id < r->count; id++)
        skip[id] = r->types[id] != TYPE_NORMAL && r->types[id] != TYPE_USER;
    return bpe_merges_from_scores(&t->bpe, r->scores, skip);
}

static status read_all(reader *r, cursor c) {
    TRY(read_fields(r, c));
    TRY(set_model(r));
    TRY(set_steps(r));
    TRY(set_added(r));
    int32_t begin = vocab_find(&r->t->names, r->begin, r->begin_bytes);
    if (begin >= 0) r->t->before[r->t->before_count++] = begin;
    return tokenizer_finish(r->t);
}

status tokenizer_open_model(context *cx, const char *name, const char *bytes, int64_t size_bytes,
                            tokenizer **out) {
    *out = NULL;
    reader r = {.cx = cx,
                .name = name,
                .kind = KIND_UNIGRAM,
                .begin = "<s>",
                .begin_bytes = 3,
                .prefix = true,
                .squeeze = true,
                .escape = true};
    status st = tokenizer_new(cx, &r.t);
    if (st == STATUS_OK) st = read_all(&r, (cursor){bytes, bytes + size_bytes});
    if (st == STATUS_OK)
        *out = r.t;
    else
        tokenizer_free(r.t);
    return st;
}
