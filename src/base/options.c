/* Reading flags. Each option of the verb's table and of the common table remembers who gave it: the job
 * file, a flag, both. A flag goes before the file; a list that a flag or the file gives starts anew. */
#include "base/options.h"
#include "base/json_write.h"
#include "base/log.h"
#include <math.h>
#include <string.h>

enum { MOST_OPTIONS = 256, MOST_STRINGS = 65536, SHOWN_BYTES = 512 };
enum { BY_FILE = 1, BY_FLAG = 2 };

struct options_reader {
    context *cx;
    arena *memory;
    const verb_def *verb;
    char *values;
    common_options common;
    uint8_t given[2][MOST_OPTIONS]; /* BY_ bits, of the verb's and of the common options */
};

static const char *const log_choices[] = {LOG_LEVEL_NAMES, NULL};
const option_def options_common[] = {
    OPTION(common_options, help, OPTION_BOOL, .help = "say what the verb does and what it takes"),
    OPTION(common_options, isa, OPTION_STRING, .value = "NAME",
           .help = "use no instruction set above this one: scalar, avx2, avx512, amx"),
    OPTION(common_options, log, OPTION_CHOICE, .choices = log_choices, .initial = "info",
           .help = "the least important messages to show"),
    {0}};

/* How many of the words `name` is; 0 when they do not begin with it. */
static int64_t words_of(const char *name, int64_t n_words, const char *const *words) {
    for (int64_t n = 0; n < n_words; n++) {
        size_t length = strlen(words[n]);
        if (strncmp(name, words[n], length) || (name[length] && name[length] != ' ')) return 0;
        if (!name[length]) return n + 1;
        name += length + 1;
    }
    return 0;
}

const verb_def *options_verb(int64_t n_words, const char *const *words, int64_t *used) {
    const verb_def *found = NULL;
    *used = 0;
    for (int64_t i = 0; registry_verb[i]; i++) {
        int64_t n = words_of(registry_verb[i]->name, n_words, words);
        if (n > *used) found = registry_verb[i];
        *used = MAX_OF(*used, n);
    }
    return found;
}

const char *options_nearest_verb(const char *written) {
    enum { MOST_VERBS = 256 };
    const char *names[MOST_VERBS];
    int64_t n = 0;
    for (; registry_verb[n] && n < MOST_VERBS; n++) names[n] = registry_verb[n]->name;
    return options_nearest(written, names, n);
}

arena *options_memory(const options_reader *r) {
    return r->memory;
}

static bool same_name(const char *member, const char *written, size_t length) {
    if (strlen(member) != length) return false;
    for (size_t i = 0; i < length; i++) {
        char c = written[i] == '-' ? '_' : written[i];
        if (member[i] != c) return false;
    }
    return true;
}

static const option_def *find_in(const option_def *table, const char *name, size_t length) {
    for (; table && table->kind; table++) {
        if (same_name(table->name, name, length)) return table;
    }
    return NULL;
}

const option_def *options_find(const options_reader *r, const char *name, size_t length) {
    const option_def *def = find_in(r->verb->options, name, length);
    return def ? def : find_in(options_common, name, length);
}

void options_flag_text(const option_def *def, char *out, size_t size) {
    snprintf(out, size, "%s", def->name);
    for (; *out; out++) {
        if (*out == '_') *out = '-';
    }
}

const char *options_suggest(const options_reader *r, const char *name, size_t length) {
    const char *names[2 * MOST_OPTIONS];
    int64_t n = 0;
    const option_def *const tables[] = {r->verb->options, options_common};
    for (int64_t t = 0; t < COUNT_OF(tables); t++) {
        for (const option_def *d = tables[t]; d && d->kind && n < COUNT_OF(names); d++) {
            char *flag = arena_strdup(r->memory, d->name);
            if (!flag) return NULL;
            options_flag_text(d, flag, strlen(flag) + 1);
            names[n++] = flag;
        }
    }
    char *written = arena_strndup(r->memory, name, length);
    return written ? options_nearest(written, names, n) : NULL;
}

