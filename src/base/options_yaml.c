/* A job file is one YAML mapping from keys, which are flag names, to plain values; a list takes a sequence.
 * Types come from the option table, so that `no`, `1e-4` or `007` mean what the option says and nothing
 * is guessed. Anchors, tags, nested mappings, further documents and keys given twice are refused. */
#include "base/options.h"
#include <string.h>
#include <yaml.h>

enum { MOST_FILE_BYTES = 1 << 20, SHOWN_BYTES = 512 };

typedef struct yaml_input {
    options_reader *r;
    context *cx;
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
} yaml_input;

static status next(yaml_input *in) {
    if (in->has_event) yaml_event_delete(&in->event);
    in->has_event = false;
    if (!yaml_parser_parse(&in->parser, &in->event))
        FAIL(in->cx, STATUS_BAD_ARGUMENT, "%s:%zu: %s", in->path, in->parser.problem_mark.line + 1,
             in->parser.problem ? in->parser.problem : "not YAML");
    in->has_event = true;
    return STATUS_OK;
}

static size_t line(const yaml_input *in) {
    return in->event.start_mark.line + 1;
}

static status expect(yaml_input *in, yaml_event_type_t type, const char *what) {
    if (in->event.type == type) return STATUS_OK;
    FAIL(in->cx, STATUS_BAD_ARGUMENT, "%s:%zu: must be %s", in->path, line(in), what);
}

/* The text of a scalar, which holds no NUL. */
static status scalar(yaml_input *in, const char *what, const char **text) {
    TRY(expect(in, YAML_SCALAR_EVENT, what));
    *text = (const char *)in->event.data.scalar.value;
    if (strlen(*text) != in->event.data.scalar.length)
        FAIL(in->cx, STATUS_BAD_ARGUMENT, "%s:%zu: holds a zero byte", in->path, line(in));
    if (in->event.data.scalar.anchor || in->event.data.scalar.tag)
        FAIL(in->cx, STATUS_BAD_ARGUMENT, "%s:%zu: anchors and tags are not taken", in->path,
             line(in));
    return STATUS_OK;
}

static status unknown_key(yaml_input *in, const char *key) {
    const char *near = options_suggest(in->r, key, strlen(key));
    FAIL(in->cx, STATUS_BAD_ARGUMENT, "%s:%zu: unknown key '%s'%s%s%s", in->path, line(in), key,
         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static status set_scalar(yaml_input *in, const option_def *def, const char *shown) {
    const char *text;
    TRY_NOTE(in->cx, scalar(in, "one value", &text), "%s", shown);
    bool plain = in->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && (!*text || !strcmp(text, "~") || !strcmp(text, "null")))
        FAIL(in->cx, STATUS_BAD_ARGUMENT, "%s: needs a value", shown);
    return options_set(in->r, def, shown, text, true);
}

static status read_pair(yaml_input *in) {
    const char *key;
    char shown[SHOWN_BYTES];
    TRY(scalar(in, "a key", &key));
    const option_def *def = options_find(in->r, key, strlen(key));
    if (!def) return unknown_key(in, key);
    snprintf(shown, sizeof shown, "%s:%zu: %s", in->path, line(in), key);
    if (options_in_file(in->r, def)) FAIL(in->cx, STATUS_BAD_ARGUMENT, "%s: given twice", shown);
    TRY(next(in));
    if (def->kind != OPTION_STRINGS || in->event.type != YAML_SEQUENCE_START_EVENT)
        return set_scalar(in, def, shown);
    TRY(next(in));
    while (in->event.type != YAML_SEQUENCE_END_EVENT) {
        TRY(set_scalar(in, def, shown));
        TRY(next(in));
    }
    return STATUS_OK;
}

static status read_document(yaml_input *in) {
    TRY(next(in)); /* stream start */
    TRY(next(in));
    if (in->event.type == YAML_STREAM_END_EVENT) return STATUS_OK;
    TRY(next(in));
    TRY(expect(in, YAML_MAPPING_START_EVENT, "a mapping of options to values"));
    TRY(next(in));
    while (in->event.type != YAML_MAPPING_END_EVENT) {
        TRY(read_pair(in));
        TRY(next(in));
    }
    TRY(next(in)); /* document end */
    TRY(next(in));
    return expect(in, YAML_STREAM_END_EVENT, "the end: one document to a job file");
}

status options_read_yaml(options_reader *r, const char *name, const char *text, size_t length) {
    yaml_input in = {.r = r, .cx = options_memory(r)->cx, .path = name};
    if (!yaml_parser_initialize(&in.parser)) FAIL(in.cx, STATUS_NO_MEMORY, "%s: no memory", name);
    yaml_parser_set_input_string(&in.parser, (const unsigned char *)text, length);
    status st = read_document(&in);
    if (in.has_event) yaml_event_delete(&in.event);
    yaml_parser_delete(&in.parser);
    return st;
}

status options_read_file(options_reader *r, const char *path) {
    context *cx = options_memory(r)->cx;
    char *text = arena_alloc(options_memory(r), MOST_FILE_BYTES + 1);
    if (!text) return STATUS_NO_MEMORY;
    FILE *file = fopen(path, "re");
    if (!file) FAIL(cx, STATUS_IO, "job file '%s': cannot be opened", path);
    size_t length = fread(text, 1, MOST_FILE_BYTES + 1, file);
    bool bad = ferror(file);
    fclose(file);
    if (bad) FAIL(cx, STATUS_IO, "job file '%s': cannot be read", path);
    if (length > MOST_FILE_BYTES)
        FAIL(cx, STATUS_BAD_ARGUMENT, "job file '%s': more than 1 MiB", path);
    return options_read_yaml(r, path, text, length);
}
