/* Products with quantised weights as a kernel_def wants them. */
#ifndef KERN_KIT_QUANTS_KERNEL_H
#define KERN_KIT_QUANTS_KERNEL_H

#include "kern/kit/quants.h"

extern const pack_def quants_pack;

bool quants_supports(const kernel_query *q, bool bf16, reason *why);
const pack_def *quants_wants(const kernel_query *q, int32_t operand);
int64_t quants_scratch(const call *c);
int64_t quants_shared(const call *c);
int64_t quants_prepare_units(const call *c);
void quants_prepare(const call *c, int64_t from, int64_t to, void *scratch);
int64_t quants_units(const call *c);
void quants_run_units(const call *c, int64_t from, int64_t to, void *scratch);

#endif
