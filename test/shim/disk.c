/* Preloaded into `hone`, it writes down what the program asks of the disk below HONE_SHIM_FOLDER, in order, to
 * HONE_SHIM_LOG, so that a test can play any part of it again; and it refuses writes (ENOSPC) after HONE_SHIM_ROOM
 * bytes. A record: one letter, u32 length of the path, u32 length of the rest, path, rest.
 *   C created   W written (rest: bytes)   S synced   R renamed (rest: to)   U removed */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHIM __attribute__((visibility("default")))
enum { MOST_FILES = 1024, PATH_BYTES = 4096 };

static char paths[MOST_FILES][256];
static int64_t written_bytes;

static void *next(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

static int is_watched(const char *path) {
    const char *folder = getenv("HONE_SHIM_FOLDER");
    return folder && path && !strncmp(path, folder, strlen(folder));
}

static void note(char kind, const char *path, const void *rest, size_t n) {
    static int fd = -2;
    int (*really_open)(const char *, int, ...) = (int (*)(const char *, int, ...))next("open");
    const char *log = getenv("HONE_SHIM_LOG");
    if (fd == -2) fd = log ? really_open(log, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd < 0) return;
    uint32_t lengths[2] = {(uint32_t)strlen(path), (uint32_t)n};
    struct iovec parts[] = {{&kind, 1},
                            {lengths, sizeof lengths},
                            {(void *)(uintptr_t)path, lengths[0]},
                            {(void *)(uintptr_t)rest, n}};
    if (writev(fd, parts, 4) < 0) abort();
}

SHIM int open(const char *path, int flags, ...) {
    int (*really)(const char *, int, ...) = (int (*)(const char *, int, ...))next("open");
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    int fd = really(path, flags, mode);
    if (fd >= 0 && fd < MOST_FILES) {
        paths[fd][0] = 0;
        if (is_watched(path)) snprintf(paths[fd], sizeof paths[fd], "%s", path);
        if (paths[fd][0] && flags & O_TRUNC) note('C', path, "", 0);
    }
    return fd;
}

SHIM int close(int fd) {
    if (fd >= 0 && fd < MOST_FILES) paths[fd][0] = 0;
    return ((int (*)(int))next("close"))(fd);
}

SHIM ssize_t write(int fd, const void *bytes, size_t n) {
    ssize_t (*really)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))next("write");
    const char *room = getenv("HONE_SHIM_ROOM");
    int watched = fd >= 0 && fd < MOST_FILES && paths[fd][0];
    if (watched && room && written_bytes + (int64_t)n > atoll(room)) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t done = really(fd, bytes, n);
    if (watched && done > 0) {
        written_bytes += done;
        note('W', paths[fd], bytes, (size_t)done);
    }
    return done;
}

SHIM int fsync(int fd) {
    int done = ((int (*)(int))next("fsync"))(fd);
    if (!done && fd >= 0 && fd < MOST_FILES && paths[fd][0]) note('S', paths[fd], "", 0);
    return done;
}

SHIM int rename(const char *from, const char *to) {
    int done = ((int (*)(const char *, const char *))next("rename"))(from, to);
    if (!done && is_watched(to)) note('R', from, to, strlen(to));
    return done;
}

SHIM int unlink(const char *path) {
    int done = ((int (*)(const char *))next("unlink"))(path);
    if (!done && is_watched(path)) note('U', path, "", 0);
    return done;
}
