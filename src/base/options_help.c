/* Texts made from an option table: --help, a man page (man(7)). */
#include "base/options.h"
#include <ctype.h>
#include <string.h>

enum { WIDTH = 96, TEXT_COLUMN = 26, LABEL_BYTES = 256 };

int64_t options_print_verbs(FILE *out, const char *word) {
    size_t length = word ? strlen(word) : 0;
    int64_t n = 0;
    for (int64_t i = 0; registry_verb[i]; i++) {
        const verb_def *v = registry_verb[i];
        if (word && (strncmp(v->name, word, length) || v->name[length] != ' ')) continue;
        if (out) fprintf(out, "  %-20s %s\n", v->name, v->summary);
        n++;
    }
    return n;
}

static const char *value_name(const option_def *d) {
    if (d->value) return d->value;
    switch (d->kind) {
    case OPTION_INT:
        return "N";
    case OPTION_DOUBLE:
        return "X";
    case OPTION_CHOICE:
        return "NAME";
    case OPTION_SIZE:
        return "SIZE";
    case OPTION_DURATION:
        return "TIME";
    default:
        return "TEXT";
    }
}

/* "-t, --threads N" */
static void label(const option_def *d, char *out, size_t size) {
    char flag[LABEL_BYTES];
    options_flag_text(d, flag, sizeof flag);
    bool valued = d->kind != OPTION_BOOL;
    const char letter[] = {'-', d->letter, ',', ' ', 0};
    snprintf(out, size, "%s--%s%s%s", d->letter ? letter : "", flag, valued ? " " : "",
             valued ? value_name(d) : "");
}

/* "; 0 .. 1024; default 0" */
static void facts(const option_def *d, char *out, size_t size) {
    char range[LABEL_BYTES];
    options_range_text(d, range, sizeof range);
    const char *initial = d->initial;
    if (!initial && d->kind == OPTION_CHOICE) initial = d->choices[0];
    if (d->kind == OPTION_BOOL && initial && !strcmp(initial, "false")) initial = NULL;
    snprintf(out, size, "%s%s%s%s%s%s", *range ? "; " : "", range, d->required ? "; required" : "",
             d->kind == OPTION_STRINGS ? "; may be repeated" : "", initial ? "; default " : "",
             initial ? initial : "");
    for (int64_t i = 0; d->usual && d->usual[i]; i++) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", i ? ", " : "; as ", d->usual[i]);
    }
}

