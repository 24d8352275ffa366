/* Whether this machine has room for a model, before it is loaded. */
#include "infer/fits.h"
#include "base/cpu.h"

static double gib(double bytes) {
    return bytes / (1 << 30);
}

/* The most context that would fit, in steps of 256; 0: not even the parameters do. */
static int64_t fitting_context(const engine_need *need, int64_t memory_bytes) {
    int64_t left = memory_bytes - need->parameter_bytes - need->parameter_bytes / 10;
    return left <= 0 ? 0 : left / need->kv_token_bytes / 256 * 256;
}

status engine_fill_memory(context *cx, const engine_model *m, engine_options *o) {
    engine_need need;
    if (o->kv_tokens) return STATUS_OK;
    TRY(engine_measure(cx, m, o, &need));
    int64_t left = (cpu_get()->memory_bytes - need.parameter_bytes - need.parameter_bytes / 10) / 2;
    int64_t fits = left > 0 ? left / need.kv_token_bytes : 0;
    o->kv_tokens = MAX_OF(MIN_OF(need.context * o->sequences, fits), need.context);
    return STATUS_OK;
}

status engine_fits(context *cx, const char *path, const engine_model *m, const engine_options *o) {
    engine_need need;
    int64_t memory = cpu_get()->memory_bytes;
    TRY(engine_measure(cx, m, o, &need));
    int64_t whole = need.parameter_bytes + need.parameter_bytes / 10 + need.kv_bytes;
    if (!memory || whole <= memory) return STATUS_OK;
    int64_t context = fitting_context(&need, memory);
    if (context)
        FAIL(cx, STATUS_NO_MEMORY,
             "'%s' needs %.1f GiB with a context of %lld tokens, and this machine has %.1f GiB: "
             "--context %lld would fit",
             path, gib((double)whole), (long long)need.context, gib((double)memory),
             (long long)context);
    double bits = 0.85 * (double)memory / ((double)need.parameter_bytes / 2) * 8;
    FAIL(cx, STATUS_NO_MEMORY,
         "'%s' needs %.1f GiB for its parameters alone, and this machine has %.1f GiB: a version "
         "of it with at most %.1f bits a parameter (if these are 16) would fit",
         path, gib((double)need.parameter_bytes), gib((double)memory), bits);
}
