/* The documents in text files, one after another, of any size: plain text (a file is a document, or what
 * lies between separators), JSONL (a field of each line), and tar archives of such files; each from a file or
 * standard input, plain or compressed (store/stream.h).
 *
 * A document comes in pieces, so that none needs to fit in memory. Pieces of text end where words end: behind
 * a line, before a character that is not white space (or, in text without such a place for 64 MiB, behind any
 * character). Text is checked to be UTF-8 (RFC 3629). */
#ifndef TEXT_DOCUMENTS_H
#define TEXT_DOCUMENTS_H

#include "store/stream.h"
#include "store/token_set.h"
#include "text/grow.h"

typedef enum document_format { DOCUMENTS_AUTO, DOCUMENTS_TEXT, DOCUMENTS_JSONL } document_format;

enum { DOCUMENTS_MOST_FIELDS = 16 };

typedef struct document_options {
    const char *const *files; /* "-": standard input */
    const char *const *names; /* what errors call them; NULL: by their names */
    int64_t n_files;
    document_format
        format; /* auto: JSONL by its name (.jsonl, .ndjson, .json), or a '{' at the begin of
                                  standard input */
    const char *const *fields; /* of JSONL; several are joined by newlines; none: "text" */
    int64_t n_fields;
    const char *separator; /* of documents within a text; NULL: none */
    bool replace_invalid;  /* what is not UTF-8 becomes U+FFFD, instead of an error */
    int64_t
        piece_bytes; /* a piece of text ends at the first place behind so many bytes; 0: 1 MiB */
} document_options;

typedef struct documents documents;

typedef struct document_piece {
    const char *text; /* until the next call */
    int64_t length;
    bool first, last; /* of its document */
    bool end;         /* there is nothing more; no text */
} document_piece;

/* The options' texts are borrowed. Files are opened one after another. */
status documents_open(context *cx, const document_options *options, documents **out) MUST_USE;
void documents_close(documents *d); /* NULL is fine */
/* Empty documents are passed over. */
status documents_next(documents *d, document_piece *out) MUST_USE;
/* What has been read so far: a source for each file that is finished. */
const token_source *documents_sources(const documents *d, int64_t *count);
/* Names of files in archives that are neither text nor JSONL are passed over: how many were, and the first. */
int64_t documents_passed_over(const documents *d, const char **first);

#endif
