/* Power loss and a full disk. A run's writes, syncs and renames are written down by a shim (test/shim/disk.c); then the
 * machine "loses power" after each of them, and what would be on the disk is laid out anew: of a file what was
 * synced, of names either all changes or only those whose folder was synced. From every such disk the run resumes to
 * the same weights. The control leaves out the syncs, and must not always come through. */
#include "base/hash.h"
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FILES = 256, PATH = 600, LINE = 2048, HASH = 80 };

typedef struct disk_file {
    char name[160];
    char *bytes, *kept; /* as the program sees it; as it was when its folder was synced last */
    size_t size, synced, kept_size;
    bool there, kept_there;
} disk_file;

typedef struct disk {
    disk_file file[MOST_FILES];
    int n;
} disk;

typedef struct record {
    char kind;
    uint32_t lengths[2];
    const char *path, *rest;
} record;

static const char *next_record(const char *at, const char *end, record *r) {
    if (end - at < 9) return NULL;
    r->kind = *at;
    memcpy(r->lengths, at + 1, sizeof r->lengths);
    r->path = at + 9;
    r->rest = r->path + r->lengths[0];
    return r->rest + r->lengths[1];
}

/* By the name below the run's folder. */
static disk_file *find(disk *d, const char *path, size_t length, size_t folder) {
    char name[160];
    snprintf(name, sizeof name, "%.*s", (int)(length - folder), path + folder);
    for (int i = 0; i < d->n; i++)
        if (!strcmp(d->file[i].name, name)) return &d->file[i];
    if (d->n == MOST_FILES) abort();
    disk_file *f = &d->file[d->n++];
    *f = (disk_file){0};
    snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}

static void append(disk_file *f, const char *bytes, size_t n) {
    f->bytes = realloc(f->bytes, f->size + n + 1);
    if (!f->bytes) abort();
    memcpy(f->bytes + f->size, bytes, n);
    f->size += n;
}

static void keep_names(disk *d) {
    for (int i = 0; i < d->n; i++) {
        disk_file *f = &d->file[i];
        free(f->kept);
        f->kept_there = f->there;
        f->kept_size = f->there ? f->synced : 0;
        f->kept = malloc(f->kept_size + 1);
        if (!f->kept) abort();
        if (f->kept_size) memcpy(f->kept, f->bytes, f->kept_size);
    }
}

static void play(disk *d, const record *r, size_t folder, bool sync_counts) {
    bool of_folder = r->kind == 'S' && !memchr(r->path, '.', r->lengths[0]);
    if (of_folder) {
        keep_names(d);
        return;
    }
    disk_file *f = find(d, r->path, r->lengths[0], folder);
    switch (r->kind) {
    case 'C':
        f->size = f->synced = 0;
        f->there = true;
        break;
    case 'W':
        append(f, r->rest, r->lengths[1]);
        break;
    case 'S':
        if (sync_counts) f->synced = f->size;
        break;
    case 'U':
        f->there = false;
        break;
    case 'R': {
        disk_file *to = find(d, r->rest, r->lengths[1], folder);
        free(to->bytes);
        to->bytes = f->bytes, to->size = f->size, to->synced = f->synced, to->there = true;
        f->bytes = NULL, f->size = f->synced = 0, f->there = false;
        break;
    }
    default:
        abort();
    }
}

/* What is left of a file; false: nothing. `late`: names change only when their folder is synced. */
static bool left(const disk_file *f, bool late, const char **bytes, size_t *n) {
    *bytes = late ? f->kept : f->bytes;
    *n = late ? f->kept_size : f->synced;
    return late ? f->kept_there : f->there;
}

static void lay_out(const disk *d, bool late, const char *folder) {
    char path[PATH], command[2 * PATH];
    const char *bytes;
    size_t n;
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s/data'", folder, folder);
    if (system(command)) abort();
    for (int i = 0; i < d->n; i++) {
        if (!left(&d->file[i], late, &bytes, &n)) continue;
        snprintf(path, sizeof path, "%s%s", folder, d->file[i].name);
        FILE *out = fopen(path, "wb");
        if (!out || (n && fwrite(bytes, n, 1, out) != 1) || fclose(out)) abort();
    }
}

static uint64_t fingerprint(const disk *d, bool late) {
    uint64_t h = 0;
    const char *bytes;
    size_t n;
    for (int i = 0; i < d->n; i++)
        if (left(&d->file[i], late, &bytes, &n))
            h = hash_xxh64(bytes, n, h ^ hash_xxh64(d->file[i].name, strlen(d->file[i].name), 1));
    return h;
}

