#include "model_case.h"
#include "base/json.h"
#include "ops/attention.h"
#include "ops/rope.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static status read_tensor(json *j, model_case_tensor *t) {
    json_text name;
    bool more;
    TRY(json_enter_array(j));
    TRY(json_next_item(j, &more));
    TRY(json_string(j, &name));
    snprintf(t->name, sizeof t->name, "%.*s", (int)name.length, name.bytes);
    TRY(json_next_item(j, &more));
    TRY(json_enter_array(j));
    for (;;) {
        TRY(json_next_item(j, &more));
        if (!more) break;
        TRY(json_integer(j, 1, 1 << 20, &t->shape[t->rank++]));
    }
    TRY(json_next_item(j, &more));
    TRY(json_number(j, -1e6, 1e6, &t->base));
    TRY(json_next_item(j, &more));
    TRY(json_number(j, -1e6, 1e6, &t->scale));
    return json_next_item(j, &more);
}

static status read_tensors(json *j, model_case *c) {
    enum { MOST = 256 };
    c->tensors = ARENA_NEW(&c->memory, model_case_tensor, MOST);
    if (!c->tensors) return STATUS_NO_MEMORY;
    TRY(json_enter_array(j));
    for (bool more;;) {
        TRY(json_next_item(j, &more));
        if (!more || c->n_tensors == MOST) return STATUS_OK;
        TRY(read_tensor(j, &c->tensors[c->n_tensors++]));
    }
}

static status read_ids(json *j, int32_t *ids, int64_t *count) {
    TRY(json_enter_array(j));
    for (int64_t id;;) {
        bool more;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(json_integer(j, 0, INT32_MAX, &id));
        if (*count < MODEL_CASE_TOKENS) ids[(*count)++] = (int32_t)id;
    }
}

/* Each item of an array, read by the key's rule. */
static status read_items(json *j, model_case *c, json_text key) {
    TRY(json_enter_array(j));
    for (int64_t i = 0;; i++) {
        bool more;
        int32_t pair[2];
        int64_t n = 0;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        if (json_is(key, "logits")) {
            TRY(json_number(j, -1e9, 1e9, &c->logits[c->n_logits++]));
        } else if (json_is(key, "sequences")) {
            TRY(read_ids(j, c->ids[i], &c->count[i]));
        } else {
            TRY(read_ids(j, pair, &n));
            c->rows[i][0] = pair[0];
            c->rows[i][1] = pair[1];
            c->n_rows = i + 1;
        }
    }
}

static status read_all(json *j, model_case *c, int64_t size_bytes) {
    json_text key;
    c->logits = ARENA_NEW(&c->memory, double, size_bytes / 2);
    if (!c->logits) return STATUS_NO_MEMORY;
    TRY(json_enter_object(j));
    for (bool more;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) return json_finish(j);
        if (json_is(key, "config")) {
            const char *begin = memchr(j->at, '{', (size_t)(j->end - j->at));
            TRY(json_skip(j));
            c->config_bytes = j->at - begin;
            c->config = arena_strndup(&c->memory, begin, (size_t)c->config_bytes);
            if (!c->config) return STATUS_NO_MEMORY;
        } else if (json_is(key, "seed")) {
            TRY(json_integer(j, 0, INT32_MAX, &c->seed));
        } else if (json_is(key, "context")) {
            TRY(json_integer(j, 0, INT32_MAX, &c->context));
        } else if (json_is(key, "tensors")) {
            TRY(read_tensors(j, c));
        } else {
            char name[32];
            snprintf(name, sizeof name, "%.*s", (int)key.length, key.bytes);
            TRY(read_items(j, c, (json_text){name, key.length}));
        }
    }
}

status model_case_read(context *cx, const char *path, model_case *out) {
    file_map map;
    *out = (model_case){.memory = arena_make(cx)};
    TRY(file_map_open(cx, path, &map));
    json j = json_make(cx, path, map.bytes, map.size_bytes, NULL);
    status st = read_all(&j, out, map.size_bytes);
    json_free(&j);
    file_map_close(&map);
    return st;
}

void model_case_free(model_case *c) {
    arena_free(&c->memory);
}

void model_case_hash(const char *name, int64_t seed, int64_t count, double *out) {
    uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)seed;
    for (const char *p = name; *p; p++) h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    for (int64_t i = 0; i < count; i++) {
        uint64_t x = h + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        x ^= x >> 31;
        out[i] = (double)(x >> 40) / 8388608 - 1;
    }
}

/* The tensor's values, in the arena; NULL when memory is short. */
static float *make_values(arena *mem, const model_case_tensor *t, int64_t seed) {
    int64_t count = 1;
    for (int32_t d = 0; d < t->rank; d++) count *= t->shape[d];
    double *hashed = ARENA_NEW(mem, double, count);
    float *values = ARENA_NEW(mem, float, count);
    if (!hashed || !values) return NULL;
    model_case_hash(t->name, seed, count, hashed);
    for (int64_t i = 0; i < count; i++) values[i] = (float)(t->base + t->scale * hashed[i]);
    return values;
}

/* In place: each value cut to a byte. */
static void as_bytes(const model_case_tensor *t, float *values) {
    int64_t count = 1;
    for (int32_t d = 0; d < t->rank; d++) count *= t->shape[d];
    for (int64_t i = 0; i < count; i++) ((uint8_t *)values)[i] = (uint8_t)values[i];
}

