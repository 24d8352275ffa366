/* hone VERB [options] ...: finds the verb, reads its options, runs it. Exit status: 0 done, 1 failed,
 * 2 not understood (nothing was done). Results go to stdout, all other words to stderr. */
#include "base/cpu.h"
#include "base/log.h"
#include "base/options.h"
#include "hone/version.h"
#include <string.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, MOST_VERBS = 256 };

static const verb_def *find(const char *name) {
    for (int64_t i = 0; registry_verb[i]; i++) {
        if (!strcmp(registry_verb[i]->name, name)) return registry_verb[i];
    }
    return NULL;
}

static int unknown_verb(const char *name) {
    const char *names[MOST_VERBS];
    int64_t n = 0;
    for (; registry_verb[n] && n < MOST_VERBS; n++) names[n] = registry_verb[n]->name;
    const char *near = options_nearest(name, names, n);
    log_error("there is no verb '%s'%s%s%s; `hone help` lists them", name,
              near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return EXIT_USAGE;
}

/* The verb's own words flushed, so that a full disk is a failure. */
static status run(const verb_call *call) {
    TRY(call->verb->run(call));
    if (fflush(call->out) != 0 || ferror(call->out))
        FAIL(call->cx, STATUS_IO, "cannot write the results");
    return STATUS_OK;
}

static int run_verb(arena *memory, const verb_def *verb, int64_t n_words,
                    const char *const *words) {
    verb_call call;
    status st = options_read(memory, verb, n_words, words, &call);
    if (st == STATUS_OK) st = cpu_check_environment(memory->cx);
    if (st == STATUS_OK && call.common.isa) st = cpu_limit_isa(memory->cx, call.common.isa);
    if (st != STATUS_OK) {
        log_error("%s", context_error(memory->cx));
        return st == STATUS_BAD_ARGUMENT || st == STATUS_UNSUPPORTED ? EXIT_USAGE : EXIT_FAILED;
    }
    log_set_level((log_level)call.common.log);
    if (call.common.help) {
        options_print_help(stdout, verb);
        return EXIT_DONE;
    }
    st = run(&call);
    if (st == STATUS_OK) return EXIT_DONE;
    log_error("%s", context_error(memory->cx));
    return EXIT_FAILED;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "help";
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) name = "help";
    if (!strcmp(name, "--version")) {
        printf("hone %s\n", hone_version());
        return EXIT_DONE;
    }
    const verb_def *verb = find(name);
    if (!verb) return unknown_verb(name);
    context *cx = context_new();
    if (!cx) {
        log_error("no memory");
        return EXIT_FAILED;
    }
    arena memory = arena_make(cx);
    int64_t n_words = MAX_OF(argc - 2, 0);
    int code = run_verb(&memory, verb, n_words, (const char *const *)argv + (argc > 1 ? 2 : 1));
    arena_free(&memory);
    context_free(cx);
    return code;
}
