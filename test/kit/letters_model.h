/* A model folder over six characters, newline, space and a to d, two small layers, 64 positions. */
#ifndef TEST_KIT_LETTERS_MODEL_H
#define TEST_KIT_LETTERS_MODEL_H

#include "base/status.h"

enum { LETTERS = 6 };

/* `scale` multiplies the drawn matrices; 0: all logits are equal. */
status letters_model(context *cx, const char *folder, float scale) MUST_USE;

#endif
