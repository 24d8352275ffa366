/* Large pieces go straight to write(2); small ones gather in one buffer of 256 KiB. */
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 18, WRITE_STEP_BYTES = 1 << 30 };

status file_map_open(context *cx, const char *path, file_map *out) {
    *out = (file_map){.bytes = ""};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) FAIL(cx, STATUS_IO, "'%s': %s", path, strerror(errno));
    struct stat info;
    status st = STATUS_OK;
    if (fstat(fd, &info)) {
        st = context_fail(cx, STATUS_IO, "'%s': %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        st = context_fail(cx, STATUS_BAD_ARGUMENT, "'%s' is not a regular file", path);
    } else if (info.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            st = context_fail(cx, STATUS_IO, "mapping '%s': %s", path, strerror(errno));
        } else {
            *out = (file_map){bytes, info.st_size};
        }
    }
    close(fd);
    return st;
}

void file_map_release(const file_map *map, int64_t at, int64_t size_bytes) {
    int64_t page = sysconf(_SC_PAGESIZE), from = round_up(at, page);
    int64_t to = (at + size_bytes) / page * page;
    if (to > from) (void)madvise((void *)(map->bytes + from), (size_t)(to - from), MADV_DONTNEED);
}

void file_map_close(file_map *map) {
    if (map->size_bytes > 0) munmap((void *)(uintptr_t)map->bytes, (size_t)map->size_bytes);
    *map = (file_map){.bytes = ""};
}

status file_sha256(context *cx, const char *path, char out[SHA256_TEXT_BYTES]) {
    file_map map;
    uint8_t digest[SHA256_BYTES];
    TRY(file_map_open(cx, path, &map));
    hash_sha256(map.bytes, (size_t)map.size_bytes, digest);
    hash_sha256_text(digest, out);
    file_map_close(&map);
    return STATUS_OK;
}

static status io_error(file_writer *w, const char *what) {
    return context_fail(w->cx, STATUS_IO, "%s '%s': %s", what, w->path, strerror(errno));
}

static char *copy_text(context *cx, const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    char *text = context_alloc(cx, n + m + 1);
    if (!text) return NULL;
    memcpy(text, a, n);
    memcpy(text + n, b, m + 1);
    return text;
}

status file_create(context *cx, const char *path, file_writer *out) {
    char suffix[32];
    snprintf(suffix, sizeof suffix, ".tmp-%ld", (long)getpid());
    *out = (file_writer){.cx = cx, .fd = -1};
    out->path = copy_text(cx, path, "");
    out->aside = out->path ? copy_text(cx, path, suffix) : NULL;
    out->buffer = out->aside ? context_alloc(cx, BUFFER_BYTES) : NULL;
    status st = out->buffer ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        out->fd = open(out->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (out->fd < 0) st = io_error(out, "creating");
    }
    if (st != STATUS_OK) file_abandon(out);
    return st;
}

static status write_out(file_writer *w, const char *bytes, int64_t n) {
    while (n > 0) {
        ssize_t done = write(w->fd, bytes, (size_t)MIN_OF(n, WRITE_STEP_BYTES));
        if (done < 0) {
            if (errno == EINTR) continue;
            return io_error(w, "writing");
        }
        bytes += done;
        n -= done;
    }
    return STATUS_OK;
}

status file_write(file_writer *w, const void *bytes, int64_t size_bytes) {
    w->written_bytes += size_bytes;
    bool direct = size_bytes > BUFFER_BYTES / 2;
    if (direct || w->buffered + size_bytes > BUFFER_BYTES) {
        TRY(write_out(w, w->buffer, w->buffered));
        w->buffered = 0;
    }
    if (direct) return write_out(w, bytes, size_bytes);
    if (size_bytes) memcpy(w->buffer + w->buffered, bytes, (size_t)size_bytes);
    w->buffered += size_bytes;
    return STATUS_OK;
}

status file_write_padding(file_writer *w, int64_t unit) {
    static const char zeros[256];
    int64_t n = round_up(w->written_bytes, unit) - w->written_bytes;
    while (n > 0) {
        int64_t step = MIN_OF(n, (int64_t)sizeof zeros);
        TRY(file_write(w, zeros, step));
        n -= step;
    }
    return STATUS_OK;
}

/* A rename lasts only when its folder is on disk too. */
static status sync_folder(file_writer *w) {
    char *slash = strrchr(w->aside, '/');
    if (slash) slash[slash == w->aside ? 1 : 0] = 0;
    int fd = open(slash ? w->aside : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_error(w, "syncing the folder of");
    status st = fsync(fd) && errno != EINVAL ? io_error(w, "syncing the folder of") : STATUS_OK;
    close(fd);
    return st;
}

static void release(file_writer *w) {
    if (w->fd >= 0) close(w->fd);
    context_release(w->cx, w->path);
    context_release(w->cx, w->aside);
    context_release(w->cx, w->buffer);
    *w = (file_writer){.cx = w->cx, .fd = -1};
}

status file_commit(file_writer *w) {
    status st = write_out(w, w->buffer, w->buffered);
    if (st == STATUS_OK && fsync(w->fd)) st = io_error(w, "syncing");
    if (st == STATUS_OK && rename(w->aside, w->path)) st = io_error(w, "renaming to");
    if (st != STATUS_OK) {
        file_abandon(w);
        return st;
    }
    st = sync_folder(w);
    release(w);
    return st;
}

void file_abandon(file_writer *w) {
    if (!w->cx) return;
    if (w->fd >= 0) unlink(w->aside);
    release(w);
}

status file_write_whole(context *cx, const char *path, const void *bytes, int64_t size_bytes) {
    file_writer w;
    TRY(file_create(cx, path, &w));
    status st = file_write(&w, bytes, size_bytes);
    if (st == STATUS_OK) return file_commit(&w);
    file_abandon(&w);
    return st;
}

status file_copy(context *cx, const char *from, const char *to) {
    file_map map;
    TRY(file_map_open(cx, from, &map));
    status st = file_write_whole(cx, to, map.bytes, map.size_bytes);
    file_map_close(&map);
    return st;
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

status file_check_new(context *cx, const char *path) {
    if (file_exists(path))
        FAIL(cx, STATUS_BAD_ARGUMENT, "'%s' is there already: remove it, or name another", path);
    return STATUS_OK;
}

bool file_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

void file_make_folders(const char *path) {
    char part[4096];
    for (const char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(at - path), path);
        (void)mkdir(part, 0777); /* what matters is whether the file can be opened */
    }
}
