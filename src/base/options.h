/* Option tables: the one way in which every verb takes options. A verb describes its options once; from
 * that table come its flags, the keys of its YAML job file, its --help, man page and shell completion.
 *
 * A table describes the members of the verb's own options struct:
 *     typedef struct bench_options { int64_t threads; const char *filter; bool json; } bench_options;
 *     static const option_def options[] = {
 *         OPTION(bench_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024), .help = "..."),
 *         OPTION(bench_options, json, OPTION_BOOL, .help = "one JSON object a line"),
 *         {0}};
 * A member `batch_tokens` is the flag --batch-tokens and the key batch-tokens (batch_tokens is taken too);
 * with .letter = 'b' it is also -b.
 * Flags go before the job file, which goes before the defaults. Nothing is ignored: an unknown key, a
 * value out of range, a key given twice are refused with the key, the value and what would be right. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdio.h>

typedef enum option_kind {
    OPTION_NONE,     /* closes a table */
    OPTION_BOOL,     /* bool: --json, --no-json, --json=false */
    OPTION_INT,      /* int64_t: 12, -3, 1e6 */
    OPTION_DOUBLE,   /* double: 0.1, 1e-4, 20B (k, M, B, T: thousand to trillion) */
    OPTION_STRING,   /* const char *; NULL when not given and without a default */
    OPTION_STRINGS,  /* string_list: the flag repeated, or a YAML sequence */
    OPTION_CHOICE,   /* int: index into `choices` */
    OPTION_SIZE,     /* int64_t bytes: 4096, 4G (or 4GiB) = 4 * 2^30, 4GB = 4 * 10^9 */
    OPTION_DURATION, /* double seconds: 90, 90s, 250ms, 1h30m */
} option_kind;

typedef struct string_list {
    const char *const *item;
    int64_t count;
} string_list;

typedef struct option_def {
    const char *name; /* the member's */
    option_kind kind;
    size_t offset, bytes;
    const char
        *initial; /* default, written as a user would; NULL: zero, absent, the first choice */
    const char *const *choices; /* closed by NULL */
    const char *const *usual; /* values worth offering where others are fine too; closed by NULL */
    bool ranged, above_low;   /* above_low: `low` itself is out */
    double low, high;
    bool required;
    char letter;       /* a short flag; 0: none */
    const char *value; /* what help calls the value; NULL: by kind */
    const char *help;  /* one sentence */
} option_def;

#define OPTION(T, member, kind_, ...)                                                              \
    {                                                                                              \
        .name = #member, .kind = (kind_), .offset = offsetof(T, member),                           \
        .bytes = sizeof(((T *)0)->member), __VA_ARGS__                                             \
    }
#define RANGE(low_, high_) .ranged = true, .low = (low_), .high = (high_)
#define RANGE_ABOVE(low_, high_) RANGE(low_, high_), .above_low = true

/* What every verb takes. */
typedef struct common_options {
    bool help;
    const char *isa; /* NULL: the best */
    int log;         /* a log_level */
} common_options;
extern const option_def options_common[];

typedef struct verb_def verb_def;

typedef struct verb_call {
    context *cx;
    arena *memory; /* lives as long as the call */
    const verb_def *verb;
    const void *options; /* the verb's struct */
    common_options common;
    const char *const *args; /* positional */
    int64_t n_args;
    FILE *out; /* results go here; words about the work go to the log */
} verb_call;

struct verb_def {
    const char *name;    /* one word or several: "train", "data prepare" (src/cmd/data_prepare.c) */
    const char *summary; /* one line, no full stop */
    const char *help;    /* paragraphs, each a line of its own; may be NULL */
    const char *example; /* a command that works, with usual names; errors end in it */
    const char *positional;     /* as in the usage line: "MODEL [PROMPT]"; NULL: none */
    int32_t min_args, max_args; /* max_args < 0: any number */
    bool
        job_file; /* a first positional that ends in .yaml or .yml gives options, and is not counted */
    size_t options_bytes;
    const option_def *options; /* NULL: none of its own */
    status (*run)(const verb_call *call);
};

/* Closed by NULL. */
extern const verb_def *const registry_verb[];

/* The verb whose name is the first of these words, the longest such name; *used says how many they are.
 * NULL when there is none. */
const verb_def *options_verb(int64_t n_words, const char *const *words, int64_t *used);

/* The verb nearest to what was written, or NULL. */
const char *options_nearest_verb(const char *written);
/* Lists the verbs that begin with this word and have more ("data"), or all (NULL); into `out`, which may be NULL. Gives
 * how many. */
int64_t options_print_verbs(FILE *out, const char *word);

/* Reads the words that follow the verb. Fails with STATUS_BAD_ARGUMENT for what the user wrote wrong. When
 * --help is among the words, required options and positionals may be missing. */
status options_read(arena *memory, const verb_def *verb, int64_t n_words, const char *const *words,
                    verb_call *out);

/* The same for a job file's text alone, as it comes over a network; `name` is what errors call it. */
status options_read_job(arena *memory, const verb_def *verb, const char *name, const char *text,
                        size_t length, verb_call *out);

/* Texts made from the table. */
void options_print_help(FILE *out, const verb_def *verb);
void options_print_man(FILE *out, const verb_def *verb, const char *version);
/* The page of the program itself. */
void options_print_man_all(FILE *out, const verb_def *const *verbs, const char *version);
/* A completion of all verbs and their flags. */
typedef enum options_shell { OPTIONS_BASH, OPTIONS_ZSH, OPTIONS_FISH } options_shell;
void options_print_completion(FILE *out, options_shell shell, const verb_def *const *verbs);
#define OPTIONS_EXIT_STATUS "0: done. 1: failed. 2: not understood, or asked for what cannot be."

/* The name nearest to what was written, or NULL when none is near. */
const char *options_nearest(const char *word, const char *const *names, int64_t count);

/* False when the text is not a number of that kind, or too large for it. */
bool options_int_from(const char *text, int64_t *out);
bool options_double_from(const char *text, double *out);
bool options_count_from(const char *text, double *out);
bool options_size_from(const char *text, int64_t *out);
bool options_seconds_from(const char *text, double *out);

/* For options.c and its parts. */
typedef struct options_reader options_reader;
/* `shown` is how messages call the option: "--lr" or "job.yaml:3: lr". */
status options_set(options_reader *r, const option_def *def, const char *shown, const char *text,
                   bool from_file);
bool options_in_file(options_reader *r, const option_def *def);
const option_def *options_find(const options_reader *r, const char *name, size_t length);
const char *options_suggest(const options_reader *r, const char *name, size_t length);
arena *options_memory(const options_reader *r);
status options_read_file(options_reader *r, const char *path);
status options_read_yaml(options_reader *r, const char *name, const char *text, size_t length);
/* "0 .. 1", "above 0, at most 1", "a, b or c"; "" when any value of the kind is right. */
void options_range_text(const option_def *def, char *out, size_t size);
void options_flag_text(const option_def *def, char *out, size_t size);

#endif