static void choices_text(const option_def *def, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (int64_t i = 0; def->choices[i] && used < size; i++) {
        const char *between = i == 0 ? "" : def->choices[i + 1] ? ", " : " or ";
        int n = snprintf(out + used, size - used, "%s%s", between, def->choices[i]);
        used += (size_t)n;
    }
}

/* The fewest digits that read back as the number. */
static const char *number_text(double v, char out[32]) {
    int n = json_format_number(v, out);
    if (n > 2 && !strcmp(out + n - 2, ".0")) out[n - 2] = 0;
    return out;
}

void options_range_text(const option_def *def, char *out, size_t size) {
    char low[32], high[32];
    out[0] = 0;
    if (def->kind == OPTION_CHOICE) {
        choices_text(def, out, size);
    } else if (def->ranged && isinf(def->high)) {
        snprintf(out, size, "%s %s", def->above_low ? "above" : "at least",
                 number_text(def->low, low));
    } else if (def->ranged) {
        snprintf(out, size, def->above_low ? "above %s, at most %s" : "%s .. %s",
                 number_text(def->low, low), number_text(def->high, high));
    }
}

static const char *kind_text(option_kind kind) {
    switch (kind) {
    case OPTION_BOOL:
        return "true or false";
    case OPTION_INT:
        return "a whole number";
    case OPTION_DOUBLE:
        return "a number";
    case OPTION_SIZE:
        return "a size such as 4096, 512M or 4G";
    case OPTION_DURATION:
        return "a duration such as 30s, 5m or 1h30m";
    default:
        return "a text";
    }
}

