/* Help that helps, of every verb in the table: what it says with nothing, with a misspelt flag, with a value out of its
 * range and with a file that is not there names what is wrong and what to type; results stay apart from talk;
 * completions offer what there is. */
#include "base/options.h"
#include "kit/shell.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FLAG_BYTES = 128, LINE_BYTES = 1024 };

/* Verbs that have something to do without a word, and those that would do it for long. */
static const char *const content[] = {"help", "ops", "runs list", "version", NULL};
static const char *const busy[] = {"bench model", "bench plan", "bench engine", NULL};

static bool is_among(const char *name, const char *const *names) {
    for (; *names; names++)
        if (!strcmp(name, *names)) return true;
    return false;
}

static void nothing(test *t) {
    char text[SHELL_TEXT_BYTES];
    for (int64_t i = 0; registry_verb[i]; i++) {
        const verb_def *v = registry_verb[i];
        if (is_among(v->name, busy)) continue;
        int code = shell(text, "XDG_DATA_HOME='%s' '%s/hone' %s </dev/null", test_folder(t),
                         shell_build_folder(), v->name);
        bool fine = is_among(v->name, content);
        CHECK(t, code == (fine ? 0 : 2), "hone %s: %d, %s", v->name, code, text);
        CHECK(t, fine || (strstr(text, "\ntry: hone ") || strstr(text, "\ntry: echo ")),
              "hone %s: %s", v->name, text);
        CHECK(t, fine || strstr(text, v->example), "hone %s: %s", v->name, text);
    }
}

static bool starts_as(const char *example, const verb_def *v) {
    char begin[LINE_BYTES];
    snprintf(begin, sizeof begin, "hone %s", v->name);
    const char *at = strstr(example, begin);
    return at && (!at[strlen(begin)] || at[strlen(begin)] == ' ');
}

/* The example's own words are understood by the table. */
static void understood(test *t, const verb_def *v) {
    context *cx = context_new();
    arena memory = arena_make(cx);
    const char *words[32], *at = strstr(v->example, "hone ") + 5 + strlen(v->name);
    int64_t n = 0;
    verb_call call;
    while (*(at += strspn(at, " "))) {
        char end = *at == '"' ? '"' : ' ';
        at += end == '"';
        size_t length = strcspn(at, end == '"' ? "\"" : " ");
        words[n++] = arena_strndup(&memory, at, length);
        at += length + (at[length] == '"');
    }
    CHECK_OK(t, cx, options_read(&memory, v, n, words, &call));
    arena_free(&memory);
    context_free(cx);
}

static void examples(test *t) {
    for (int64_t i = 0; registry_verb[i]; i++) {
        const verb_def *v = registry_verb[i];
        CHECK(t, v->example && starts_as(v->example, v),
              "verb_def.example of '%s' is to be a command that begins with it", v->name);
        understood(t, v);
    }
}

/* The verb refuses these words as a bad argument, and says `wanted`. */
static void refuses(test *t, const verb_def *v, const char *flag, const char *value,
                    const char *wanted) {
    context *cx = context_new();
    arena memory = arena_make(cx);
    verb_call call;
    const char *words[] = {flag, value};
    status st = options_read(&memory, v, value ? 2 : 1, words, &call);
    CHECK(t, st == STATUS_BAD_ARGUMENT && strstr(context_error(cx), wanted),
          "hone %s %s %s: %s; '%s' is missing", v->name, flag, value ? value : "",
          context_error(cx), wanted);
    arena_free(&memory);
    context_free(cx);
}

static void check_option(test *t, const verb_def *v, const option_def *d) {
    char flag[FLAG_BYTES] = "--", typo[FLAG_BYTES], value[FLAG_BYTES], range[LINE_BYTES];
    options_flag_text(d, flag + 2, sizeof flag - 2);
    size_t length = strlen(flag);
    snprintf(typo, sizeof typo, "%.*sx%s", (int)(length - 1), flag, flag + length - 1);
    refuses(t, v, typo, NULL, length > 5 ? flag : typo);
    options_range_text(d, range, sizeof range);
    if (d->choices) {
        refuses(t, v, flag, "no such choice", range);
    } else if (d->ranged && isfinite(d->low) && d->low > -1e15) {
        snprintf(value, sizeof value, "%.17g", d->low - 1);
        refuses(t, v, flag, value, flag);
    } else if (d->kind == OPTION_INT || d->kind == OPTION_DOUBLE) {
        refuses(t, v, flag, "many", flag);
    }
}

static void wrong_words(test *t) {
    for (int64_t i = 0; registry_verb[i]; i++) {
        for (const option_def *d = registry_verb[i]->options; d && d->kind; d++)
            check_option(t, registry_verb[i], d);
        for (const option_def *d = options_common; d->kind; d++)
            check_option(t, registry_verb[i], d);
    }
}

/* Words that are not there, one for each that the verb needs, and for its options that must be given. */
static void needed(const verb_def *v, char *words, size_t size) {
    words[0] = 0;
    for (int64_t i = 0; i < MAX_OF(v->min_args, v->max_args != 0); i++)
        strncat(words, " no/such", size - strlen(words) - 1);
    for (const option_def *d = v->options; d && d->kind; d++) {
        char flag[FLAG_BYTES];
        size_t used = strlen(words);
        options_flag_text(d, flag, sizeof flag);
        if (d->required) snprintf(words + used, size - used, " --%s no/such", flag);
    }
}

