/* A text to be scored: a plain file is one text; of JSONL (.jsonl, .ndjson, .json, compressed too) each line's "text"
 * is a document with a context of its own. */
#ifndef EVAL_DOCUMENT_TEXT_H
#define EVAL_DOCUMENT_TEXT_H

#include "base/file.h"
#include "text/grow.h"

typedef struct document_text {
    const char *bytes; /* the documents end to end */
    int64_t size_bytes;
    const int64_t *ends; /* where each ends; NULL: it is one text */
    int64_t documents;
    file_map map;
    text_buffer joined;
    context *cx;
    int64_t *ends_taken;
} document_text;

status document_text_open(context *cx, const char *path, document_text *out) MUST_USE;
void document_text_close(document_text *d); /* fine on a zeroed one */

#endif
