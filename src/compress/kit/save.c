/* Writing what a chain made: a folder or a GGUF file, complete or not at all. A folder is filled aside, then renamed.
 *
 * Codes go into a folder as the tensors of a quantiser (store/packed_write.h), or as the values they stand for. Into a
 * GGUF file go its own formats; symmetric codes of 4, 5 or 8 bits under f16 scales are what q4_0, q5_0 and q8_0 hold,
 * so they are moved over without rounding. */
#include "base/file.h"
#include "base/hash.h"
#include "compress/kit/run.h"
#include "infer/model_words.h"
#include "model/kit/gguf_names.h"
#include "num/kit/half.h"
#include "num/kit/ints.h"
#include "store/lineage.h"
#include "store/packed_write.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool is_gguf_name(const char *path) {
    size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".gguf");
}

/* ---- codes in GGUF ---- */

/* What GGUF calls symmetric codes of that many bits; NULL: it has no such format. */
static const num_format *gguf_twin(const num_format *f) {
    static const char *const twins[9] = {[4] = "q4_0", [5] = "q5_0", [8] = "q8_0"};
    ints_layout as;
    if (!ints_layout_of(f, &as) || as.affine || !twins[as.bits]) return NULL;
    return num_find(twins[as.bits]);
}

/* A row of values on a grid whose scale is known for each 32: as the twin's blocks [f16 scale][codes]. */
static void move_row(const num_format *to, const float *x, const float *scales, int64_t k,
                     uint8_t *out) {
    int32_t half = to->block_bytes == 18 ? 8 : to->block_bytes == 22 ? 16 : 128;
    for (int64_t b = 0; b < k / 32; b++, x += 32, out += to->block_bytes) {
        float scale = scales[b];
        uint16_t h = half_to_f16(scale);
        uint32_t fifth = 0;
        uint8_t *codes = out + 2 + (half == 16 ? 4 : 0);
        memset(out, 0, (size_t)to->block_bytes);
        memcpy(out, &h, 2);
        for (int i = 0; i < 32; i++) {
            int32_t q = scale > 0 ? (int32_t)lrintf(x[i] / scale) : 0;
            uint32_t u = (uint32_t)(q + half);
            if (half == 128) {
                codes[i] = (uint8_t)(int8_t)q;
                continue;
            }
            codes[i % 16] |= (uint8_t)((u & 15) << (i < 16 ? 0 : 4));
            fifth |= (u >> 4 & 1) << i;
        }
        if (half == 16) memcpy(out + 2, &fifth, 4);
    }
}

/* Scales of each 32 of a row in an integer format. */
static void row_scales(const num_format *f, const ints_layout *as, const char *row, int64_t k,
                       float *out) {
    for (int64_t b = 0; b < k / 32; b++) {
        int64_t at = as->group ? b * 32 / as->group * f->block_bytes : 0;
        memcpy(&out[b], row + at, 4);
    }
}

static status to_twin(compress *c, weight *w, const num_format *to) {
    ints_layout as;
    tensor_rows rows = tensor_rows_of(&w->t);
    (void)ints_layout_of(w->t.format, &as);
    int64_t row_bytes = num_row_bytes(to, rows.elems);
    uint8_t *data = context_alloc(c->cx, (size_t)(rows.count * row_bytes));
    float *x = context_alloc(c->cx, (size_t)(2 * rows.elems) * sizeof *x);
    if (data && x) {
        for (int64_t r = 0; r < rows.count; r++) {
            weights_rows(w, r, r + 1, x);
            row_scales(w->t.format, &as, (const char *)w->t.data + r * rows.bytes, rows.elems,
                       x + rows.elems);
            move_row(to, x, x + rows.elems, rows.elems, data + r * row_bytes);
        }
        weights_replace(c, w, to, data);
    }
    context_release(c->cx, x);
    return data && x ? STATUS_OK : STATUS_NO_MEMORY;
}

static status check_gguf(compress *c) {
    const model_variant *variant;
    if (!model_find(c->config.model_type, &variant) || !variant->gguf)
        FAIL(c->cx, STATUS_UNSUPPORTED, "GGUF has no name for models of type '%s': give a folder",
             c->config.model_type);
    if (!c->coded || gguf_dtype_of_name(c->coded->name) || gguf_twin(c->coded)) return STATUS_OK;
    FAIL(c->cx, STATUS_UNSUPPORTED,
         "GGUF has no format for %s: give a folder, or choose one of GGUF's by quantize(...)",
         c->coded->name);
}