status model_case_folder(context *cx, const model_case *c, const char *folder) {
    arena mem = arena_make(cx);
    char *path = arena_printf(&mem, "%s/config.json", folder);
    safetensors_source *sources = ARENA_NEW(&mem, safetensors_source, c->n_tensors);
    status st = path && sources ? STATUS_OK : STATUS_NO_MEMORY;
    for (int64_t i = 0; i < c->n_tensors && st == STATUS_OK; i++) {
        const model_case_tensor *t = &c->tensors[i];
        float *values = make_values(&mem, t, c->seed);
        if (!values) st = STATUS_NO_MEMORY;
        bool bytes = strstr(t->name, "_blocks") || strstr(t->name, "_scales");
        if (values && bytes) as_bytes(t, values);
        sources[i] = (safetensors_source){
            .name = t->name, .dtype = bytes ? "U8" : "F32", .n_dims = t->rank, .data = values};
        memcpy(sources[i].shape, t->shape, sizeof t->shape);
    }
    mkdir(folder, 0777);
    if (st == STATUS_OK) st = file_write_whole(cx, path, c->config, c->config_bytes);
    safetensors_contents contents = {.tensors = sources, .n_tensors = c->n_tensors};
    if (st == STATUS_OK) st = safetensors_write_folder(cx, folder, &contents, 0);
    arena_free(&mem);
    return st;
}

/* ---- running ---- */

static void spoil(graph *g, model_fault fault, value fewer_keys) {
    for (int32_t id = 0; id < g->n_nodes; id++) {
        node *n = g->nodes[id];
        if (fault == FAULT_MASK && n->op == &op_attention) n->in[ATTENTION_K_OFFSETS] = fewer_keys;
        if (fault == FAULT_POSITIONS && n->op == &op_rope)
            ((rope_params *)n->params)->interleaved ^= true;
    }
}

value model_case_build(graph *g, const model_config *config, model_fault fault,
                       num_format const *(*format)(void *, const char *, int32_t), void *user) {
    model_config *other = ARENA_NEW(&g->mem, model_config, 1);
    if (!other) return graph_fail(g, STATUS_NO_MEMORY, "a configuration");
    *other = *config;
    if (fault == FAULT_EPSILON) other->norm_epsilon *= 1.5;
    model_build b = {.g = g, .config = other, .format = format, .user = user};
    model_inputs in = model_build_inputs(g, 2 * MODEL_CASE_TOKENS, MODEL_CASE_SEQUENCES);
    value fewer_keys = graph_input(g, "fewer keys", *value_type(g, in.offsets));
    value y = model_hidden(&b, in);
    if (graph_status(g) == STATUS_OK && b.def->logits) y = model_logits(&b, y);
    spoil(g, fault, fewer_keys);
    return y;
}

status model_run_build(model_run *r, context *cx, const model_config *config, model_fault fault,
                       num_format const *(*format)(void *, const char *, int32_t), void *user) {
    *r = (model_run){.cx = cx, .g = graph_new(cx), .store = states_new(cx)};
    if (!r->g || !r->store) return STATUS_NO_MEMORY;
    value y = model_case_build(r->g, config, fault, format, user);
    graph_mark(r->g, MARK_OUTPUT, "y", y, NO_VALUE);
    return graph_status(r->g);
}

/* NULL where the graph does without. */
static int32_t *input(const plan *p, const char *name) {
    value v = plan_find_input(p, name);
    return value_absent(v) ? NULL : plan_tensor(p, v)->data;
}

void model_case_bind(const plan *p, const int64_t *counts, model_fault fault) {
    bool learned = value_absent(graph_find(p->g, "rope.frequencies"));
    int32_t *positions = input(p, "positions"), *fewer = input(p, "fewer keys"), at = 0;
    for (int32_t s = 0; s < MODEL_CASE_SEQUENCES; s++) {
        input(p, "offsets")[s] = at;
        if (fewer) fewer[s] = at - (s > 0);
        for (int32_t i = 0; i < counts[s]; i++, at++)
            positions[at] = i + (learned && fault == FAULT_POSITIONS);
    }
    input(p, "offsets")[MODEL_CASE_SEQUENCES] = at;
    if (fewer) fewer[MODEL_CASE_SEQUENCES] = at - 1;
}

status model_run_step(model_run *r, const model_case *c, model_fault fault, const float **logits,
                      int64_t *count) {
    if (!r->p) {
        TRY(plan_new(r->cx, r->g, r->store, NULL, &(plan_options){.isa_limit = ISA_AMX}, &r->p));
        TRY(plan_load(r->p));
    }
    TRY(plan_bind(r->p, (int64_t[]){0, c->count[0] + c->count[1], MODEL_CASE_SEQUENCES}));
    model_case_bind(r->p, c->count, fault);
    int32_t *ids = input(r->p, "ids");
    for (int32_t s = 0; s < MODEL_CASE_SEQUENCES; s++) {
        memcpy(ids, c->ids[s], (size_t)c->count[s] * sizeof *ids);
        ids += c->count[s];
    }
    plan_run(r->p, 0);
    const tensor *out = plan_tensor(r->p, plan_find_output(r->p, "y"));
    *logits = out->data;
    *count = tensor_elems(out);
    return STATUS_OK;
}

void model_run_end(model_run *r) {
    plan_free(r->p);
    states_free(r->store);
    graph_free(r->g);
}
