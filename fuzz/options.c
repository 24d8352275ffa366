/* Any bytes as a job file, or, after a first byte of '-', as the words of a command line (one each line).
 * What is taken must lie in its range, and no memory may stay behind. */
#include "base/options.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct options_fuzz {
    bool json;
    int64_t threads, memory;
    double rate, every;
    const char *model;
    string_list data;
    int mode;
} options_fuzz;

static const char *const options_fuzz_modes[] = {"train", "evaluate", NULL};
static const option_def options_fuzz_table[] = {
    OPTION(options_fuzz, json, OPTION_BOOL, .help = "json"),
    OPTION(options_fuzz, threads, OPTION_INT, .initial = "1", RANGE(1, 64), .help = "threads"),
    OPTION(options_fuzz, memory, OPTION_SIZE, .help = "memory"),
    OPTION(options_fuzz, rate, OPTION_DOUBLE, .initial = "1", RANGE_ABOVE(0, 1), .help = "rate"),
    OPTION(options_fuzz, every, OPTION_DURATION, .help = "every"),
    OPTION(options_fuzz, model, OPTION_STRING, .help = "model"),
    OPTION(options_fuzz, data, OPTION_STRINGS, .help = "data"),
    OPTION(options_fuzz, mode, OPTION_CHOICE, .choices = options_fuzz_modes, .help = "mode"),
    {0}};
static const verb_def options_fuzz_verb = {.name = "fuzz",
                                           .summary = "fuzz",
                                           .max_args = -1,
                                           .options_bytes = sizeof(options_fuzz),
                                           .options = options_fuzz_table};

static status options_fuzz_words(arena *memory, const char *text, size_t size, verb_call *call) {
    enum { MOST_WORDS = 64 };
    const char *words[MOST_WORDS];
    int64_t n = 0;
    char *copy = arena_strndup(memory, text, size), *rest = NULL;
    if (!copy) return STATUS_NO_MEMORY;
    for (char *w = strtok_r(copy, "\n", &rest); w && n < MOST_WORDS;
         w = strtok_r(NULL, "\n", &rest))
        words[n++] = w;
    return options_read(memory, &options_fuzz_verb, n, words, call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    context *cx = context_new();
    if (!cx) return 0;
    arena memory = arena_make(cx);
    verb_call call;
    const char *text = (const char *)data;
    status st = size && text[0] == '-'
                    ? options_fuzz_words(&memory, text, size, &call)
                    : options_read_job(&memory, &options_fuzz_verb, "fuzz", text, size, &call);
    if ((st == STATUS_OK) == (*context_error(cx) != 0) || st == STATUS_BUG) abort();
    if (st == STATUS_OK) {
        const options_fuzz *o = call.options;
        if (o->threads < 1 || o->threads > 64 || o->memory < 0 || o->mode < 0 || o->mode > 1)
            abort();
        if (!(o->rate > 0 && o->rate <= 1) || !(o->every >= 0)) abort();
        for (int64_t i = 0; i < o->data.count; i++) {
            if (strlen(o->data.item[i]) > size) abort();
        }
    }
    arena_free(&memory);
    if (context_live_allocations(cx)) abort();
    context_free(cx);
    return 0;
}
