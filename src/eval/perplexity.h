/* Perplexity of a text: exp of the mean of -log p over its ids. What is counted, given which context, differs between
 * programs, and figures compare only within one convention:
 *
 *   hone          windows of `context` ids, each moved on by `stride`; every id is scored once, given at least
 *                 context - stride ids before it (at the text's begin: all there are). All ids weigh alike.
 *   transformers  the "fixed-length models" page of its documentation: the same windows; a window's mean loss weighs as
 *                 many ids as it scores, less one, also where none is lost.
 *   llama.cpp     llama-perplexity: disjoint windows of `context` ids (512), each beginning with the begin token in
 *                 place of its first id where the tokenizer adds one; the second half of each is scored; ids at the
 *                 end that fill no window are left out.
 *
 * A text of several documents is scored document by document, each with a context of its own, in one sum.
 *
 * Bits per byte are the mean bits of a scored id times the ids of the text over its bytes. */
#ifndef EVAL_PERPLEXITY_H
#define EVAL_PERPLEXITY_H

#include "eval/likelihood.h"

typedef enum perplexity_kind {
    PERPLEXITY_HONE,
    PERPLEXITY_TRANSFORMERS,
    PERPLEXITY_LLAMA_CPP
} perplexity_kind;
#define PERPLEXITY_NAMES "hone", "transformers", "llama.cpp"

typedef struct perplexity_options {
    perplexity_kind kind;
    int64_t stride; /* 0: half of the context */
    likelihood_begin begin;
    const int64_t *
        ends; /* of the text's documents (eval/document_text.h), `documents` of them; NULL: it is one */
    int64_t documents;
    arena *keep; /* of the result's `each`; NULL: it is not kept */
} perplexity_options;

typedef struct perplexity_result {
    double perplexity, standard_error; /* of the perplexity, as if ids were independent */
    double nats, bits_per_byte;        /* mean of a token; see above */
    int64_t tokens, scored, bytes, windows, documents; /* documents: of which ids were scored */
    const likelihood_sum *each;                        /* by window */
} perplexity_result;

status perplexity_run(likelihood *l, const char *text, int64_t length, const perplexity_options *o,
                      perplexity_result *out) MUST_USE;

#endif
