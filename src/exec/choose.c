#include "exec/choose.h"
#include <stdio.h>
#include <string.h>

bool refuse(reason *why, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return false;
}

static status keep(arena *mem, refusal ***tail, const kernel_def *kernel, const char *why) {
    refusal *r = ARENA_NEW(mem, refusal, 1);
    if (!r) return STATUS_NO_MEMORY;
    r->kernel = kernel;
    snprintf(r->why, sizeof r->why, "%s", why);
    **tail = r;
    *tail = &r->next;
    return STATUS_OK;
}

static status try_isa(const kernel_query *q, const char *isa, const char *masked, arena *mem,
                      refusal ***tail, const kernel_def **chosen) {
    for (int32_t f = 0; registry_kernel[f]; f++) {
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++) {
            reason why = {""};
            if ((*k)->op != q->node->op || strcmp((*k)->isa, isa)) continue;
            if (!masked && (*k)->supports(q, &why)) {
                *chosen = *k;
                return STATUS_OK;
            }
            TRY(keep(mem, tail, *k, masked ? masked : why.text));
        }
    }
    return STATUS_OK;
}

status choose_kernel(const kernel_query *q, cpu_isa isa_limit, arena *mem, choice *out) {
    *out = (choice){0};
    refusal **tail = &out->refused;
    for (int32_t isa = ISA_COUNT - 1; isa >= 0 && !out->kernel; isa--) {
        const char *masked = isa > (int32_t)cpu_get()->isa ? "this CPU lacks the instruction set"
                             : isa > (int32_t)cpu_isa_best() || isa > (int32_t)isa_limit
                                 ? "the instruction set is masked"
                                 : NULL;
        TRY(try_isa(q, cpu_isa_name((cpu_isa)isa), masked, mem, &tail, &out->kernel));
    }
    return STATUS_OK;
}
