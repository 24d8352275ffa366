/* Scalars for TensorBoard: an event file, which it reads while it grows.
 *
 *   record  u64 bytes, u32 masked CRC-32C of these 8, data, u32 masked CRC-32C of the data; little-endian
 *           masked = rotate_right(crc, 15) + 0xa282ead8
 *   data    protobuf Event: 1 double wall_time, 2 int64 step, 3 string file_version (first record: "brain.Event:2"),
 *           5 Summary { 1 Value { 1 string tag, 2 float simple_value } }
 *
 * Each run of a program opens a file of its own, FOLDER/events.out.tfevents.SECONDS.PID; TensorBoard joins them, and
 * where steps go back (a resumed run) drops what came after. */
#ifndef STORE_TFEVENTS_H
#define STORE_TFEVENTS_H

#include "base/status.h"
#include <stdio.h>

typedef struct tfevents {
    context *cx;
    FILE *file;
} tfevents;

typedef struct tfevents_scalar {
    const char *tag;
    double value;
} tfevents_scalar;

status tfevents_open(context *cx, const char *folder, tfevents *out) MUST_USE;
status tfevents_write(tfevents *t, int64_t step, const tfevents_scalar *scalars,
                      int64_t n) MUST_USE;
/* Fine on a zeroed one. */
void tfevents_close(tfevents *t);

#endif
