/* Folders of tiny models with random weights, for tests of what works on files. */
#ifndef TEST_KIT_TINY_H
#define TEST_KIT_TINY_H

#include "test.h"

/* A decoder of the size 1m with the tokenizer of 660 tokens and a chat template; false after the case has failed. */
bool tiny_model(test *t, context *cx, const char *folder);
/* An encoder, TINY_WIDTH numbers wide, with a WordPiece tokenizer. */
enum { TINY_WIDTH = 32 };
bool tiny_encoder(test *t, context *cx, const char *folder);
void tiny_text(const char *folder, const char *name, const char *text);

#endif