static status save_gguf(compress *c, const compress_options *o, const char *provenance) {
    gguf_pair pairs[MODEL_WORDS_PAIRS + 1];
    gguf_saving how = {.pairs = pairs};
    for (int64_t i = 0; i < c->n_weights; i++) {
        weight *w = &c->weights[i];
        const num_format *twin = gguf_twin(w->t.format);
        if (twin) TRY(to_twin(c, w, twin));
    }
    TRY(model_words_pairs(c->parent, c->memory, &c->words, pairs, &how.n_pairs));
    pairs[how.n_pairs++] = (gguf_pair){
        LINEAGE_KEY, {.type = GGUF_STRING, .text = {provenance, (int64_t)strlen(provenance)}}};
    graph *g;
    states *s = states_new(c->cx);
    if (!s) return STATUS_NO_MEMORY;
    status st = weights_graph(c, &g);
    if (st == STATUS_OK) {
        st = weights_bind(c, g, s);
        if (st == STATUS_OK) st = model_save_gguf(c->cx, o->out, &c->config, s, &how);
        graph_free(g);
    }
    states_free(s);
    return st;
}

/* ---- codes in a folder ---- */

static packed_method method_of(compress_container k) {
    return k == CONTAINER_AWQ          ? PACKED_AWQ
           : k == CONTAINER_COMPRESSED ? PACKED_COMPRESSED
           : k == CONTAINER_SPARSE24   ? PACKED_SPARSE24
                                       : PACKED_GPTQ;
}

static bool holds_codes(const compress *c) {
    for (int64_t i = 0; i < c->n_products; i++)
        if (c->products[i].w->t.format->kind == NUM_BLOCK) return true;
    return false;
}

/* One recipe for all products, or a refusal. */
static status recipe_of(compress *c, const compress_options *o, packed_recipe *out) {
    bool sparse = o->container == CONTAINER_SPARSE24;
    const num_format *format = sparse ? num_find("bf16_2of4") : c->coded;
    *out = (packed_recipe){0};
    if (sparse && (c->coded || !(c->facts & COMPRESS_TWO_FOUR)))
        FAIL(c->cx, STATUS_UNSUPPORTED,
             "--container sparse-24 holds floats that prune(2:4) left, and the recipe makes %s",
             c->coded ? c->coded->name : "no such");
    if (o->container == CONTAINER_VALUES) return STATUS_OK;
    if (!format && holds_codes(c))
        FAIL(c->cx, STATUS_UNSUPPORTED,
             "the layers hold codes of several formats, which no folder has: name OUT *.gguf, or "
             "--container values writes the floats that they stand for");
    if (!format) return STATUS_OK;
    if (c->def->in_by_out && method_of(o->container) != PACKED_GPTQ)
        FAIL(c->cx, STATUS_UNSUPPORTED,
             "readers of this container leave out the layers of a %s, whose weights folders hold "
             "[inputs, outputs]: --container gptq or values, or OUT *.gguf",
             c->config.model_type);
    packed_recipe first = {0};
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        TRY_NOTE(c->cx,
                 packed_write_recipe(c->cx, method_of(o->container), format, p->n, p->k, out),
                 "'%s'; --container values writes the floats that the codes stand for", p->w->name);
        if (i && memcmp(&first, out, sizeof first))
            FAIL(c->cx, STATUS_UNSUPPORTED, "'%s' has other codes than the layers before it",
                 p->w->name);
        first = *out;
    }
    return STATUS_OK;
}

static status to_values(compress *c) {
    for (int64_t i = 0; i < c->n_weights; i++) {
        weight *w = &c->weights[i];
        if (w->t.format->kind == NUM_FLOAT) continue;
        float *values = context_alloc(c->cx, (size_t)tensor_elems(&w->t) * sizeof *values);
        if (!values) return STATUS_NO_MEMORY;
        weights_values(w, values);
        weights_replace(c, w, num_find("f32"), values);
    }
    return STATUS_OK;
}

