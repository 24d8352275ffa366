/* A traced run as Chrome's trace format, which Perfetto opens too. */
#ifndef EXEC_TRACE_H
#define EXEC_TRACE_H

#include "exec/plan.h"
#include <stdio.h>

/* What the last run of a plan with `trace` set took, node by node. */
status trace_write(const plan *p, FILE *to);

#endif
