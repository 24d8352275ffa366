/* A small model with drawn weights, a tokenizer and a text: what methods are tried on. */
#ifndef TEST_KIT_COMPRESS_CASE_H
#define TEST_KIT_COMPRESS_CASE_H

#include "compress/kit/run.h"
#include "test.h"

typedef struct compress_case {
    context *cx;
    arena memory;
    char model[300], text[300], out[300], gguf[300];
} compress_case;

/* In the test's folder a Llama: 2 layers, 128 wide, 4 heads on 2, 256 inside. */
status compress_case_open(test *t, compress_case *k);
/* The same of another type, with as many heads of keys. */
status compress_case_open_as(test *t, const char *type, compress_case *k);
void compress_case_close(test *t, compress_case *k);
/* Runs a recipe on the case's model; out NULL: the folder k->out, removed before. */
status compress_case_run(compress_case *k, const char *recipe, const char *out, compress_result *r);
/* The options of that, to be changed. */
compress_options compress_case_options(compress_case *k, const char *recipe, const char *out);
/* Checks that the recipe is refused with these words and leaves nothing; out as above. */
void compress_case_refused(test *t, compress_case *k, const char *recipe, const char *out,
                           const char *words);
/* Mean nats a token of the case's text under a model; `act`: the format of activations under 8-bit weights, or NULL. */
status compress_case_nats(compress_case *k, const char *model, const char *act, double *out);
/* Removes a folder of files, or a file. */
void compress_case_remove(const char *path);

#endif
