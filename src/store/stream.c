/* One buffer of stored bytes; the decompressors write straight into the caller's memory. */
#include "store/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { RAW_BYTES = 1 << 18, GZIP_WINDOW = 15 + 16 };

static status read_failed(stream *s) {
    FAIL(s->cx, STATUS_IO, "reading '%s': %s", s->name, strerror(errno));
}

/* Reads more where nothing is left. */
static status refill(stream *s) {
    if (s->from < s->to || s->ended) return STATUS_OK;
    ssize_t n;
    do n = read(s->fd, s->raw, RAW_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0) return read_failed(s);
    s->from = 0;
    s->to = n;
    s->ended = n == 0;
    s->stored_bytes += n;
    hash_sha256_add(&s->stored, s->raw, (size_t)n);
    return STATUS_OK;
}

/* A pipe may give a byte at a time: the magic needs four. */
static status read_magic(stream *s) {
    while (s->to < 4 && !s->ended) {
        ssize_t n = read(s->fd, s->raw + s->to, (size_t)(RAW_BYTES - s->to));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return read_failed(s);
        s->ended = n == 0;
        s->to += n;
    }
    s->stored_bytes = s->to;
    hash_sha256_add(&s->stored, s->raw, (size_t)s->to);
    return STATUS_OK;
}

static status begin_gzip(stream *s) {
    z_stream *z = s->inflate = context_zalloc(s->cx, sizeof *z);
    if (!z) return STATUS_NO_MEMORY;
    if (inflateInit2(z, GZIP_WINDOW) == Z_OK) return STATUS_OK;
    context_release(s->cx, z);
    s->inflate = NULL;
    FAIL(s->cx, STATUS_NO_MEMORY, "'%s': no memory to decompress", s->name);
}

static status choose(stream *s) {
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (s->to >= 2 && !memcmp(s->raw, gzip, 2)) return begin_gzip(s);
    if (s->to < 4 || memcmp(s->raw, zstd, 4) != 0) return STATUS_OK;
    s->zstd = ZSTD_createDStream();
    if (!s->zstd) FAIL(s->cx, STATUS_NO_MEMORY, "'%s': no memory to decompress", s->name);
    return STATUS_OK;
}

status stream_open(context *cx, const char *path, stream *out) {
    bool input = !strcmp(path, "-");
    *out = (stream){.cx = cx, .name = input ? "standard input" : path, .fd = -1};
    hash_sha256_begin(&out->stored);
    out->fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (out->fd < 0) FAIL(cx, STATUS_IO, "'%s': %s", path, strerror(errno));
    out->raw = context_alloc(cx, RAW_BYTES);
    status st = out->raw ? read_magic(out) : STATUS_NO_MEMORY;
    if (st == STATUS_OK) st = choose(out);
    if (st != STATUS_OK) stream_close(out);
    return st;
}

void stream_close(stream *s) {
    if (!s->cx) return;
    if (s->fd > STDIN_FILENO) close(s->fd);
    if (s->inflate) inflateEnd(s->inflate);
    context_release(s->cx, s->inflate);
    ZSTD_freeDStream(s->zstd);
    context_release(s->cx, s->raw);
    *s = (stream){0};
}

/* One call of the decompressor: bytes used and made. */
static status inflate_some(stream *s, char *out, int64_t room, int64_t *used, int64_t *made) {
    z_stream *z = s->inflate;
    z->next_in = (unsigned char *)s->raw + s->from;
    z->avail_in = (unsigned)(s->to - s->from);
    z->next_out = (unsigned char *)out;
    z->avail_out = (unsigned)MIN_OF(room, 1 << 30);
    unsigned in = z->avail_in, offered = z->avail_out;
    if (!s->inside) inflateReset(z);
    int code = inflate(z, Z_NO_FLUSH);
    *used = in - z->avail_in;
    *made = offered - z->avail_out;
    s->inside = code != Z_STREAM_END;
    if (code == Z_OK || code == Z_STREAM_END || (code == Z_BUF_ERROR && (*used || *made)))
        return STATUS_OK;
    FAIL(s->cx, STATUS_BAD_DATA, "'%s' is corrupt: gzip says '%s' near byte %lld", s->name,
         z->msg ? z->msg : "no progress", (long long)(s->stored_bytes - (s->to - s->from)));
}

static status zstd_some(stream *s, char *out, int64_t room, int64_t *used, int64_t *made) {
    ZSTD_inBuffer in = {s->raw + s->from, (size_t)(s->to - s->from), 0};
    ZSTD_outBuffer to = {out, (size_t)room, 0};
    size_t code = ZSTD_decompressStream(s->zstd, &to, &in);
    *used = (int64_t)in.pos;
    *made = (int64_t)to.pos;
    if (ZSTD_isError(code))
        FAIL(s->cx, STATUS_BAD_DATA, "'%s' is corrupt: zstd says '%s' near byte %lld", s->name,
             ZSTD_getErrorName(code), (long long)(s->stored_bytes - (s->to - s->from)));
    s->inside = code != 0;
    return STATUS_OK;
}

static status read_some(stream *s, char *out, int64_t room, int64_t *made) {
    int64_t used = MIN_OF(room, s->to - s->from);
    *made = used;
    if (s->inflate)
        TRY(inflate_some(s, out, room, &used, made));
    else if (s->zstd)
        TRY(zstd_some(s, out, room, &used, made));
    else
        memcpy(out, s->raw + s->from, (size_t)used);
    s->from += used;
    return STATUS_OK;
}

status stream_read(stream *s, char *out, int64_t size_bytes, int64_t *got) {
    *got = 0;
    while (*got < size_bytes) {
        TRY(refill(s));
        if (s->from == s->to) {
            if (s->inside)
                FAIL(s->cx, STATUS_BAD_DATA, "'%s' is cut short: it ends inside compressed data",
                     s->name);
            break;
        }
        int64_t made;
        TRY(read_some(s, out + *got, size_bytes - *got, &made));
        *got += made;
    }
    return STATUS_OK;
}

void stream_stored(const stream *s, int64_t *size_bytes, char sha256[SHA256_TEXT_BYTES]) {
    uint8_t digest[SHA256_BYTES];
    *size_bytes = s->stored_bytes;
    hash_sha256_value(&s->stored, digest);
    hash_sha256_text(digest, sha256);
}