static status fill_folder(compress *c, const compress_options *o, const char *folder,
                          const char *provenance) {
    char path[4096];
    graph *g;
    if (o->container == CONTAINER_VALUES) TRY(to_values(c));
    states *s = states_new(c->cx);
    if (!s) return STATUS_NO_MEMORY;
    status st = weights_graph(c, &g);
    if (st == STATUS_OK) {
        st = weights_bind(c, g, s);
        if (st == STATUS_OK) st = model_save(c->cx, folder, &c->config, s, NULL);
        graph_free(g);
    }
    states_free(s);
    TRY(st);
    TRY(model_words_folder(c->parent, c->memory, folder));
    snprintf(path, sizeof path, "%s/" LINEAGE_FILE, folder);
    return file_write_whole(c->cx, path, provenance, (int64_t)strlen(provenance));
}

static void remove_folder(const char *folder) {
    char path[4096];
    struct dirent *item;
    DIR *d = opendir(folder);
    while (d && (item = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", folder, item->d_name);
        (void)unlink(path);
    }
    if (d) closedir(d);
    (void)rmdir(folder);
}

static status save_folder(compress *c, const compress_options *o, const char *provenance) {
    char *aside = arena_printf(c->memory, "%s.tmp-%ld", o->out, (long)getpid());
    if (!aside) return STATUS_NO_MEMORY;
    TRY(recipe_of(c, o, &c->config.packed));
    status st = fill_folder(c, o, aside, provenance);
    if (st == STATUS_OK && rename(aside, o->out))
        st = context_fail(c->cx, STATUS_IO, "'%s': %s", o->out, strerror(errno));
    if (st != STATUS_OK) remove_folder(aside);
    return st;
}

/* ---- both ---- */

/* Bytes that the output will take, from above. */
static double most_bytes(const compress *c) {
    double bytes = 0;
    for (int64_t i = 0; i < c->n_weights; i++) bytes += (double)tensor_bytes(&c->weights[i].t);
    for (int64_t i = 0; i < c->n_products && c->coded; i++) {
        const product *p = &c->products[i];
        bytes -= (double)tensor_bytes(&p->w->t);
        bytes += (double)(p->n * num_row_bytes(c->coded, p->k));
    }
    return bytes;
}

static status check_room(compress *c, const char *path) {
    struct statvfs disk;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? arena_strndup(c->memory, path, (size_t)(slash - path + 1))
                         : arena_strdup(c->memory, ".");
    if (!folder) return STATUS_NO_MEMORY;
    if (statvfs(folder, &disk)) FAIL(c->cx, STATUS_IO, "'%s': %s", folder, strerror(errno));
    if (access(folder, W_OK)) FAIL(c->cx, STATUS_IO, "'%s': %s", folder, strerror(errno));
    double room = (double)disk.f_bavail * (double)disk.f_frsize;
    if (room < most_bytes(c))
        FAIL(c->cx, STATUS_IO, "'%s' takes up to %.0f MB, but its disk has %.0f MB left", path,
             most_bytes(c) / 1e6, room / 1e6);
    return STATUS_OK;
}

status save_check(compress *c, const compress_options *o) {
    packed_recipe unused;
    if (is_gguf_name(o->out) && o->container == CONTAINER_SPARSE24)
        FAIL(c->cx, STATUS_UNSUPPORTED, "GGUF has no format for 2:4 weights: give a folder");
    TRY(is_gguf_name(o->out) ? check_gguf(c) : recipe_of(c, o, &unused));
    return check_room(c, o->out);
}

static void hash_weights(const compress *c, char out[SHA256_TEXT_BYTES]) {
    hash_sha256_state h;
    uint8_t digest[SHA256_BYTES];
    hash_sha256_begin(&h);
    for (int64_t i = 0; i < c->n_weights; i++) {
        const weight *w = &c->weights[i];
        hash_sha256_add(&h, w->name, strlen(w->name) + 1);
        hash_sha256_add(&h, w->t.format->name, strlen(w->t.format->name) + 1);
        hash_sha256_add(&h, w->t.dim, (size_t)w->t.rank * sizeof *w->t.dim);
        hash_sha256_add(&h, w->t.data, (size_t)tensor_bytes(&w->t));
    }
    hash_sha256_value(&h, digest);
    hash_sha256_text(digest, out);
}

status save_model(compress *c, const compress_options *o, compress_result *r) {
    const char *provenance;
    hash_weights(c, r->sha256);
    TRY(provenance_text(c, o, r, &provenance));
    return is_gguf_name(o->out) ? save_gguf(c, o, provenance) : save_folder(c, o, provenance);
}
