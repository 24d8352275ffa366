/* Every seed of fuzz/corpus/NAME goes through the target fuzz/NAME.c, whole and cut short. The build lists
 * the targets; a target stops the program where it finds something wrong. */
#include "test.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define FUZZ_TARGET(name) int seed_##name(const uint8_t *data, size_t size);
#include "fuzz_targets.h"
#undef FUZZ_TARGET

static const struct {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
} targets[] = {
#define FUZZ_TARGET(name) {#name, seed_##name},
#include "fuzz_targets.h"
#undef FUZZ_TARGET
};

enum { LARGEST_SEED_BYTES = 65536, FEWEST_SEEDS = 5 };

/* In memory of its own size, so that a sanitizer sees one byte too many. */
static bool run_exact(int (*run)(const uint8_t *, size_t), const uint8_t *seed, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) return false;
    memcpy(exact, seed, size);
    run(exact, size);
    free(exact);
    return true;
}

static int replay(int64_t target) {
    static uint8_t seed[LARGEST_SEED_BYTES];
    char folder[300], path[700];
    int count = 0;
    snprintf(folder, sizeof folder, "fuzz/corpus/%s", targets[target].name);
    DIR *seeds = opendir(folder);
    if (!seeds) return 0;
    for (struct dirent *e; (e = readdir(seeds));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *file = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file) continue;
        size_t n = fread(seed, 1, sizeof seed, file);
        fclose(file);
        if (!run_exact(targets[target].run, seed, n)) break;
        if (!run_exact(targets[target].run, seed, n / 2)) break;
        count++;
    }
    closedir(seeds);
    return count;
}

static void every_seed(test *t) {
    for (int64_t i = 0; i < COUNT_OF(targets); i++) {
        int count = replay(i);
        CHECK(t, count >= FEWEST_SEEDS, "%s: only %d seeds", targets[i].name, count);
    }
}

const test_case suite_fuzz[] = {{"every_seed", every_seed}, {0}};
