/* Options of the autodiff rewrite. */
#ifndef REWRITE_AUTODIFF_H
#define REWRITE_AUTODIFF_H

#include "graph/rewrite.h"

typedef struct autodiff_options {
    /* Names of the states or inputs to differentiate by; NULL: every state that is a parameter. */
    const char *const *wrt;
    int32_t n_wrt;
} autodiff_options;

extern const rewrite_def rewrite_autodiff;

#endif