/* Words from `column` on, broken at WIDTH; later lines begin at `indent`. */
static void wrap(FILE *out, const char *text, int column, int indent) {
    bool first = true;
    while (*text) {
        text += strspn(text, " ");
        int length = (int)strcspn(text, " ");
        if (length == 0) break;
        if (!first && column + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", length, text);
        column += length + !first;
        first = false;
        text += length;
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const option_def *d) {
    char left[LABEL_BYTES], more[2 * LABEL_BYTES], text[4 * LABEL_BYTES];
    label(d, left, sizeof left);
    facts(d, more, sizeof more);
    snprintf(text, sizeof text, "%s%s", d->help, more);
    int used = fprintf(out, "  %-*s", TEXT_COLUMN - 4, left);
    if (used > TEXT_COLUMN - 2)
        fprintf(out, "\n%*s", TEXT_COLUMN, "");
    else
        fprintf(out, "%*s", TEXT_COLUMN - used, "");
    wrap(out, text, TEXT_COLUMN, TEXT_COLUMN);
}

static void print_paragraphs(FILE *out, const char *text) {
    while (*text) {
        size_t length = strcspn(text, "\n");
        char paragraph[4096];
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, text);
        wrap(out, paragraph, 0, 0);
        text += length + (text[length] == '\n');
    }
}

static void print_usage(FILE *out, const verb_def *verb) {
    fprintf(out, "hone %s%s", verb->name, verb->options ? " [options]" : "");
    if (verb->job_file) fprintf(out, " [JOB.yaml]");
    if (verb->positional) fprintf(out, " %s", verb->positional);
    fputc('\n', out);
}

void options_print_help(FILE *out, const verb_def *verb) {
    fprintf(out, "hone %s: %s\n\nusage: ", verb->name, verb->summary);
    print_usage(out, verb);
    if (verb->help) {
        fputc('\n', out);
        print_paragraphs(out, verb->help);
    }
    if (verb->options) fprintf(out, "\noptions:\n");
    for (const option_def *d = verb->options; d && d->kind; d++) print_option(out, d);
    fprintf(out, "\noptions of every verb:\n");
    for (const option_def *d = options_common; d->kind; d++) print_option(out, d);
    if (verb->job_file)
        fprintf(out, "\nThe job file holds the same options as YAML keys; flags go before it.\n");
    fprintf(out, "\nexample:\n  %s\n", verb->example);
}

/* Escapes what troff would take as its own. */
static void man_text(FILE *out, const char *text) {
    for (bool start = true; *text; start = *text++ == '\n') {
        if (start && (*text == '.' || *text == '\'')) fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

static void man_options(FILE *out, const option_def *d) {
    for (; d && d->kind; d++) {
        char left[LABEL_BYTES], more[2 * LABEL_BYTES];
        label(d, left, sizeof left);
        facts(d, more, sizeof more);
        fputs(".TP\n.B ", out);
        man_text(out, left);
        fputc('\n', out);
        man_text(out, d->help);
        man_text(out, more);
        fputc('\n', out);
    }
}

void options_print_man(FILE *out, const verb_def *verb, const char *version) {
    fprintf(out, ".TH HONE-");
    for (const char *c = verb->name; *c; c++)
        fputc(*c == ' ' ? '-' : toupper((unsigned char)*c), out);
    fprintf(out, " 1 \"\" \"hone %s\"\n.SH NAME\nhone", version);
    for (const char *c = verb->name; *c; c++)
        fprintf(out, c == verb->name ? "\\-%c" : "%c", *c == ' ' ? '-' : *c);
    fputs(" \\- ", out);
    man_text(out, verb->summary);
    fprintf(out, "\n.SH SYNOPSIS\n");
    print_usage(out, verb);
    fprintf(out, ".SH DESCRIPTION\n");
    for (const char *text = verb->help ? verb->help : verb->summary; *text;) {
        char paragraph[4096];
        size_t length = strcspn(text, "\n");
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, text);
        man_text(out, paragraph);
        fprintf(out, "\n.PP\n");
        text += length + (text[length] == '\n');
    }
    fprintf(out, ".SH OPTIONS\n");
    man_options(out, verb->options);
    man_options(out, options_common);
    fprintf(out, ".SH EXAMPLE\n");
    man_text(out, verb->example);
    fprintf(out, "\n.SH EXIT STATUS\n" OPTIONS_EXIT_STATUS "\n.SH SEE ALSO\nhone(1)\n");
}

void options_print_man_all(FILE *out, const verb_def *const *verbs, const char *version) {
    fprintf(out,
            ".TH HONE 1 \"\" \"hone %s\"\n.SH NAME\nhone \\- the whole life of foundation models: "
            "plan, "
            "train, tune, compress, evaluate, run, serve\n.SH SYNOPSIS\nhone VERB [options] ...\n"
            ".SH VERBS\n",
            version);
    for (; *verbs; verbs++) {
        fprintf(out, ".TP\n.B hone %s\n", (*verbs)->name);
        man_text(out, (*verbs)->summary);
        fputc('\n', out);
    }
    fprintf(out,
            ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nnot empty: no colours.\n.TP\n.B HONE_ISA\nthe best "
            "instruction set to use.\n.TP\n.B XDG_CACHE_HOME, XDG_DATA_HOME, HONE_RUNS\nwhere what "
            "can be made again, and the list of runs, are kept.\n"
            ".SH EXIT STATUS\n" OPTIONS_EXIT_STATUS "\n");
}
