/* Every seed of fuzz/corpus/NAME goes through the target fuzz/NAME.c. The targets are compiled into
 * this file, each under its own name. */
#include "test.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define LLVMFuzzerTestOneInput fuzz_json
#include "../fuzz/json.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_safetensors
#include "../fuzz/safetensors.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_gguf
#include "../fuzz/gguf.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_tokenizer
#include "../fuzz/tokenizer.c"
#undef LLVMFuzzerTestOneInput

enum { LARGEST_SEED_BYTES = 65536 };

static void replay(test *t, const char *name, int (*target)(const uint8_t *, size_t)) {
    char folder[300], path[700];
    snprintf(folder, sizeof folder, "fuzz/corpus/%s", name);
    DIR *seeds = opendir(folder);
    CHECK(t, seeds, "%s", folder);
    int count = 0;
    for (struct dirent *e; (e = readdir(seeds));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *f = fopen(path, "rb");
        uint8_t *seed = malloc(LARGEST_SEED_BYTES);
        CHECK(t, f && seed, "%s", path);
        size_t n = fread(seed, 1, LARGEST_SEED_BYTES, f);
        fclose(f);
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees one byte too many */
        CHECK(t, exact, "memory");
        memcpy(exact, seed, n);
        free(seed);
        target(exact, n);
        free(exact);
        count++;
    }
    closedir(seeds);
    CHECK(t, count >= 5, "only %d seeds in %s", count, folder);
}

static void json_seeds(test *t) {
    replay(t, "json", fuzz_json);
}

static void safetensors_seeds(test *t) {
    replay(t, "safetensors", fuzz_safetensors);
}

static void gguf_seeds(test *t) {
    replay(t, "gguf", fuzz_gguf);
}

static void tokenizer_seeds(test *t) {
    replay(t, "tokenizer", fuzz_tokenizer);
}

const test_case suite_fuzz_replay[] = {{"json", json_seeds},
                                       {"safetensors", safetensors_seeds},
                                       {"gguf", gguf_seeds},
                                       {"tokenizer", tokenizer_seeds},
                                       {0}};
