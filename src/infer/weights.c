/* Keys of packed weights, and releasing mapped files (infer/weights.h). */
#include "infer/weights.h"
#include "base/cache.h"
#include "base/file.h"
#include "base/hash.h"
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool add_file(hash_xxh64_state *s, const char *path) {
    struct stat st;
    if (stat(path, &st)) return false;
    int64_t facts[] = {(int64_t)st.st_dev, (int64_t)st.st_ino, (int64_t)st.st_size,
                       (int64_t)st.st_mtim.tv_sec, (int64_t)st.st_mtim.tv_nsec};
    hash_xxh64_add(s, facts, sizeof facts);
    return true;
}

/* File i of those that the tensors lie in; NULL past the last. */
static const char *file_at(const model *m, int32_t i, file_map *map) {
    bool gguf = m->file.kind == MODELFILE_GGUF;
    if (i >= (gguf ? m->file.gguf.n_files : m->file.safetensors.n_files)) return NULL;
    *map = gguf ? m->file.gguf.files[i].map : m->file.safetensors.files[i].map;
    return gguf ? m->file.gguf.files[i].path : m->file.safetensors.files[i].path;
}

uint64_t weights_key(const model *m) {
    hash_xxh64_state s;
    file_map map;
    const char *path;
    hash_xxh64_begin(&s, 0);
    for (int32_t i = 0; (path = file_at(m, i, &map)); i++)
        if (!add_file(&s, path)) return 0;
    return hash_xxh64_value(&s);
}

status weights_pack_file(arena *mem, uint64_t key, const char **path, uint64_t *pack_key) {
    char name[48], file[4096];
    hash_xxh64_state s;
    *path = NULL;
    hash_xxh64_begin(&s, key);
    snprintf(name, sizeof name, "packs/%016llx.pack", (unsigned long long)key);
    if (!add_file(&s, "/proc/self/exe") || !cache_path(name, file, sizeof file))
        return STATUS_OK;
    *pack_key = hash_xxh64_value(&s);
    *path = arena_strdup(mem, file);
    return *path ? STATUS_OK : STATUS_NO_MEMORY;
}

void weights_release(void *user, const void *data, int64_t size_bytes) {
    const model *m = user;
    file_map map;
    uintptr_t unit = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
    uintptr_t from = (at + unit - 1) / unit * unit, to = (at + (uintptr_t)size_bytes) / unit * unit;
    for (int32_t i = 0; file_at(m, i, &map); i++) {
        uintptr_t begin = (uintptr_t)map.bytes, end = begin + (uintptr_t)map.size_bytes;
        if (at >= begin && at + (uintptr_t)size_bytes <= end && from < to)
            (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
}