static const char how[] = "--architecture llama --layers 1 --width 16 --heads 2 --context 16 "
                          "--batch 4 --tokenizer characters --no-record --no-tensorboard "
                          "--steps 8 --save-every 3 --evaluate-every 4 --threads 1 --json";

/* Runs the program; true when it came to its end, whose hash of weights is in `hash`. */
static bool run(const char *before, const char *folder, const char *out, const char *more,
                char hash[HASH]) {
    char command[2 * LINE], text[LINE];
    snprintf(command, sizeof command,
             "%s '" TEST_HONE "' train --text '%s/text' --out '%s' %s %s 2>'%s/errors'", before,
             folder, out, how, more, folder);
    FILE *f = popen(command, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    int state = f ? pclose(f) : -1;
    const char *at = strstr(text, "\"weights_sha256\":\"");
    snprintf(hash, HASH, "%.64s", at ? at + 18 : "");
    return state == 0 && at;
}

static void write_text(const char *folder) {
    char path[PATH];
    snprintf(path, sizeof path, "%s/text", folder);
    FILE *f = fopen(path, "wb");
    if (!f) abort();
    for (int i = 0; i < 300; i++) fprintf(f, "line %d of %d\n", i * 7 % 100, i);
    fclose(f);
}

static char *read_log(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    char *bytes = malloc(8 << 20);
    *n = f && bytes ? fread(bytes, 1, 8 << 20, f) : 0;
    if (f) fclose(f);
    return bytes;
}

/* Disks on which the run did not come to `want`, over every prefix of the log. */
static int lost(const char *log, size_t n, const char *folder, const char *was, const char *want,
                bool late, bool sync_counts, int *tried, int most) {
    disk *d = calloc(1, sizeof *d);
    char out[PATH], hash[HASH];
    uint64_t before = 0;
    int bad = 0;
    record r;
    snprintf(out, sizeof out, "%s/again", folder);
    for (const char *at = log, *end = log + n;
         d && (at = next_record(at, end, &r)) && bad < most;) {
        play(d, &r, strlen(was), sync_counts);
        uint64_t now = fingerprint(d, late);
        if (now == before) continue;
        before = now;
        lay_out(d, late, out);
        ++*tried;
        bad += !run("", folder, out, "--resume", hash) || strcmp(hash, want) != 0;
    }
    for (int i = 0; d && i < d->n; i++) {
        free(d->file[i].bytes);
        free(d->file[i].kept);
    }
    free(d);
    return bad;
}

static void loss(test *t) {
    char before[LINE], out[PATH], log_path[PATH], want[HASH];
    const char *folder = test_folder(t);
    size_t n;
    write_text(folder);
    snprintf(out, sizeof out, "%s/run", folder);
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(before, sizeof before,
             "ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD='" TEST_SHIM
             "' HONE_SHIM_FOLDER='%s' HONE_SHIM_LOG='%s'",
             out, log_path);
    CHECK(t, run(before, folder, out, "", want), "the run with the shim");
    char *log = read_log(log_path, &n);
    CHECK(t, log && n > 10000, "%d bytes of log", (int)n);
    for (int late = 0; late < 2; late++) {
        int tried = 0, bad = lost(log, n, folder, out, want, late, true, &tried, 1);
        CHECK(t, !bad && tried > 8, "%d of %d disks lost the run", bad, tried);
    }
    int tried = 0, bad = lost(log, n, folder, out, want, false, false, &tried, 1);
    CHECK(t, bad > 0, "without syncs all of %d disks came through", tried);
    free(log);
}

/* A disk that fills: the run fails in words, and its last checkpoint stands. */
static void full(test *t) {
    char before[LINE], out[PATH], want[HASH], got[HASH], path[PATH], words[LINE];
    const char *folder = test_folder(t);
    write_text(folder);
    snprintf(out, sizeof out, "%s/whole", folder);
    CHECK(t, run("", folder, out, "", want));
    snprintf(out, sizeof out, "%s/run", folder);
    snprintf(before, sizeof before,
             "ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD='" TEST_SHIM
             "' HONE_SHIM_FOLDER='%s' HONE_SHIM_ROOM=150000",
             out);
    CHECK(t, !run(before, folder, out, "", got));
    snprintf(path, sizeof path, "%s/errors", folder);
    FILE *f = fopen(path, "rb");
    words[f ? fread(words, 1, sizeof words - 1, f) : 0] = 0;
    if (f) fclose(f);
    CHECK(t, strstr(words, "No space left") && strstr(words, "checkpoint"), "%s", words);
    CHECK(t, run("", folder, out, "--resume", got) && !strcmp(got, want), "%s", got);
}

const test_case suite_power[] = {{"loss", loss, .slow = true}, {"full", full, .slow = true}, {0}};
