/* `hone help`: the verbs; with a verb, its options; and what packagers need from the same tables. */
#include "base/options.h"
#include "hone/version.h"
#include <string.h>

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

static void print_verbs(FILE *out) {
    fprintf(out, "usage: hone VERB [options] ...\n\n");
    for (int64_t i = 0; registry_verb[i]; i++)
        fprintf(out, "  %-20s %s\n", registry_verb[i]->name, registry_verb[i]->summary);
    fprintf(out, "\n`hone VERB --help` says more. Exit status: " OPTIONS_EXIT_STATUS "\n");
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
        print_verbs(call->out);
        return STATUS_OK;
    }
    int64_t used = 0;
    const verb_def *verb = options_verb(call->n_args, call->args, &used);
    if (!verb || used < call->n_args)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "there is no verb '%s'; `hone help` lists them",
             call->args[used]);
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