static void missing_files(test *t) {
    static const struct {
        const char *verb, *words;
    } besides[] = {{"data prepare", "--bytes"}, {"train", "--text no/such --preset 1m"}};
    char text[SHELL_TEXT_BYTES];
    for (int64_t i = 0; registry_verb[i]; i++) {
        const verb_def *v = registry_verb[i];
        const char *more = "";
        char words[LINE_BYTES];
        for (int64_t k = 0; k < COUNT_OF(besides); k++)
            if (!strcmp(v->name, besides[k].verb)) more = besides[k].words;
        if (!v->positional && !*more) continue;
        needed(v, words, sizeof words);
        int code = shell(text, "cd '%s'; '%s/hone' %s%s %s </dev/null", test_folder(t),
                         shell_build_folder(), v->name, words, more);
        CHECK(t, (code == 1 || code == 2) && strstr(text, "no/such") && strstr(text, "\ntry: "),
              "hone %s%s %s: %d, %s", v->name, words, more, code, text);
        CHECK(t, !strstr(text, "BUG") && !strstr(text, "mistake"), "%s", text);
    }
}

/* Talk goes to stderr, results to stdout, colours nowhere but to a terminal that has not said NO_COLOR. */
static void streams(test *t) {
    char text[SHELL_TEXT_BYTES];
    const char *b = shell_build_folder();
    CHECK(t, shell(text, "'%s/hone' run 2>/dev/null", b) == 2 && !*text, "%s", text);
    CHECK(t, shell(text, "'%s/hone' version 2>&1 >/dev/null", b) == 0 && !*text, "%s", text);
    CHECK(t, shell(text, "'%s/hone' run 2>&1 >/dev/null", b) == 2 && !strchr(text, '\033'), "%s",
          text);
    if (shell(text, "command -v script") != 0) return;
    CHECK(t, shell(text, "script -qc \"'%s/hone' run\" /dev/null </dev/null", b) == 0, "%s", text);
    CHECK(t, strchr(text, '\033'), "a terminal gets colours: %s", text);
    CHECK(t, shell(text, "NO_COLOR=1 script -qc \"'%s/hone' run\" /dev/null </dev/null", b) == 0);
    CHECK(t, !strchr(text, '\033') && strstr(text, "try:"), "%s", text);
}

/* What bash offers for a line whose last word is being written. */
static void offers(test *t, const char *line, const char *wanted, const char *unwanted) {
    char text[SHELL_TEXT_BYTES];
    int code = shell(text,
                     "bash -c \". '%s/complete.bash'; COMP_WORDS=(%s); "
                     "COMP_CWORD=\\$((\\${#COMP_WORDS[@]} - 1)); _hone; echo \\\" "
                     "\\${COMPREPLY[*]} \\\"\"",
                     test_folder(t), line);
    CHECK(t, code == 0 && strstr(text, wanted), "%s: %s", line, text);
    CHECK(t, !unwanted || !strstr(text, unwanted), "%s: %s", line, text);
}

static void completions(test *t) {
    static const char *const shells[] = {"bash", "zsh", "fish"};
    char text[SHELL_TEXT_BYTES];
    const char *f = test_folder(t);
    for (int i = 0; i < COUNT_OF(shells); i++) {
        CHECK(t,
              shell(text, "'%s/hone' help --completion %s > '%s/complete.%s'", shell_build_folder(),
                    shells[i], f, shells[i]) == 0,
              "%s", text);
        if (shell(text, "command -v %s", shells[i]) != 0) continue;
        CHECK(t, shell(text, "%s -n '%s/complete.%s'", shells[i], f, shells[i]) == 0, "%s", text);
    }
    offers(t, "hone ''", " data ", " prepare ");
    offers(t, "hone tr", " train ", " run ");
    offers(t, "hone data ''", " check prepare synth ", " --out ");
    offers(t, "hone data synth ''", " stories ", NULL);
    offers(t, "hone data synth stories --ou", " --out ", "--lr");
    offers(t, "hone bench ''", " model plan serve ", NULL);
    offers(t, "hone bench --f", " --filter ", NULL);
    offers(t, "hone run x --kv-format ''", " bf16 f16 ", "--prompt");
    offers(t, "hone train --preset ''", " 1m 3m ", "--text");
    offers(t, "hone run x --pro", " --prompt ", NULL);
    if (shell(text, "command -v fish") != 0) return;
    CHECK(t,
          shell(text, "fish -c \"source '%s/complete.fish'; complete -C 'hone data '\"", f) == 0 &&
              strstr(text, "prepare\tturn text"),
          "%s", text);
    CHECK(t,
          shell(text,
                "fish -c \"source '%s/complete.fish'; complete -C 'hone run x --kv-format '\"",
                f) == 0 &&
              strstr(text, "bf16"),
          "%s", text);
}

const test_case suite_help[] = {{"nothing", nothing},
                                {"examples", examples},
                                {"wrong_words", wrong_words},
                                {"missing_files", missing_files},
                                {"streams", streams},
                                {"completions", completions},
                                {0}};
