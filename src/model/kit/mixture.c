/* Which format each matrix gets. Mixtures follow llama.cpp (llama-quant.cpp): the output, and in some layers the values
 * and what leads down from the MLP, have six bits or eight. */
#include "model/kit/mixture.h"
#include "base/options.h"
#include <stdlib.h>
#include <string.h>

typedef struct mixture {
    const char *name, *most, *finer;
} mixture;
static const mixture mixtures[] = {{"q4_k_m", "q4_k", "q6_k"}, {"q5_k_m", "q5_k", "q6_k"}};

static const struct {
    const char *format, *instead;
} shorter[] = {{"q2_k", "q4_0"}, {"q3_k", "q4_0"},     {"q4_k", "q5_0"}, {"q5_k", "q5_1"},
               {"q6_k", "q8_0"}, {"iq4_xs", "iq4_nl"}, {"q4_0", "f16"},  {"q4_1", "f16"},
               {"q5_0", "f16"},  {"q5_1", "f16"},      {"q8_0", "f16"},  {"iq4_nl", "f16"},
               {"mxfp4", "f16"}};

static const mixture *find_mixture(const char *format) {
    for (int64_t i = 0; i < COUNT_OF(mixtures); i++)
        if (!strcmp(mixtures[i].name, format)) return &mixtures[i];
    return NULL;
}

bool mixture_knows(const char *format) {
    const num_format *f = num_find(format);
    return find_mixture(format) || (f && f->kind != NUM_INDEX);
}

status mixture_unknown(context *cx, const char *format) {
    enum { MOST = 256 };
    const char *names[MOST];
    int64_t n = 0;
    for (int64_t i = 0; i < COUNT_OF(mixtures); i++) names[n++] = mixtures[i].name;
    for (int64_t i = 0; registry_format[i] && n < MOST; i++)
        if (registry_format[i]->kind != NUM_INDEX) names[n++] = registry_format[i]->name;
    for (int64_t f = 0; registry_format_family[f]; f++)
        for (const num_format *at = registry_format_family[f]; at->name && n < MOST; at++)
            names[n++] = at->name;
    const char *near = options_nearest(format, names, n);
    FAIL(cx, STATUS_BAD_ARGUMENT,
         "--format: there is no number format '%s'%s%s%s (usual are bf16, q8_0, q4_k_m, q4_0)",
         format, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

status mixture_check_single(context *cx, const char *format) {
    const mixture *m = find_mixture(format);
    if (m)
        FAIL(cx, STATUS_UNSUPPORTED,
             "--format %s is a mixture: a plan takes one format for all matrices, as %s", format,
             m->most);
    return mixture_knows(format) ? STATUS_OK : mixture_unknown(cx, format);
}

static bool has(const char *state, const char *part) {
    return strstr(state, part) != NULL;
}

/* The first and last eighth of the layers, and each third between them. */
static bool is_finer_layer(const char *state, int64_t layers) {
    const char *digit = strpbrk(state, "0123456789");
    int64_t i = digit ? strtol(digit, NULL, 10) : 0;
    return i < layers / 8 || i >= 7 * layers / 8 || (i - layers / 8) % 3 == 2;
}

static bool is_table(const char *state) {
    return has(state, "embed_tokens") || has(state, "wte") || has(state, "embed_in");
}

static bool is_output(const char *state, bool tied) {
    return has(state, "lm_head") || has(state, "embed_out") || (tied && is_table(state));
}

bool mixture_is_outside(const char *state) {
    return is_output(state, false) || is_table(state);
}

static bool is_finer(const char *state, int64_t layers, bool tied) {
    bool values = has(state, ".v_proj") || has(state, ".down_proj") || has(state, ".w2") ||
                  has(state, ".mlp.c_proj") || has(state, ".dense_4h_to_h");
    return is_output(state, tied) || (values && is_finer_layer(state, layers));
}

/* Small tables that are added or decide, and lose by rounding. */
static bool is_kept(const char *state) {
    return has(state, ".wpe.") || has(state, "position_embeddings") || has(state, "token_type") ||
           has(state, "mlp.gate.weight") || has(state, "moe.gate.weight") ||
           has(state, "expert_gate");
}

const num_format *mixture_format(const char *format, const char *state, int64_t columns,
                                 int64_t layers, bool tied) {
    const mixture *m = find_mixture(format);
    const char *name = !m ? format : is_finer(state, layers, tied) ? m->finer : m->most;
    const num_format *f = num_find(name);
    if (f && f->kind == NUM_BLOCK && is_kept(state)) return num_find("f32");
    for (int64_t i = 0; f && columns % f->block_elems; i++) {
        if (i == COUNT_OF(shorter)) return NULL;
        if (!strcmp(shorter[i].format, f->name)) f = num_find(shorter[i].instead), i = -1;
    }
    return f;
}
