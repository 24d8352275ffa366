#include "base/file.h"
#include "model/kit/blocks.h"
#include "model/kit/gguf_names.h"
#include "model/kit/pooling.h"
#include <string.h>

const model_def *model_find(const char *model_type, const model_variant **variant) {
    for (int64_t i = 0; registry_model[i]; i++)
        for (const model_variant *v = registry_model[i]->variants; v->model_type; v++)
            if (!strcmp(v->model_type, model_type)) {
                if (variant) *variant = v;
                return registry_model[i];
            }
    return NULL;
}

bool model_lies_across(const model_config *c, const char *state) {
    const model_def *def = model_find(c->model_type, NULL);
    gguf_name name;
    return def && def->in_by_out && gguf_name_of(c, state, &name) && name.kind == GGUF_TRANSPOSED;
}

model_inputs model_build_inputs(graph *g, int64_t tokens, int64_t sequences) {
    extent rows = extent_symbol(graph_symbol(g, "tokens", tokens));
    extent ends = extent_affine(graph_symbol(g, "sequences", sequences), 1, 1);
    const num_format *ids = num_find("i32");
    return (model_inputs){.ids = graph_input(g, "ids", type_of(ids, 1, &rows)),
                          .positions = graph_input(g, "positions", type_of(ids, 1, &rows)),
                          .offsets = graph_input(g, "offsets", type_of(ids, 1, &ends))};
}

/* The builder's architecture, found once. */
static bool find_def(model_build *b) {
    if (!b->def) b->def = model_find(b->config->model_type, NULL);
    if (!b->def)
        (void)graph_fail(b->g, STATUS_UNSUPPORTED, "the architecture '%s' is not supported",
                         b->config->model_type);
    return b->def != NULL;
}

value model_hidden(model_build *b, model_inputs in) {
    if (!find_def(b)) return NO_VALUE;
    return b->def->hidden ? b->def->hidden(b, in) : block_hidden(b, in);
}

value model_logits(model_build *b, value hidden) {
    if (!find_def(b)) return NO_VALUE;
    if (!b->def->logits)
        return graph_fail(b->g, STATUS_UNSUPPORTED,
                          "a model of type '%s' gives no logits: it is an encoder",
                          b->config->model_type);
    return b->def->logits(b, hidden);
}

/* One file of a folder, read by `read`; `needed` says whether it must be there. */
static status read_beside(model *m, const char *name, bool needed,
                          status (*read)(context *, const char *, const char *, int64_t,
                                         model_config *)) {
    file_map map;
    char *path = arena_printf(&m->memory, "%s/%s", m->path, name);
    if (!path) return STATUS_NO_MEMORY;
    if (!needed && !file_exists(path)) return STATUS_OK;
    if (!file_exists(path))
        FAIL(m->cx, STATUS_UNSUPPORTED, "'%s' holds no %s, so its architecture is not known",
             m->path, name);
    TRY(file_map_open(m->cx, path, &map));
    status st = read(m->cx, path, map.bytes, map.size_bytes, &m->config);
    file_map_close(&map);
    return st;
}

static status open_folder(model *m) {
    TRY(read_beside(m, "config.json", true, model_config_read));
    TRY(read_beside(m, "generation_config.json", false, model_generation_read));
    return model_pooling_read(m->cx, m->path, &m->config);
}

status model_check_there(context *cx, const char *path) {
    if (file_exists(path)) return STATUS_OK;
    FAIL(cx, STATUS_IO, "'%s' is not there: give a model's folder or GGUF file", path);
}

static status open_parts(model *m) {
    TRY(model_check_there(m->cx, m->path));
    if (file_is_folder(m->path)) TRY(open_folder(m));
    TRY(modelfile_open(m->cx, m->path, &m->file));
    if (m->file.kind == MODELFILE_GGUF)
        TRY(gguf_config_read(m->cx, m->path, &m->file.gguf, &m->config));
    else if (!file_is_folder(m->path))
        FAIL(m->cx, STATUS_UNSUPPORTED,
             "'%s' holds tensors only; name the folder, which holds config.json too", m->path);
    TRY(packed_join(&m->file, &m->config.packed));
    m->config.upright = m->file.kind == MODELFILE_GGUF || m->config.packed.method != PACKED_NONE;
    m->def = model_find(m->config.model_type, NULL);
    return STATUS_OK;
}

status model_open(context *cx, const char *path, model **out) {
    *out = NULL;
    model *m = context_zalloc(cx, sizeof *m);
    if (!m) return STATUS_NO_MEMORY;
    m->cx = cx;
    m->memory = arena_make(cx);
    m->path = arena_strdup(&m->memory, path);
    status st = m->path ? open_parts(m) : STATUS_NO_MEMORY;
    if (st != STATUS_OK) {
        model_close(m);
        return context_note(cx, st, "opening the model '%s'", path);
    }
    *out = m;
    return STATUS_OK;
}

void model_close(model *m) {
    if (!m) return;
    modelfile_close(&m->file);
    arena_free(&m->memory);
    context_release(m->cx, m);
}
