#include "model/kit/pooling.h"
#include "base/file.h"
#include "base/json.h"
#include "ops/binary.h"
#include "ops/gather.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "ops/unary.h"
#include <stdio.h>
#include <string.h>

static bool text_ends(json_text text, const char *end) {
    int64_t n = (int64_t)strlen(end);
    return text.length >= n && !memcmp(text.bytes + text.length - n, end, (size_t)n);
}

/* {"pooling_mode_cls_token": true, ...}: exactly one of the modes. */
static status read_modes(json *j, model_config *config) {
    json_text key;
    json_kind kind;
    bool more, on, chosen = false;
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        TRY(json_peek(j, &kind));
        if (kind != JSON_BOOL || key.length < 13 || memcmp(key.bytes, "pooling_mode_", 13) != 0) {
            TRY(json_skip(j));
            continue;
        }
        bool first = json_is(key, "pooling_mode_cls_token");
        bool mean = json_is(key, "pooling_mode_mean_tokens");
        TRY(json_bool(j, &on));
        if (!on) continue;
        if (chosen || (!first && !mean))
            return json_fail(j, STATUS_UNSUPPORTED,
                             "only the first token or the mean is supported");
        chosen = true;
        config->pooling = first ? MODEL_POOL_FIRST : MODEL_POOL_MEAN;
    }
    return json_finish(j);
}

typedef struct module {
    char path[128];
    bool pools, normalizes, transforms;
} module;

static status read_module(json *j, module *m) {
    json_text key, text;
    bool more;
    *m = (module){0};
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        if (json_is(key, "path")) {
            TRY(json_string(j, &text));
            snprintf(m->path, sizeof m->path, "%.*s", (int)text.length, text.bytes);
        } else if (json_is(key, "type")) {
            TRY(json_string(j, &text));
            m->pools = text_ends(text, ".Pooling");
            m->normalizes = text_ends(text, ".Normalize");
            m->transforms = text_ends(text, ".Transformer");
            if (!m->pools && !m->normalizes && !m->transforms)
                return json_fail(j, STATUS_UNSUPPORTED, "the module '%.*s' is not supported",
                                 (int)MIN_OF(text.length, 80), text.bytes);
        } else {
            TRY(json_skip(j));
        }
    }
}

static status read_text(context *cx, const char *path, model_config *config,
                        status (*read)(json *, const char *folder, model_config *),
                        const char *folder) {
    file_map map;
    TRY(file_map_open(cx, path, &map));
    json j = json_make(cx, path, map.bytes, map.size_bytes, NULL);
    status st = read(&j, folder, config);
    json_free(&j);
    file_map_close(&map);
    return st;
}

static status read_pooling(json *j, const char *folder, model_config *config) {
    (void)folder;
    return read_modes(j, config);
}

static status read_modules(json *j, const char *folder, model_config *config) {
    bool more;
    config->normalize_embeddings = false;
    TRY(json_enter_array(j));
    for (;;) {
        module m;
        char path[4096];
        TRY(json_next_item(j, &more));
        if (!more) return json_finish(j);
        TRY(read_module(j, &m));
        config->normalize_embeddings |= m.normalizes;
        if (!m.pools) continue;
        snprintf(path, sizeof path, "%s/%s/config.json", folder, m.path);
        TRY(read_text(j->cx, path, config, read_pooling, folder));
    }
}

status model_pooling_read(context *cx, const char *folder, model_config *config) {
    char path[4096];
    snprintf(path, sizeof path, "%s/modules.json", folder);
    return file_exists(path) ? read_text(cx, path, config, read_modules, folder) : STATUS_OK;
}

value model_embed(model_build *b, value hidden, model_inputs in, model_pooling_inputs *out) {
    graph *g = b->g;
    *out = (model_pooling_inputs){NO_VALUE, NO_VALUE, NO_VALUE};
    if (graph_status(g) != STATUS_OK) return NO_VALUE;
    extent ends = value_type(g, in.offsets)->dim[0];
    extent sequences[2] = {{ends.mul, ends.add - 1, ends.sym}, extent_of(1)};
    out->firsts = graph_input(g, "firsts", type_of(num_find("i32"), 1, sequences));
    out->sequences = graph_input(g, "row sequences", *value_type(g, in.ids));
    out->lengths = graph_input(g, "lengths", type_of(num_find("f32"), 2, sequences));
    value y = build_gather(g, hidden, out->firsts);
    if (b->config->pooling == MODEL_POOL_MEAN)
        y = build_div(g, build_scatter_add(g, hidden, out->sequences, y), out->lengths);
    if (b->config->normalize_embeddings) {
        value length = build_sqrt(g, build_sum(g, build_square(g, y), 2, true));
        y = build_div(g, y, build_scale(g, length, 1, 1e-12));
    }
    return graph_name(g, y, "embeddings");
}
