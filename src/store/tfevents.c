#include "store/tfevents.h"
#include "base/hash.h"
#include "base/time.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_BYTES = 4096, VALUE_BYTES = 160, TAG_BYTES = 100 };
enum { WIRE_VARINT = 0, WIRE_DOUBLE = 1, WIRE_BYTES = 2, WIRE_FLOAT = 5 };
#define CRC_MASK UINT32_C(0xa282ead8)

typedef struct message {
    uint8_t bytes[RECORD_BYTES];
    size_t length;
} message;

static void put_bytes(message *m, const void *bytes, size_t n) {
    if (n > sizeof m->bytes - m->length) n = sizeof m->bytes - m->length;
    memcpy(m->bytes + m->length, bytes, n);
    m->length += n;
}

static void put_varint(message *m, uint64_t v) {
    for (; v > 127; v >>= 7) put_bytes(m, &(uint8_t){(uint8_t)(v | 128)}, 1);
    put_bytes(m, &(uint8_t){(uint8_t)v}, 1);
}

static void put_key(message *m, int field, int wire) {
    put_varint(m, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_block(message *m, int field, const void *bytes, size_t n) {
    put_key(m, field, WIRE_BYTES);
    put_varint(m, n);
    put_bytes(m, bytes, n);
}

static uint32_t masked_crc(const void *bytes, size_t n) {
    uint32_t crc = hash_crc32c(bytes, n);
    return (crc >> 15 | crc << 17) + CRC_MASK;
}

static void begin_event(message *m, int64_t step) {
    double now = (double)time_unix_seconds();
    m->length = 0;
    put_key(m, 1, WIRE_DOUBLE);
    put_bytes(m, &now, sizeof now);
    put_key(m, 2, WIRE_VARINT);
    put_varint(m, (uint64_t)step);
}

static status write_record(tfevents *t, const message *m) {
    uint64_t length = m->length;
    uint32_t crc = masked_crc(&length, sizeof length), data_crc = masked_crc(m->bytes, m->length);
    fwrite(&length, sizeof length, 1, t->file);
    fwrite(&crc, sizeof crc, 1, t->file);
    fwrite(m->bytes, 1, m->length, t->file);
    fwrite(&data_crc, sizeof data_crc, 1, t->file);
    if (fflush(t->file) || ferror(t->file))
        FAIL(t->cx, STATUS_IO, "writing TensorBoard's events: %s", strerror(errno));
    return STATUS_OK;
}

status tfevents_open(context *cx, const char *folder, tfevents *out) {
    static const char version[] = "brain.Event:2";
    char path[4096];
    message m;
    *out = (tfevents){.cx = cx};
    snprintf(path, sizeof path, "%s/events.out.tfevents.%lld.%ld", folder,
             (long long)time_unix_seconds(), (long)getpid());
    out->file = fopen(path, "wb");
    if (!out->file) FAIL(cx, STATUS_IO, "'%s': %s", path, strerror(errno));
    begin_event(&m, 0);
    put_block(&m, 3, version, sizeof version - 1);
    status st = write_record(out, &m);
    if (st != STATUS_OK) tfevents_close(out);
    return st;
}

status tfevents_write(tfevents *t, int64_t step, const tfevents_scalar *scalars, int64_t n) {
    message m, summary = {.length = 0}, one;
    for (int64_t i = 0; i < n; i++) {
        float v = (float)scalars[i].value;
        one.length = 0;
        put_block(&one, 1, scalars[i].tag, strnlen(scalars[i].tag, TAG_BYTES));
        put_key(&one, 2, WIRE_FLOAT);
        put_bytes(&one, &v, sizeof v);
        if (summary.length + one.length + VALUE_BYTES > RECORD_BYTES)
            FAIL(t->cx, STATUS_BUG, "%lld scalars do not fit one event", (long long)n);
        put_block(&summary, 1, one.bytes, one.length);
    }
    begin_event(&m, step);
    put_block(&m, 5, summary.bytes, summary.length);
    return write_record(t, &m);
}

void tfevents_close(tfevents *t) {
    if (t->file) fclose(t->file);
    *t = (tfevents){0};
}
