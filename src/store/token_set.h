/* A folder of prepared text: token shards, split for training and validation, the tokenizer that made
 * them, and a manifest that names everything with its SHA-256.
 *
 *     manifest.json          {"format": "hone-tokens-1", "vocabulary": 65, "begin": null, "end": 64,
 *                             "tokenizer": {"file": "tokenizer.json", "sha256": "..."},
 *                             "splits": {"train": {"tokens": ..., "documents": ..., "shards": [
 *                                 {"file": "train-00000.tok", "tokens": ..., "documents": ...,
 *                                  "bytes": ..., "sha256": "..."}, ...]},
 *                              "validation": {...}},
 *                             "sources": [{"name": ..., "bytes": ..., "sha256": ...}, ...]}
 *     tokenizer.json         or tokenizer.model, or tokenizer.gguf
 *     train-00000.tok, ... validation-00000.tok, ...     (shard.h)
 *
 * "begin" and "end" are the ids that stand around each document in the shards, null where none do. The
 * manifest is written last: a folder without one is not a token set. */
#ifndef STORE_TOKEN_SET_H
#define STORE_TOKEN_SET_H

#include "base/arena.h"
#include "store/shard.h"

typedef enum token_split { TOKENS_TRAIN, TOKENS_VALIDATION, TOKEN_SPLITS } token_split;
extern const char *const token_split_names[TOKEN_SPLITS + 1]; /* closed by NULL */

typedef struct token_part {
    int64_t tokens, documents, n_shards;
    shard *shards;
    const char *const *sha256; /* of each */
} token_part;

typedef struct token_set {
    context *cx;
    arena memory;
    const char *folder, *tokenizer; /* the tokenizer's path */
    const char *tokenizer_sha256;
    int64_t vocabulary;
    int32_t begin, end; /* -1: none */
    token_part part[TOKEN_SPLITS];
    char sha256[SHA256_TEXT_BYTES]; /* of the manifest: names the data */
} token_set;

/* Reads the manifest, opens the shards and compares sizes; hashes are checked as shards are read. */
status token_set_open(context *cx, const char *folder, token_set *out) MUST_USE;
/* Fine on a zeroed one. */
void token_set_close(token_set *s);
/* Reads everything: each file against its SHA-256 in the manifest. */
status token_set_verify(token_set *s) MUST_USE;

/* ---- writing ---- */

typedef struct token_set_writer {
    context *cx;
    arena memory;
    const char *folder;
    int64_t vocabulary, shard_bytes;
    struct token_part_writer *part; /* TOKEN_SPLITS */
    bool committed;
} token_set_writer;

typedef struct token_source {
    const char *name;
    int64_t size_bytes;
    char sha256[SHA256_TEXT_BYTES];
} token_source;

typedef struct token_set_facts {
    const char *tokenizer; /* its file's name in the folder */
    int32_t begin, end;
    const token_source *sources;
    int64_t n_sources;
} token_set_facts;

/* Makes the folder, which must not exist, be empty, or hold nothing but what an interrupted writer left
 * there (which is removed). A shard ends with the first document that takes it to `shard_bytes`. */
status token_set_create(context *cx, const char *folder, int64_t vocabulary, int64_t shard_bytes,
                        token_set_writer *out) MUST_USE;
status token_set_add(token_set_writer *w, token_split split, const int32_t *ids,
                     int64_t count) MUST_USE;
status token_set_end_document(token_set_writer *w, token_split split) MUST_USE;
/* Documents and ids that a split has so far, the one in progress included. */
void token_set_counts(const token_set_writer *w, token_split split, int64_t *documents,
                      int64_t *ids);
/* Moves the last `fraction` of all training ids to validation, cutting the document at the border in two.
 * Nothing may have been added to validation, and nothing may be added afterwards. */
status token_set_split_end(token_set_writer *w, double fraction) MUST_USE;
/* The tokenizer's file must be in the folder. token_set_abandon must follow, whatever comes back. */
status token_set_commit(token_set_writer *w, const token_set_facts *facts) MUST_USE;
/* Without a commit before it, removes what was written, the folder too where it is then empty. */
void token_set_abandon(token_set_writer *w);

#endif
