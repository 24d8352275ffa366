/* The bytes of a file, of standard input ("-") or of what either holds compressed: gzip (RFC 1952, any number
 * of members) and zstd (RFC 8878, any number of frames) are known by their first bytes and undone on the
 * way. Memory is a few buffers, whatever the size. */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "base/hash.h"
#include "base/status.h"
#include <stdbool.h>

typedef struct stream {
    context *cx;
    const char *name; /* borrowed; what errors call it */
    int fd;
    char *raw;            /* as it is stored */
    int64_t from, to;     /* of `raw`, not yet used */
    bool ended;           /* nothing more to be read from the file */
    void *inflate, *zstd; /* z_stream, ZSTD_DStream; both NULL: plain */
    bool inside;          /* a member or frame has begun and not ended */
    int64_t stored_bytes;
    hash_sha256_state stored; /* of the stored bytes read so far */
} stream;

status stream_open(context *cx, const char *path, stream *out) MUST_USE;
/* Fine on a zeroed one. */
void stream_close(stream *s);
/* Up to `size_bytes`; fewer only at the end, where *got is 0 in the end. */
status stream_read(stream *s, char *out, int64_t size_bytes, int64_t *got) MUST_USE;
/* The size and the SHA-256 of the file as it is stored; complete after the last byte was read. */
void stream_stored(const stream *s, int64_t *size_bytes, char sha256[SHA256_TEXT_BYTES]);

#endif
