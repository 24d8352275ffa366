/* Token shards: the ids of many documents in one file that is mapped to be read.
 *
 *     ids       u16 each, or u32 where the vocabulary needs it, little-endian, from byte 0
 *     zeros     to a multiple of 8
 *     starts    u64 for each document and one for the end, counted in ids, ascending from 0
 *     hashes    XXH64 of each 1 MiB block of all that is before (the last may be shorter)
 *     footer    u64 ids, u64 documents, u32 bytes of an id, u32 zero, u64 XXH64 of the hashes and of
 *               these 24 bytes, "HONETOK1"
 *
 * The footer comes last so that a shard is written in one stream whatever its size. A reader checks a
 * block when it first touches it, so that opening costs nothing and no corrupt id is ever handed out. */
#ifndef STORE_SHARD_H
#define STORE_SHARD_H

#include "base/file.h"
#include "base/hash.h"

typedef struct shard_list {
    uint64_t *item;
    int64_t count, capacity;
} shard_list;

typedef struct shard_writer {
    context *cx;
    file_writer file;
    int32_t id_bytes;
    int64_t ids;
    shard_list starts, hashes;
    hash_xxh64_state block;
    int64_t block_bytes; /* hashed into `block` so far */
    hash_sha256_state whole;
    char sha256[SHA256_TEXT_BYTES]; /* of the file, after shard_commit */
    int64_t size_bytes;             /* likewise */
} shard_writer;

/* Ids must be below `vocabulary`. */
status shard_create(context *cx, const char *path, int64_t vocabulary, shard_writer *out) MUST_USE;
/* Ids of the document in progress. */
status shard_add(shard_writer *w, const int32_t *ids, int64_t count) MUST_USE;
status shard_end_document(shard_writer *w) MUST_USE;
/* No document may be in progress. Frees the writer but for its counts and hash. */
status shard_commit(shard_writer *w) MUST_USE;
/* Fine on a zeroed writer and after shard_commit. */
void shard_abandon(shard_writer *w);

typedef struct shard {
    context *cx;
    char *path;
    file_map map;
    int64_t ids, documents, blocks;
    int32_t id_bytes;
    const char *starts, *hashes;
    uint8_t *checked; /* a bit for each block */
} shard;

/* Checks the footer, the hashes and the sizes; the blocks wait until they are read. */
status shard_open(context *cx, const char *path, shard *out) MUST_USE;
void shard_close(shard *s);
/* Where the document's ids lie: [from, to). */
status shard_document(shard *s, int64_t document, int64_t *from, int64_t *to) MUST_USE;
status shard_read(shard *s, int64_t from, int64_t count, int32_t *out) MUST_USE;
/* Checks the blocks of the bytes [from, from + size_bytes). */
status shard_check(shard *s, int64_t from, int64_t size_bytes) MUST_USE;

#endif
