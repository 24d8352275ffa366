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

/* Takes the first of a list that runs on `isa` (NULL: any) and supports the node. `masked`: why none may. */
static status try_list(const kernel_query *q, const kernel_def *const *k, const char *isa,
                       const char *masked, arena *mem, refusal ***tail, const kernel_def **chosen) {
    for (; *k && !*chosen; k++) {
        reason why = {""};
        if ((*k)->op != q->node->op || (isa && strcmp((*k)->isa, isa))) continue;
        if (!masked && (*k)->supports(q, &why))
            *chosen = *k;
        else
            TRY(keep(mem, tail, *k, masked ? masked : why.text));
    }
    return STATUS_OK;
}

status choose_kernel(const kernel_query *q, cpu_isa isa_limit, const plugin_table *const *plugins,
                     arena *mem, choice *out) {
    *out = (choice){0};
    refusal **tail = &out->refused;
    for (; plugins && *plugins && !out->kernel; plugins++)
        if ((*plugins)->kernels)
            TRY(try_list(q, (*plugins)->kernels, NULL, NULL, mem, &tail, &out->kernel));
    for (int32_t isa = ISA_COUNT - 1; isa >= 0 && !out->kernel; isa--) {
        bool over = isa > (int32_t)cpu_isa_best() || isa > (int32_t)isa_limit;
        const char *masked = isa > (int32_t)cpu_get()->isa ? "this CPU lacks the instruction set"
                             : over                        ? "the instruction set is masked"
                                                           : NULL;
        for (int32_t f = 0; registry_kernel[f] && !out->kernel; f++)
            TRY(try_list(q, registry_kernel[f], cpu_isa_name((cpu_isa)isa), masked, mem, &tail,
                         &out->kernel));
    }
    return STATUS_OK;
}
