/* From text files to a token set: reads the documents, makes or takes a tokenizer, encodes on all threads,
 * writes shards. Memory stays bounded, whatever the size of the text.
 *
 * What is held out for validation is either one document out of every 1 / held_out, each drawn at random from
 * its stretch of the order they come in, or the end of the text, which is also taken where there are too few
 * documents for one to be drawn. */
#ifndef TEXT_PREPARE_H
#define TEXT_PREPARE_H

#include "text/documents.h"

typedef struct prepare_options {
    document_options input;
    const char *folder;
    const char *tokenizer;  /* a model's; or */
    bool bytes, characters; /* one of these; or */
    int64_t vocabulary;     /* above 0: byte-level BPE of this size is trained on the text */
    const char *pattern;    /* of the trained one: a name or a regular expression */
    const char *begin,
        *end; /* tokens around each document; NULL: the tokenizer's usual, "": none */
    double held_out;
    bool held_out_end; /* the end of the text */
    uint64_t seed;
    int64_t shard_bytes; /* 0: 256 MiB */
    int threads;         /* 0: all */
} prepare_options;

typedef struct prepare_result {
    int64_t vocabulary, text_bytes, sources, passed_over;
    int64_t documents[TOKEN_SPLITS], tokens[TOKEN_SPLITS];
    char passed_over_first[256];
} prepare_result;

status prepare_run(context *cx, const prepare_options *options, prepare_result *out) MUST_USE;

#endif
