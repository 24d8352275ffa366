/* The goldens of test/golden/models, each as a model opened from its folder. */
#ifndef TEST_KIT_GOLDEN_MODEL_H
#define TEST_KIT_GOLDEN_MODEL_H

#include "kit/model_case.h"
#include "test.h"

#define GOLDENS "test/golden/models"

/* Calls `check` with the name of each golden, in their order. */
void each_golden(test *t, void (*check)(test *, const char *name));

/* The golden, its folder, and the folder opened for the golden's context. */
typedef struct opened {
    context *cx;
    char folder[400];
    model_case golden;
    model *m;
} opened;

status open_golden(test *t, const char *name, opened *o);
void close_golden(test *t, opened *o); /* nothing may be left */

#endif
