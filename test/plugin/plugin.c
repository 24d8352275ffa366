/* A plugin as others would write one: a kernel for `neg` on f32 that counts its calls in what it writes. */
#include "dev/plugin.h"

static const plugin_host *hone;
static kernel_def neg;

static bool supports(const kernel_query *q, reason *why) {
    if (q->in[0]->format != hone->num_find("f32")) return hone->refuse(why, "not f32");
    return true;
}

static int64_t units(const call *c) {
    (void)c;
    return 1;
}

/* -x, less one, so that a test sees who ran. */
static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    int64_t count = 1;
    for (int32_t d = 0; d < c->in[0].rank; d++) count *= c->in[0].dim[d];
    for (int64_t i = 0; from < to && i < count; i++)
        ((float *)c->out[0].data)[i] = -((float *)c->in[0].data)[i] - 1;
}

static const kernel_def *const kernels[] = {&neg, NULL};
static const plugin_table table = {.abi = PLUGIN_ABI, .name = "test", .kernels = kernels};

__attribute__((visibility("default"))) const plugin_table *hone_plugin(const plugin_host *host);
const plugin_table *hone_plugin(const plugin_host *host) {
    if (host->abi != PLUGIN_ABI) return NULL;
    hone = host;
    neg = (kernel_def){.name = "test.neg",
                       .op = host->op_find("neg"),
                       .isa = "test",
                       .supports = supports,
                       .units = units,
                       .run = run};
    return &table;
}
