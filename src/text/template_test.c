/* The tests that stand behind `is`. */
#include "text/template_eval.h"
#include <string.h>

static status answer(template_call *c, bool truth) {
    *c->out = template_bool(truth);
    return STATUS_OK;
}

static status test_defined(template_call *c) {
    return answer(c, c->self.kind != TEMPLATE_UNDEFINED);
}

static status test_undefined(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_UNDEFINED);
}

static status test_none(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_NONE);
}

static status test_true(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_BOOL && c->self.truth);
}

static status test_false(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_BOOL && !c->self.truth);
}

static status test_boolean(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_BOOL);
}

static status test_integer(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_INT);
}

static status test_float(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_FLOAT);
}

static status test_number(template_call *c) {
    return answer(c, template_is_number(c->self));
}

static status test_string(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_STRING);
}

static status test_mapping(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_DICT);
}

static status test_iterable(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_STRING || c->self.kind == TEMPLATE_LIST ||
                         c->self.kind == TEMPLATE_DICT || c->self.kind == TEMPLATE_UNDEFINED ||
                         c->self.kind == TEMPLATE_LOOP);
}

/* Has a length and can be indexed: what Jinja2 asks for. */
static status test_sequence(template_call *c) {
    bool list = c->self.kind == TEMPLATE_LIST && c->self.list->flavour <= TEMPLATE_RANGE;
    return answer(c, list || c->self.kind == TEMPLATE_STRING || c->self.kind == TEMPLATE_DICT ||
                         c->self.kind == TEMPLATE_UNDEFINED);
}

static status test_callable(template_call *c) {
    return answer(c, c->self.kind == TEMPLATE_MACRO || c->self.kind == TEMPLATE_FUNCTION ||
                         c->self.kind == TEMPLATE_METHOD);
}

static status test_parity(template_call *c, int64_t divisor, int64_t rest) {
    template_value r;
    TRY(template_binary(c->ev, TEMPLATE_MOD, c->self, template_int(divisor), &r));
    return answer(c, template_equal(r, template_int(rest)));
}

static status test_odd(template_call *c) {
    return test_parity(c, 2, 1);
}

static status test_even(template_call *c) {
    return test_parity(c, 2, 0);
}

static status test_divisible(template_call *c) {
    template_value r;
    TRY(template_binary(c->ev, TEMPLATE_MOD, c->self, c->arg[0], &r));
    return answer(c, template_equal(r, template_int(0)));
}

static status compared(template_call *c, template_op op) {
    bool holds;
    TRY(template_compare(c->ev, op, c->self, c->arg[0], &holds));
    return answer(c, holds);
}

static status test_eq(template_call *c) {
    return compared(c, TEMPLATE_EQ);
}

static status test_ne(template_call *c) {
    return compared(c, TEMPLATE_NE);
}

static status test_lt(template_call *c) {
    return compared(c, TEMPLATE_LT);
}

static status test_le(template_call *c) {
    return compared(c, TEMPLATE_LE);
}

static status test_gt(template_call *c) {
    return compared(c, TEMPLATE_GT);
}

static status test_ge(template_call *c) {
    return compared(c, TEMPLATE_GE);
}

static status test_in(template_call *c) {
    return compared(c, TEMPLATE_IN);
}

static status test_same(template_call *c) {
    template_value x = c->self, y = c->arg[0];
    if (x.kind != y.kind) return answer(c, false);
    if (x.kind == TEMPLATE_LIST || x.kind == TEMPLATE_DICT) return answer(c, x.list == y.list);
    return compared(c, TEMPLATE_EQ);
}

static status test_case_of(template_call *c,
                           status (*fold)(evaluator *, template_value, template_value *),
                           status (*other)(evaluator *, template_value, template_value *)) {
    template_value s, folded, opposite;
    TRY(template_to_text(c->ev, c->self, &s));
    TRY(fold(c->ev, s, &folded));
    TRY(other(c->ev, s, &opposite));
    return answer(c, template_equal(s, folded) && !template_equal(s, opposite));
}

static status test_lower(template_call *c) {
    return test_case_of(c, template_lower, template_upper);
}

static status test_upper(template_call *c) {
    return test_case_of(c, template_upper, template_lower);
}

static status test_name_of(template_call *c, const template_builtin *(*find)(const char *)) {
    TRY(template_need_text(c, -1));
    char *name = arena_strndup(c->ev->a, c->self.text, (size_t)c->self.length_bytes);
    if (!name) return STATUS_NO_MEMORY;
    return answer(c, find(name) != NULL);
}

static status test_filter(template_call *c) {
    return test_name_of(c, template_find_filter);
}

static status test_test(template_call *c) {
    return test_name_of(c, template_find_test);
}

static const template_builtin tests[] = {
    {"defined", "", test_defined},
    {"undefined", "", test_undefined},
    {"none", "", test_none},
    {"true", "", test_true},
    {"false", "", test_false},
    {"boolean", "", test_boolean},
    {"integer", "", test_integer},
    {"float", "", test_float},
    {"number", "", test_number},
    {"string", "", test_string},
    {"mapping", "", test_mapping},
    {"iterable", "", test_iterable},
    {"sequence", "", test_sequence},
    {"callable", "", test_callable},
    {"odd", "", test_odd},
    {"even", "", test_even},
    {"divisibleby", "num", test_divisible},
    {"eq", "other", test_eq},
    {"equalto", "other", test_eq},
    {"==", "other", test_eq},
    {"ne", "other", test_ne},
    {"!=", "other", test_ne},
    {"lt", "other", test_lt},
    {"lessthan", "other", test_lt},
    {"<", "other", test_lt},
    {"le", "other", test_le},
    {"<=", "other", test_le},
    {"gt", "other", test_gt},
    {"greaterthan", "other", test_gt},
    {">", "other", test_gt},
    {"ge", "other", test_ge},
    {">=", "other", test_ge},
    {"in", "seq", test_in},
    {"sameas", "other", test_same},
    {"lower", "", test_lower},
    {"upper", "", test_upper},
    {"filter", "", test_filter},
    {"test", "", test_test},
    {0},
};

const template_builtin *template_find_test(const char *name) {
    for (const template_builtin *b = tests; b->name; b++) {
        if (!strcmp(b->name, name)) return b;
    }
    return NULL;
}
