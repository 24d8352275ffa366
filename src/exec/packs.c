/* Packs in memory or in a file (exec/packs.h). */
#include "exec/packs.h"
#include "base/cache.h"
#include "base/hash.h"
#include "base/large_pages.h"
#include "base/log.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UNIT = 4096, PATH_BYTES = 4096 };
static const int64_t LEAST_BYTES = 32 << 20; /* below this packing is quicker than looking */

typedef struct header {
    char magic[8];
    uint64_t identity, size_bytes;
} header;

static uint64_t identity_of(const plan *p) {
    hash_xxh64_state s;
    hash_xxh64_begin(&s, p->options.pack_key);
    for (int32_t i = 0; i < p->n_packs; i++) {
        const plan_pack *k = &p->packs[i];
        const node *n = value_node(p->g, graph_storage(p->g, k->from));
        const char *parts[] = {n->name ? n->name : "", value_type(p->g, k->from)->format->name,
                               k->def->name};
        for (int64_t j = 0; j < COUNT_OF(parts); j++)
            hash_xxh64_add(&s, parts[j], strlen(parts[j]) + 1);
        hash_xxh64_add(&s, &k->size_bytes, sizeof k->size_bytes);
    }
    return hash_xxh64_value(&s);
}

static int64_t file_bytes(const plan *p) {
    int64_t size_bytes = UNIT;
    for (int32_t i = 0; i < p->n_packs; i++) size_bytes += round_up(p->packs[i].size_bytes, UNIT);
    return size_bytes;
}

/* A file holds what stays as it is: every pack, or none of them. */
static bool may_lie_in_file(const plan *p) {
    bool stays = p->options.pack_file && p->n_packs && p->packed_bytes >= LEAST_BYTES;
    for (int32_t i = 0; stays && i < p->n_packs; i++) stays = !p->packs[i].renewed;
    return stays;
}

static bool map_file(plan *p, int fd, int64_t size_bytes, int protection) {
    void *map = mmap(NULL, (size_t)size_bytes, protection, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return false;
    int64_t at = UNIT;
    large_pages_wish(map, (size_t)size_bytes);
    p->pack_map = map;
    p->pack_map_bytes = size_bytes;
    for (int32_t i = 0; i < p->n_packs; i++) {
        p->packs[i].data = p->pack_map + at;
        at += round_up(p->packs[i].size_bytes, UNIT);
    }
    return true;
}

static bool open_file(plan *p, uint64_t identity, int64_t size_bytes) {
    header h;
    struct stat st;
    int fd = open(p->options.pack_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool fits = !fstat(fd, &st) && st.st_size == size_bytes &&
                pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h &&
                !memcmp(h.magic, "HONEPACK", sizeof h.magic) && h.identity == identity &&
                h.size_bytes == (uint64_t)size_bytes && map_file(p, fd, size_bytes, PROT_READ);
    close(fd);
    return fits;
}

static bool aside(const plan *p, char *path) {
    int n = snprintf(path, PATH_BYTES, "%s.tmp-%ld", p->options.pack_file, (long)getpid());
    return n > 0 && n < PATH_BYTES;
}

/* A file aside with room for all, so that writing into its mapping cannot fail. */
static bool begin_file(plan *p, uint64_t identity, int64_t size_bytes) {
    char path[PATH_BYTES];
    header h = {.magic = "HONEPAC", .identity = identity, .size_bytes = (uint64_t)size_bytes};
    h.magic[7] = 'K';
    if (!aside(p, path)) return false;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return false;
    bool begun = !posix_fallocate(fd, 0, size_bytes) &&
                 pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h &&
                 map_file(p, fd, size_bytes, PROT_READ | PROT_WRITE);
    if (!begun) {
        close(fd);
        unlink(path);
        return false;
    }
    p->pack_fd = fd;
    return true;
}

static status take_memory(plan *p) {
    for (int32_t i = 0; i < p->n_packs; i++) {
        p->packs[i].data = context_alloc(p->cx, (size_t)p->packs[i].size_bytes);
        if (!p->packs[i].data) return context_note(p->cx, STATUS_NO_MEMORY, "a packed layout");
    }
    return STATUS_OK;
}

status packs_place(plan *p) {
    p->pack_fd = -1;
    if (p->options.dry_run) return STATUS_OK;
    if (!may_lie_in_file(p)) return take_memory(p);
    uint64_t identity = identity_of(p);
    int64_t size_bytes = file_bytes(p);
    cache_use(p->options.pack_file, size_bytes);
    p->packs_ready = open_file(p, identity, size_bytes);
    if (p->packs_ready || begin_file(p, identity, size_bytes)) return STATUS_OK;
    log_debug("'%s' cannot be written: packed weights lie in memory", p->options.pack_file);
    return take_memory(p);
}

void packs_written(plan *p) {
    char path[PATH_BYTES];
    if (p->pack_fd < 0 || !aside(p, path)) return;
    bool named = !msync(p->pack_map, (size_t)p->pack_map_bytes, MS_SYNC) && !fsync(p->pack_fd) &&
                 !rename(path, p->options.pack_file);
    if (!named) {
        log_debug("'%s' could not be completed", p->options.pack_file);
        unlink(path); /* the mapping stays good */
    }
    (void)mprotect(p->pack_map, (size_t)p->pack_map_bytes, PROT_READ);
    close(p->pack_fd);
    p->pack_fd = -1;
    p->packs_ready = true;
}

void packs_free(plan *p) {
    char path[PATH_BYTES];
    if (!p->pack_map) {
        for (int32_t i = 0; i < p->n_packs; i++) context_release(p->cx, p->packs[i].data);
        return;
    }
    if (p->pack_fd >= 0) { /* never completed */
        close(p->pack_fd);
        if (aside(p, path)) unlink(path);
    }
    munmap(p->pack_map, (size_t)p->pack_map_bytes);
}
