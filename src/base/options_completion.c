/* Completions made from the option tables. What may come next follows from the words said so far: after the first words
 * of verbs their further words, after a verb its flags, after a flag with choices or usual values these, else files. */
#include "base/options.h"
#include <string.h>

enum { FLAG_BYTES = 256 };

/* Where printing is: behind the first `length` bytes of the verb's name. */
typedef struct place {
    FILE *out;
    const verb_def *const *verbs;
    const verb_def *verb;
    size_t length;
} place;

typedef void print_word(const place *p, const char *word, int bytes, const char *help);
typedef void print_option(const place *p, const option_def *d, const char *flag);

/* Whether the verb has the same beginning, and another word behind it. */
static bool goes_on(const place *p, const verb_def *v) {
    return !strncmp(v->name, p->verb->name, p->length) && (!p->length || v->name[p->length] == ' ');
}

static const char *next_word(const place *p, const verb_def *v) {
    return v->name + p->length + (p->length > 0);
}

/* The first of the verbs that has this beginning and, where it is not NULL, then this word. */
static const verb_def *first_with(const place *p, const char *word, size_t bytes) {
    for (int64_t i = 0; p->verbs[i]; i++) {
        if (!goes_on(p, p->verbs[i])) continue;
        const char *next = next_word(p, p->verbs[i]);
        if (!word || (strcspn(next, " ") == bytes && !strncmp(next, word, bytes)))
            return p->verbs[i];
    }
    return NULL;
}

/* At each beginning of verbs that a word follows, "" among them. */
static void each_beginning(FILE *out, const verb_def *const *verbs, void (*print)(const place *p)) {
    for (int64_t i = 0; verbs[i]; i++)
        for (place p = {out, verbs, verbs[i], 0}; verbs[i]->name[p.length]; p.length++)
            if (goes_on(&p, verbs[i]) && first_with(&p, NULL, 0) == verbs[i]) print(&p);
}

/* The words that may follow; the help is "" where the word is not a verb's last. */
static void each_word(const place *p, print_word *print) {
    for (int64_t i = 0; p->verbs[i]; i++) {
        if (!goes_on(p, p->verbs[i])) continue;
        const char *word = next_word(p, p->verbs[i]);
        size_t bytes = strcspn(word, " ");
        if (first_with(p, word, bytes) == p->verbs[i])
            print(p, word, (int)bytes, word[bytes] ? "" : p->verbs[i]->summary);
    }
}

/* At each verb, longer names before those that they begin with. */
static void each_verb(FILE *out, const verb_def *const *verbs, void (*print)(const place *p)) {
    int64_t n = 0;
    while (verbs[n]) n++;
    for (int64_t i = n - 1; i >= 0; i--)
        print(&(place){out, verbs, verbs[i], strlen(verbs[i]->name)});
}

/* The verb's options, then those of every verb. */
static void each_option(const place *p, print_option *print) {
    const option_def *const tables[] = {p->verb->options, options_common};
    for (int64_t i = 0; i < COUNT_OF(tables); i++) {
        for (const option_def *d = tables[i]; d && d->kind; d++) {
            char flag[FLAG_BYTES];
            options_flag_text(d, flag, sizeof flag);
            print(p, d, flag);
        }
    }
}

static const char *const *values(const option_def *d) {
    return d->choices ? d->choices : d->usual;
}

static void put_values(const place *p, const option_def *d) {
    for (int64_t i = 0; values(d)[i]; i++) fprintf(p->out, i ? " %s" : "%s", values(d)[i]);
}

/* Within single quotes of bash and zsh, or of fish; each of `special` with a backslash. */
static void quoted(FILE *out, const char *text, const char *quote, const char *special) {
    for (; *text; text++) {
        if (*text == '\'')
            fputs(quote, out);
        else
            fprintf(out, "%s%c", strchr(special, *text) ? "\\" : "", *text);
    }
}

/* ---- bash ---- */

static void bash_word(const place *p, const char *word, int bytes, const char *help) {
    (void)help;
    fprintf(p->out, "%.*s ", bytes, word);
}

static void bash_flag(const place *p, const option_def *d, const char *flag) {
    (void)d;
    fprintf(p->out, "--%s ", flag);
}

static void bash_choices(const place *p, const option_def *d, const char *flag) {
    if (!values(d)) return;
    fprintf(p->out, "        *\" --%s\") words=\"", flag);
    put_values(p, d);
    fprintf(p->out, "\" ;;\n");
}

static void bash_beginning(const place *p) {
    fprintf(p->out, "    \"%.*s\") words=\"", (int)p->length, p->verb->name);
    each_word(p, bash_word);
    fprintf(p->out, "%s\" ;;\n", p->length ? "" : "--help --version");
}

static void bash_verb(const place *p) {
    fprintf(p->out, "    \"%s\"|\"%s \"*)\n        case \"$said\" in\n", p->verb->name,
            p->verb->name);
    each_option(p, bash_choices);
    fprintf(p->out, "        *) words+=\" ");
    each_option(p, bash_flag);
    fprintf(p->out, "\" ;;\n        esac ;;\n");
}

