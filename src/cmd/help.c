/* `hone help`: the verbs; with a verb, its options; and what packagers need from the same tables. */
#include "base/options.h"
#include "hone/version.h"

typedef struct help_options {
    bool man;
    int completion;
} help_options;

static const char *const shells[] = {"none", "bash", "zsh", "fish", NULL};
static const option_def options[] = {
    OPTION(help_options, man, OPTION_BOOL,
           .help = "print the verb's man page; without a verb, hone's own"),
    OPTION(help_options, completion, OPTION_CHOICE, .choices = shells,
           .help = "print this shell's completion of all verbs"),
    {0}};

static void print_all(FILE *out) {
    fprintf(out, "hone takes a foundation model through its whole life: plan, train, make lighter, "
                 "judge, run, serve.\n\nusage: hone VERB [options] ...\n\n");
    options_print_verbs(out, NULL);
    fprintf(out, "\nA model of your own, from nothing:\n"
                 "  hone data synth stories -n 20000 -o stories.txt\n"
                 "  hone train --preset 1m --text stories.txt --out storyteller --steps 500\n"
                 "  hone run storyteller -p \"One windy day,\" -n 100\n\n"
                 "`hone VERB --help` says more. Exit status: " OPTIONS_EXIT_STATUS "\n");
}

static status no_verb(const verb_call *call) {
    const char *name = call->args[0];
    for (int64_t i = 1; i < call->n_args; i++) {
        name = arena_printf(call->memory, "%s %s", name, call->args[i]);
        if (!name) return STATUS_NO_MEMORY;
    }
    const char *near = options_nearest_verb(name);
    FAIL(call->cx, STATUS_BAD_ARGUMENT, "there is no verb '%s'%s%s%s `hone help` lists all", name,
         near ? "; did you mean '" : ";", near ? near : "", near ? "'?" : "");
}

static status help_run(const verb_call *call) {
    const help_options *o = call->options;
    if (o->completion) {
        options_print_completion(call->out, (options_shell)(o->completion - 1), registry_verb);
        return STATUS_OK;
    }
    if (call->n_args == 0 && o->man) {
        options_print_man_all(call->out, registry_verb, hone_version());
        return STATUS_OK;
    }
    if (call->n_args == 0) {
        print_all(call->out);
        return STATUS_OK;
    }
    int64_t used = 0;
    const verb_def *verb = options_verb(call->n_args, call->args, &used);
    if (!verb && !o->man && call->n_args == 1 && options_print_verbs(call->out, call->args[0]))
        return STATUS_OK;
    if (!verb || used < call->n_args) return no_verb(call);
    if (o->man)
        options_print_man(call->out, verb, hone_version());
    else
        options_print_help(call->out, verb);
    return STATUS_OK;
}

extern const verb_def verb_help;
const verb_def verb_help = {
    .name = "help",
    .summary = "list the verbs, or say what one does",
    .example = "hone help run",
    .positional = "[VERB]",
    .max_args = 3,
    .options_bytes = sizeof(help_options),
    .options = options,
    .run = help_run,
};
