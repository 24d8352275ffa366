/* What can be made again goes before the disk is full (base/cache.h). */
#include "base/cache.h"
#include "base/file.h"
#include "base/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

bool cache_path(const char *name, char *out, size_t size) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool own = cache && *cache;
    if (!own && !(home && *home)) return false;
    int n = snprintf(out, size, "%s%s/hone/%s", own ? cache : home, own ? "" : "/.cache", name);
    if (n < 0 || (size_t)n >= size) return false;
    file_make_folders(out);
    return true;
}

typedef struct contents {
    int64_t size_bytes;
    char oldest[NAME_MAX + 1];
    time_t used;
} contents;

static void look_at(int folder, const char *name, contents *out) {
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) return;
    out->size_bytes += (int64_t)st.st_blocks * 512;
    if (*out->oldest && st.st_mtime >= out->used) return;
    out->used = st.st_mtime;
    snprintf(out->oldest, sizeof out->oldest, "%s", name);
}

/* Removes the file that was used longest ago; false: all may stay, or it cannot be removed. */
static bool remove_oldest(DIR *folder, int64_t coming_bytes) {
    struct statvfs disk;
    contents all = {0};
    rewinddir(folder);
    for (struct dirent *e; (e = readdir(folder));) look_at(dirfd(folder), e->d_name, &all);
    if (!*all.oldest || fstatvfs(dirfd(folder), &disk)) return false;
    double room = (double)disk.f_bavail * (double)disk.f_frsize - (double)coming_bytes;
    bool crowded = (double)all.size_bytes + (double)coming_bytes > room;
    if (!crowded && time(NULL) - all.used <= CACHE_KEPT_DAYS * 24 * 3600) return false;
    log_debug("'%s' can be made again and is removed", all.oldest);
    return !unlinkat(dirfd(folder), all.oldest, 0);
}

void cache_use(const char *path, int64_t size_bytes) {
    char name[4096];
    const char *slash = strrchr(path, '/');
    if (!utimensat(AT_FDCWD, path, NULL, 0)) return;
    snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    DIR *folder = opendir(name);
    if (!folder) return;
    while (remove_oldest(folder, size_bytes)) {}
    closedir(folder);
}
