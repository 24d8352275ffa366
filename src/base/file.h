/* Files whole: mapped to be read, written aside to appear only when complete.
 *
 * A reader sees either the old file or the new one, never half: the new bytes go to "PATH.tmp-PID",
 * are synced, and the name is moved over the old one; then the folder is synced. Failing or
 * abandoning the writing removes the file aside. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/hash.h"
#include "base/status.h"
#include <stdbool.h>

typedef struct file_map {
    const char *bytes; /* page-aligned; of an empty file "" */
    int64_t size_bytes;
} file_map;

/* Maps a regular file read-only. */
status file_map_open(context *cx, const char *path, file_map *out) MUST_USE;
void file_map_close(file_map *map);
/* Of the whole file, in hexadecimal digits. */
status file_sha256(context *cx, const char *path, char out[SHA256_TEXT_BYTES]) MUST_USE;
/* Lets go of the whole pages of [at, at + size_bytes): they are read again where they are wanted again. */
void file_map_release(const file_map *map, int64_t at, int64_t size_bytes);

typedef struct file_writer {
    context *cx;
    char *path, *aside;
    char *buffer;
    int64_t buffered, written_bytes; /* written_bytes counts what is buffered too */
    int fd;
} file_writer;

status file_create(context *cx, const char *path, file_writer *out) MUST_USE;
/* After an error of file_write, file_abandon must follow. */
status file_write(file_writer *w, const void *bytes, int64_t size_bytes) MUST_USE;
/* Zeros until written_bytes is a multiple of `unit`. */
status file_write_padding(file_writer *w, int64_t unit) MUST_USE;
/* Syncs and renames; frees the writer, also on failure. */
status file_commit(file_writer *w) MUST_USE;
/* Removes what was written aside; fine after file_commit and on a zeroed writer. */
void file_abandon(file_writer *w);
/* Writes a whole file by the steps above. */
status file_write_whole(context *cx, const char *path, const void *bytes,
                        int64_t size_bytes) MUST_USE;
status file_copy(context *cx, const char *from, const char *to) MUST_USE;

/* Makes the folders above a path's last slash where they are missing. What cannot be made shows when the file is
 * opened. */
void file_make_folders(const char *path);
bool file_exists(const char *path);
/* Refuses a path where something is: what a verb makes takes the place of nothing. */
status file_check_new(context *cx, const char *path) MUST_USE;
bool file_is_folder(const char *path);

#endif