static void print_bash(FILE *out, const verb_def *const *verbs) {
    fprintf(out, "_hone() {\n    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                 "    local said=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\"\n    case \"$said\" in\n");
    each_beginning(out, verbs, bash_beginning);
    fprintf(out, "    esac\n    case \"$said\" in\n");
    each_verb(out, verbs, bash_verb);
    fprintf(out,
            "    esac\n"
            "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
            "    if [ ${#COMPREPLY[@]} = 0 ]; then COMPREPLY=($(compgen -f -- \"$word\")); fi\n"
            "}\ncomplete -o filenames -F _hone hone\n");
}

/* ---- zsh ---- */

static void zsh_word(const place *p, const char *word, int bytes, const char *help) {
    fprintf(p->out, " '%.*s:", bytes, word);
    quoted(p->out, help, "'\\''", "");
    fputc('\'', p->out);
}

static void zsh_flag(const place *p, const option_def *d, const char *flag) {
    fprintf(p->out, " \\\n        '%s--%s%s[", d->kind == OPTION_STRINGS ? "*" : "", flag,
            d->kind == OPTION_BOOL ? "" : "=");
    quoted(p->out, d->help, "'\\''", "[]:\\");
    fputc(']', p->out);
    if (values(d)) {
        fprintf(p->out, ":%s:(", flag);
        put_values(p, d);
        fputc(')', p->out);
    } else if (d->kind != OPTION_BOOL) {
        fprintf(p->out, ":%s:_files", flag);
    }
    fputc('\'', p->out);
}

static void zsh_beginning(const place *p) {
    fprintf(p->out, "    '%.*s') verbs=(", (int)p->length, p->verb->name);
    each_word(p, zsh_word);
    fprintf(p->out, "); _describe verb verbs ;;\n");
}

static void zsh_verb(const place *p) {
    int words = 1;
    for (const char *c = p->verb->name; *c; c++) words += *c == ' ';
    fprintf(p->out,
            "    '%s'|'%s '*)\n        words=(\"${(@)words[%d,-1]}\")\n"
            "        (( CURRENT -= %d ))\n        _arguments",
            p->verb->name, p->verb->name, words + 1, words);
    each_option(p, zsh_flag);
    fprintf(p->out, " \\\n        '*:file:_files' ;;\n");
}

static void print_zsh(FILE *out, const verb_def *const *verbs) {
    fprintf(out, "#compdef hone\nlocal said=\"${(j: :)words[2,CURRENT-1]}\"\nlocal -a verbs\n"
                 "if [[ \"$PREFIX\" != -* ]]; then\n    case \"$said\" in\n");
    each_beginning(out, verbs, zsh_beginning);
    fprintf(out, "    esac\nfi\ncase \"$said\" in\n");
    each_verb(out, verbs, zsh_verb);
    fprintf(out, "esac\n");
}

/* ---- fish ---- */

static void fish_word(const place *p, const char *word, int bytes, const char *help) {
    fprintf(p->out, "complete -c hone -n '__hone_said exactly \"%.*s\"' -a %.*s -d '",
            (int)p->length, p->verb->name, bytes, word);
    quoted(p->out, help, "\\'", "\\");
    fprintf(p->out, "'\n");
}

static void fish_flag(const place *p, const option_def *d, const char *flag) {
    fprintf(p->out, "complete -c hone -n '__hone_said verb \"%s\"' -l %s", p->verb->name, flag);
    if (d->letter) fprintf(p->out, " -s %c", d->letter);
    if (values(d)) {
        fprintf(p->out, " -x -a '");
        put_values(p, d);
        fputc('\'', p->out);
    } else if (d->kind != OPTION_BOOL) {
        fprintf(p->out, " -r");
    }
    fprintf(p->out, " -d '");
    quoted(p->out, d->help, "\\'", "\\");
    fprintf(p->out, "'\n");
}

static void fish_beginning(const place *p) {
    each_word(p, fish_word);
}

static void fish_verb(const place *p) {
    each_option(p, fish_flag);
}

static void print_fish(FILE *out, const verb_def *const *verbs) {
    fprintf(out,
            "function __hone_said\n    set -l said (string join -- ' ' (commandline -opc)[2..])\n"
            "    if test $argv[1] = exactly\n        test \"$said\" = $argv[2]\n        return\n"
            "    end\n    string match -q -- \"$argv[2] *\" \"$said \"\nend\n");
    each_beginning(out, verbs, fish_beginning);
    each_verb(out, verbs, fish_verb);
}

void options_print_completion(FILE *out, options_shell shell, const verb_def *const *verbs) {
    static void (*const print[])(FILE *, const verb_def *const *) = {
        [OPTIONS_BASH] = print_bash, [OPTIONS_ZSH] = print_zsh, [OPTIONS_FISH] = print_fish};
    print[shell](out, verbs);
}
