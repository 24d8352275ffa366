/* The global functions: what Jinja2 has and what transformers adds. */
#include "text/template_eval.h"
#include <string.h>
#include <time.h>

enum { LONGEST_RANGE = 100000 }; /* the sandbox's own limit */

static status call_range(template_call *c) {
    for (int i = 0; i < 3; i++) {
        if (c->arg[i].kind != TEMPLATE_ABSENT) TRY(template_need_int(c, i));
    }
    bool only_stop = c->arg[1].kind == TEMPLATE_ABSENT;
    int64_t from = only_stop ? 0 : c->arg[0].integer,
            to = only_stop ? c->arg[0].integer : c->arg[1].integer;
    int64_t step = c->arg[2].kind == TEMPLATE_ABSENT ? 1 : c->arg[2].integer;
    if (!step) TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "a range's step cannot be 0");
    TRY(template_new_list(c->ev, TEMPLATE_RANGE, c->out));
    for (int64_t at = from; step > 0 ? at < to : at > to;) {
        if (c->out->list->count == LONGEST_RANGE)
            TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "a range is longer than %d", (int)LONGEST_RANGE);
        TRY(template_add(c->ev, *c->out, template_int(at)));
        if (add_overflows(at, step, &at)) break;
    }
    return STATUS_OK;
}

/* dict(...) and namespace(...): a mapping perhaps, then fields by name. */
static status make_fields(template_call *c) {
    TRY(template_dict_new(c->ev->a, c->out));
    if (c->all->positional_count > 1)
        TEMPLATE_FAIL(c->ev, STATUS_BAD_DATA, "one mapping at most is taken");
    for (int64_t i = 0; i < c->all->positional_count; i++) {
        template_value from = c->all->positional[0];
        if (from.kind != TEMPLATE_DICT)
            TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "a dict cannot be made from a %s",
                          template_type_name(from));
        TRY(template_step(c->ev, from.dict->count));
        for (int64_t k = 0; k < from.dict->count; k++)
            TRY(template_dict_put(c->ev->a, *c->out, from.dict->entries[k].key,
                                  from.dict->entries[k].value));
    }
    for (int64_t i = 0; i < c->all->named_count; i++)
        TRY(template_dict_set(c->ev->a, *c->out, c->all->names[i], c->all->named[i]));
    return STATUS_OK;
}

static status call_namespace(template_call *c) {
    TRY(make_fields(c));
    c->out->kind = TEMPLATE_NAMESPACE;
    return STATUS_OK;
}

static status call_raise(template_call *c) {
    template_value s;
    TRY(template_to_text(c->ev, c->arg[0], &s));
    TEMPLATE_FAIL(c->ev, STATUS_BAD_ARGUMENT, "the template refuses: %.*s",
                  (int)MIN_OF(s.length_bytes, 400), s.text);
}

static status call_strftime(template_call *c) {
    enum { LONGEST_TEXT = 512 };
    TRY(template_need_text(c, 0));
    char *format = arena_strndup(c->ev->a, c->arg[0].text, (size_t)c->arg[0].length_bytes);
    char *text = arena_alloc(c->ev->a, LONGEST_TEXT);
    if (!format || !text) return STATUS_NO_MEMORY;
    time_t now = (time_t)c->ev->now_seconds;
    struct tm parts;
    if (!localtime_r(&now, &parts))
        TEMPLATE_FAIL(c->ev, STATUS_BAD_ARGUMENT, "the time has no date");
    size_t length = *format ? strftime(text, LONGEST_TEXT, format, &parts) : 0;
    if (*format && !length)
        TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "the date is empty or longer than %d bytes",
                      (int)LONGEST_TEXT);
    *c->out = template_string_of(text, (int64_t)length);
    return STATUS_OK;
}

static status refuse_function(template_call *c) {
    TEMPLATE_FAIL(c->ev, STATUS_UNSUPPORTED, "the function '%s' is not supported",
                  c->self.function->name);
}

const template_builtin template_globals[] = {
    {"range", "start,stop?,step?", call_range},
    {"dict", "*", make_fields},
    {"namespace", "*", call_namespace},
    {"raise_exception", "message", call_raise},
    {"strftime_now", "format", call_strftime},
    {"cycler", "*", refuse_function},
    {"joiner", "*", refuse_function},
    {"lipsum", "*", refuse_function},
    {0},
};
