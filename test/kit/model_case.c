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

void model_case_values(const model_case_tensor *t, int64_t seed, float *out, int64_t count) {
    uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)seed;
    for (const char *p = t->name; *p; p++) h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    for (int64_t i = 0; i < count; i++) {
        uint64_t x = h + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        x ^= x >> 31;
        out[i] = (float)(t->base + t->scale * ((double)(x >> 40) / 8388608 - 1));
    }
}

status model_case_folder(context *cx, const model_case *c, const char *folder) {
    arena mem = arena_make(cx);
    char *path = arena_printf(&mem, "%s/config.json", folder);
    safetensors_source *sources = ARENA_NEW(&mem, safetensors_source, c->n_tensors);
    status st = path && sources ? STATUS_OK : STATUS_NO_MEMORY;
    for (int64_t i = 0; i < c->n_tensors && st == STATUS_OK; i++) {
        const model_case_tensor *t = &c->tensors[i];
        int64_t count = 1;
        for (int32_t d = 0; d < t->rank; d++) count *= t->shape[d];
        float *values = ARENA_NEW(&mem, float, count);
        if (!values) st = STATUS_NO_MEMORY;
        if (values) model_case_values(t, c->seed, values, count);
        sources[i] = (safetensors_source){
            .name = t->name, .dtype = "F32", .n_dims = t->rank, .data = values};
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

status model_run_build(model_run *r, context *cx, const model_config *config, model_fault fault,
                       num_format const *(*format)(void *, const char *, int32_t), void *user) {
    *r = (model_run){.cx = cx, .g = graph_new(cx), .store = states_new(cx)};
    model_config *other = context_zalloc(cx, sizeof *other);
    if (!r->g || !r->store || !other) return STATUS_NO_MEMORY;
    *other = *config;
    if (fault == FAULT_EPSILON) other->norm_epsilon *= 1.5;
    model_build b = {.g = r->g, .config = other, .format = format, .user = user};
    model_inputs in = model_build_inputs(r->g, 2 * MODEL_CASE_TOKENS, MODEL_CASE_SEQUENCES);
    value fewer_keys = graph_input(r->g, "fewer keys", *value_type(r->g, in.offsets));
    value y = model_hidden(&b, in);
    if (graph_status(r->g) == STATUS_OK && b.def->logits) y = model_logits(&b, y);
    graph_mark(r->g, MARK_OUTPUT, "y", y, NO_VALUE);
    spoil(r->g, fault, fewer_keys);
    context_release(cx, other);
    return graph_status(r->g);
}

static int32_t *input(const model_run *r, const char *name) {
    return plan_tensor(r->p, plan_find_input(r->p, name))->data;
}

status model_run_step(model_run *r, const model_case *c, model_fault fault, const float **logits,
                      int64_t *count) {
    int64_t tokens = c->count[0] + c->count[1], at = 0;
    bool learned = value_absent(graph_find(r->g, "rope.frequencies"));
    if (!r->p) {
        TRY(plan_new(r->cx, r->g, r->store, NULL, &(plan_options){.isa_limit = ISA_AMX}, &r->p));
        TRY(plan_load(r->p));
    }
    TRY(plan_bind(r->p, (int64_t[]){0, tokens, MODEL_CASE_SEQUENCES}));
    for (int32_t s = 0; s < MODEL_CASE_SEQUENCES; s++)
        for (int32_t i = 0; i < c->count[s]; i++, at++) {
            input(r, "ids")[at] = c->ids[s][i];
            input(r, "positions")[at] = i + (learned && fault == FAULT_POSITIONS);
        }
    const int32_t ends[3] = {0, (int32_t)c->count[0], (int32_t)tokens};
    for (int32_t s = 0; s < 3; s++) {
        input(r, "offsets")[s] = ends[s];
        input(r, "fewer keys")[s] = ends[s] - (s > 0);
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
