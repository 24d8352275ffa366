/* hone VERB [options] ...: finds the verb, reads its options, runs it. Exit status: 0 done, 1 failed,
 * 2 not understood, or asked for what cannot be. Results go to stdout, all other words to stderr. */
#include "base/cpu.h"
#include "base/log.h"
#include "base/options.h"
#include "hone/version.h"
#include <string.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* `hone data` alone is answered by the verbs of that family; asked for by --help, that is no mistake. */
static int unknown_verb(int64_t n_words, const char *const *words) {
    char name[256];
    bool two = n_words > 1 && words[1][0] != '-';
    bool asked = n_words > 1 && (!strcmp(words[1], "--help") || !strcmp(words[1], "-h"));
    if (asked && options_print_verbs(stdout, words[0])) return EXIT_DONE;
    if (!two && options_print_verbs(NULL, words[0])) {
        log_error("'hone %s' needs one more word; the verbs are:", words[0]);
        options_print_verbs(stderr, words[0]);
        return EXIT_USAGE;
    }
    snprintf(name, sizeof name, "%s%s%s", words[0], two ? " " : "", two ? words[1] : "");
    const char *near = options_nearest_verb(name);
    if (!near) near = options_nearest_verb(words[0]);
    if (near)
        log_error("there is no verb '%s'; did you mean '%s'? `hone help` lists all", name, near);
    else
        log_error("there is no verb '%s'; `hone help` lists all", name);
    return EXIT_USAGE;
}

/* Results that do not reach their end (a full disk) are a failure. */
static int end_results(const verb_call *call) {
    if (fflush(call->out) == 0 && !ferror(call->out)) return EXIT_DONE;
    log_error("cannot write the results");
    return EXIT_FAILED;
}

/* What went wrong and, where other words would do, what they might be. Returns the exit status. */
static int say_failure(const context *cx, const verb_def *verb, status st) {
    bool misunderstood = st == STATUS_BAD_ARGUMENT;
    log_error("%s", context_error(cx));
    if (misunderstood || st == STATUS_IO)
        log_info("try: %s\n     hone %s --help says more", verb->example, verb->name);
    return misunderstood ? EXIT_USAGE : EXIT_FAILED;
}

static int run_verb(arena *memory, const verb_def *verb, int64_t n_words,
                    const char *const *words) {
    verb_call call;
    status st = options_read(memory, verb, n_words, words, &call);
    if (st == STATUS_OK) st = cpu_take_environment(memory->cx);
    if (st == STATUS_OK && call.common.isa) st = cpu_limit_isa(memory->cx, call.common.isa);
    if (st != STATUS_OK) return say_failure(memory->cx, verb, st);
    log_set_level((log_level)call.common.log);
    if (call.common.help) {
        options_print_help(stdout, verb);
        return EXIT_DONE;
    }
    st = verb->run(&call);
    return st == STATUS_OK ? end_results(&call) : say_failure(memory->cx, verb, st);
}

int main(int argc, char **argv) {
    static const char *const help = "help";
    const char *const *words = argc > 1 ? (const char *const *)argv + 1 : &help;
    int64_t n_words = MAX_OF(argc - 1, 1), used;
    if (!strcmp(words[0], "--help") || !strcmp(words[0], "-h")) words = &help, n_words = 1;
    if (!strcmp(words[0], "--version")) {
        printf("hone %s\n", hone_version());
        return EXIT_DONE;
    }
    const verb_def *verb = options_verb(n_words, words, &used);
    if (!verb) return unknown_verb(n_words, words);
    context *cx = context_new();
    if (!cx) {
        log_error("no memory");
        return EXIT_FAILED;
    }
    arena memory = arena_make(cx);
    int code = run_verb(&memory, verb, n_words - used, words + used);
    arena_free(&memory);
    context_free(cx);
    return code;
}
