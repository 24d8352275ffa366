/* How often each word comes in the documents of text files, words being what a tokenizer's pattern cuts. All
 * threads count, each into a table of its own; the tables are added at the end. Memory is bounded: a table that
 * grows past a limit drops the words it has seen once (as lossy counting does: Manku and Motwani, VLDB 2002). */
#ifndef TEXT_WORD_COUNTS_H
#define TEXT_WORD_COUNTS_H

#include "text/documents.h"
#include "text/vocab.h"

typedef struct word_counts {
    context *cx;
    vocab words;
    int64_t *count; /* by id */
    int64_t capacity;
    int64_t dropped, text_bytes;
} word_counts;

typedef struct word_count_options {
    document_options input;
    const char *pattern; /* a regular expression; NULL: documents are words */
    int threads;         /* 0: all */
    int64_t most_words;  /* of one table; 0: 16 million */
} word_count_options;

status word_counts_make(context *cx, const word_count_options *options, word_counts *out) MUST_USE;
void word_counts_free(word_counts *w);

#endif