static status bad_value(context *cx, const option_def *def, const char *shown, const char *text) {
    char range[SHOWN_BYTES];
    options_range_text(def, range, sizeof range);
    if (def->kind == OPTION_CHOICE) {
        int64_t n = 0;
        while (def->choices[n]) n++;
        const char *near = options_nearest(text, def->choices, n);
        FAIL(cx, STATUS_BAD_ARGUMENT, "%s: '%s' must be %s%s%s%s", shown, text, range,
             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    FAIL(cx, STATUS_BAD_ARGUMENT, "%s: '%s' must be %s%s%s", shown, text, kind_text(def->kind),
         *range ? ", " : "", range);
}

static bool in_range(const option_def *def, double n) {
    if (!def->ranged) return true;
    return n <= def->high && (def->above_low ? n > def->low : n >= def->low);
}

static bool bool_from(const char *text, bool *out) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (int64_t i = 0; i < COUNT_OF(words); i++) {
        if (!strcmp(text, words[i])) {
            *out = i % 2;
            return true;
        }
    }
    return false;
}

static status append(options_reader *r, string_list *list, const char *shown, const char *text) {
    if (list->count >= MOST_STRINGS)
        FAIL(r->cx, STATUS_BAD_ARGUMENT, "%s: more than %d values", shown, (int)MOST_STRINGS);
    const char **item = (const char **)list->item;
    if ((list->count & (list->count - 1)) == 0) { /* full at each power of two */
        const char **larger = ARENA_NEW(r->memory, const char *, MAX_OF(1, 2 * list->count));
        if (!larger) return STATUS_NO_MEMORY;
        if (list->count) memcpy(larger, item, (size_t)list->count * sizeof *item);
        item = larger;
    }
    item[list->count] = arena_strdup(r->memory, text);
    if (!item[list->count]) return STATUS_NO_MEMORY;
    *list = (string_list){item, list->count + 1};
    return STATUS_OK;
}

/* Parses into the member; false when the text is not of the kind or out of range. */
static bool store_number(const option_def *def, void *member, const char *text) {
    int64_t whole = 0;
    double real = 0;
    switch (def->kind) {
    case OPTION_BOOL:
        return bool_from(text, member);
    case OPTION_CHOICE:
        for (int i = 0; def->choices[i]; i++) {
            if (strcmp(text, def->choices[i]) != 0) continue;
            *(int *)member = i;
            return true;
        }
        return false;
    case OPTION_INT:
    case OPTION_SIZE:
        if (!(def->kind == OPTION_INT ? options_int_from : options_size_from)(text, &whole))
            return false;
        *(int64_t *)member = whole;
        return in_range(def, (double)whole);
    default:
        if (!(def->kind == OPTION_DOUBLE ? options_count_from : options_seconds_from)(text, &real))
            return false;
        *(double *)member = real;
        return in_range(def, real);
    }
}

static bool is_common(const option_def *def) {
    const option_def *end = options_common;
    while (end->kind) end++;
    return def >= options_common && def < end;
}

static status store(options_reader *r, const option_def *def, void *member, const char *shown,
                    const char *text) {
    if (def->kind == OPTION_STRINGS) return append(r, member, shown, text);
    if (def->kind == OPTION_STRING) {
        *(const char **)member = arena_strdup(r->memory, text);
        return *(const char **)member ? STATUS_OK : STATUS_NO_MEMORY;
    }
    return store_number(def, member, text) ? STATUS_OK : bad_value(r->cx, def, shown, text);
}

static void *member_of(options_reader *r, const option_def *def) {
    return (is_common(def) ? (char *)&r->common : r->values) + def->offset;
}

static uint8_t *given(options_reader *r, const option_def *def) {
    return is_common(def) ? &r->given[1][def - options_common]
                          : &r->given[0][def - r->verb->options];
}

bool options_in_file(options_reader *r, const option_def *def) {
    return *given(r, def) & BY_FILE;
}

status options_set(options_reader *r, const option_def *def, const char *shown, const char *text,
                   bool from_file) {
    union {
        int64_t whole;
        double real;
        string_list list;
    } unused = {0};
    uint8_t *by = given(r, def);
    uint8_t now = from_file ? BY_FILE : BY_FLAG;
    bool list = def->kind == OPTION_STRINGS;
    if ((*by & now) && !list) FAIL(r->cx, STATUS_BAD_ARGUMENT, "%s: given twice", shown);
    /* The file is read after the flags: what a flag has given is checked in the file, but not taken. */
    bool taken = !from_file || !(*by & BY_FLAG);
    void *member = taken ? member_of(r, def) : (void *)&unused;
    if (list && taken && !(*by & now)) *(string_list *)member = (string_list){0};
    *by |= now;
    return store(r, def, member, shown, text);
}

static status set_defaults(options_reader *r) {
    const option_def *const tables[] = {r->verb->options, options_common};
    for (int64_t t = 0; t < COUNT_OF(tables); t++) {
        for (const option_def *d = tables[t]; d && d->kind; d++) {
            if (d->initial)
                TRY_NOTE(r->cx, store(r, d, member_of(r, d), d->name, d->initial), "default");
        }
    }
    return STATUS_OK;
}

static const option_def *find_letter(const options_reader *r, const char *word) {
    const option_def *def = r->verb->options;
    while (def && def->kind && (!def->letter || def->letter != word[1])) def++;
    return def && def->kind && !word[2] ? def : NULL;
}

/* One flag at words[*i]; moves *i over its value. */
static status read_flag(options_reader *r, int64_t n_words, const char *const *words, int64_t *i) {
    const option_def *def = find_letter(r, words[*i]);
    if (!def && words[*i][1] != '-')
        FAIL(r->cx, STATUS_BAD_ARGUMENT, "unknown option '%s' (options begin with --)", words[*i]);
    const char *name = def ? def->name : words[*i] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const char *text = equals ? equals + 1 : NULL;
    if (!def) def = options_find(r, name, length);
    if (!def && !strncmp(name, "no-", 3) && !equals) {
        def = options_find(r, name + 3, length - 3);
        if (def && def->kind != OPTION_BOOL) def = NULL;
        text = "false";
    }
    if (!def) {
        const char *near = options_suggest(r, name, length);
        FAIL(r->cx, STATUS_BAD_ARGUMENT, "unknown option '--%.*s'%s%s%s", (int)length, name,
             near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
    }
    char shown[SHOWN_BYTES] = "--";
    options_flag_text(def, shown + 2, sizeof shown - 2);
    if (!text && def->kind == OPTION_BOOL) text = "true";
    if (!text) {
        if (*i + 1 >= n_words || !strncmp(words[*i + 1], "--", 2))
            FAIL(r->cx, STATUS_BAD_ARGUMENT, "%s: needs a value", shown);
        text = words[++*i];
    }
    return options_set(r, def, shown, text, false);
}

static bool is_job_file(const char *word) {
    const char *dot = strrchr(word, '.');
    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

static status read_words(options_reader *r, int64_t n_words, const char *const *words,
                         verb_call *out) {
    const char **args = ARENA_NEW(r->memory, const char *, n_words + 1);
    if (!args) return STATUS_NO_MEMORY;
    bool flags = true;
    out->args = args;
    for (int64_t i = 0; i < n_words; i++) {
        const char *word = words[i];
        if (flags && !strcmp(word, "--"))
            flags = false;
        else if (flags && !strcmp(word, "-h"))
            r->common.help = true;
        else if (flags && word[0] == '-' && word[1])
            TRY(read_flag(r, n_words, words, &i));
        else
            args[out->n_args++] = word;
    }
    if (r->verb->job_file && out->n_args > 0 && is_job_file(args[0])) {
        TRY(options_read_file(r, args[0]));
        out->args++;
        out->n_args--;
    }
    return STATUS_OK;
}

static status check_complete(options_reader *r, const verb_call *call) {
    const verb_def *verb = r->verb;
    for (const option_def *d = verb->options; d && d->kind; d++) {
        char flag[SHOWN_BYTES];
        options_flag_text(d, flag, sizeof flag);
        if (d->required && *given(r, d) == 0)
            FAIL(r->cx, STATUS_BAD_ARGUMENT, "hone %s needs --%s", verb->name, flag);
    }
    if (call->n_args < verb->min_args)
        FAIL(r->cx, STATUS_BAD_ARGUMENT, "hone %s needs %s", verb->name, verb->positional);
    if (verb->max_args >= 0 && call->n_args > verb->max_args)
        FAIL(r->cx, STATUS_BAD_ARGUMENT, "'%s' is one word too many", call->args[verb->max_args]);
    return STATUS_OK;
}

static status begin(arena *memory, const verb_def *verb, options_reader **out, verb_call *call) {
    options_reader *r = ARENA_NEW(memory, options_reader, 1);
    if (!r) return STATUS_NO_MEMORY;
    *r = (options_reader){.cx = memory->cx, .memory = memory, .verb = verb};
    r->values = arena_alloc(memory, MAX_OF(verb->options_bytes, 1));
    if (!r->values) return STATUS_NO_MEMORY;
    *call = (verb_call){
        .cx = memory->cx, .memory = memory, .verb = verb, .options = r->values, .out = stdout};
    *out = r;
    return set_defaults(r);
}

status options_read(arena *memory, const verb_def *verb, int64_t n_words, const char *const *words,
                    verb_call *out) {
    options_reader *r;
    TRY(begin(memory, verb, &r, out));
    TRY(read_words(r, n_words, words, out));
    out->common = r->common;
    return out->common.help ? STATUS_OK : check_complete(r, out);
}

status options_read_job(arena *memory, const verb_def *verb, const char *name, const char *text,
                        size_t length, verb_call *out) {
    options_reader *r;
    TRY(begin(memory, verb, &r, out));
    TRY(options_read_yaml(r, name, text, length));
    out->common = r->common;
    return check_complete(r, out);
}
