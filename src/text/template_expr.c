/* Expressions: one function per kind of node, each counting a step and a level. */
#include "text/template_eval.h"
#include <math.h>
#include <string.h>

static status make_dict(evaluator *ev, const template_node *n, template_value *out) {
    TRY(template_dict_new(ev->a, out));
    for (const template_node *pair = n->items; pair; pair = pair->next) {
        template_value key, value;
        TRY(template_eval(ev, pair->a, &key));
        TRY(template_eval(ev, pair->b, &value));
        status st = template_dict_put(ev->a, *out, key, value);
        if (st != STATUS_OK) return context_note(ev->cx, st, "line %d", pair->line);
    }
    return STATUS_OK;
}

static status make_list(evaluator *ev, const template_node *n, template_value *out) {
    TRY(template_list_new(
        ev->a, n->kind == TEMPLATE_MAKE_TUPLE ? TEMPLATE_TUPLE : TEMPLATE_PLAIN_LIST, out));
    for (const template_node *item = n->items; item; item = item->next) {
        template_value v;
        TRY(template_eval(ev, item, &v));
        TRY(template_list_append(ev->a, *out, v));
    }
    return STATUS_OK;
}

static status eval_item(evaluator *ev, const template_node *n, template_value *out) {
    template_value object, index;
    TRY(template_eval(ev, n->a, &object));
    if (n->b->kind == TEMPLATE_SLICE) {
        template_value part[3] = {template_none(), template_none(), template_none()};
        if (n->b->a) TRY(template_eval(ev, n->b->a, &part[0]));
        if (n->b->b) TRY(template_eval(ev, n->b->b, &part[1]));
        if (n->b->c) TRY(template_eval(ev, n->b->c, &part[2]));
        ev->line = n->line;
        return template_slice(ev, object, part, out);
    }
    TRY(template_eval(ev, n->b, &index));
    ev->line = n->line;
    return template_item(ev, object, index, out);
}

static status eval_call(evaluator *ev, const template_node *n, template_value *out) {
    template_value callee;
    template_arguments args;
    TRY(template_eval(ev, n->a, &callee));
    TRY(template_eval_arguments(ev, n->items, &args));
    int32_t line = ev->line = n->line;
    TRY(template_call_value(ev, callee, &args, out));
    ev->line = line;
    return STATUS_OK;
}

static status eval_builtin(evaluator *ev, const template_node *n, template_value *out) {
    template_value self;
    template_arguments args;
    TRY(template_eval(ev, n->a, &self));
    TRY(template_eval_arguments(ev, n->items, &args));
    ev->line = n->line;
    return template_call_builtin(ev, n->builtin, self, &args, out);
}

static status eval_compare(evaluator *ev, const template_node *n, template_value *out) {
    template_value left, right;
    TRY(template_eval(ev, n->a, &left));
    bool holds = true;
    for (const template_node *operand = n->items; operand && holds; operand = operand->next) {
        TRY(template_eval(ev, operand->a, &right));
        ev->line = operand->line;
        TRY(template_compare(ev, (template_op)operand->op, left, right, &holds));
        left = right;
    }
    *out = template_bool(holds);
    return STATUS_OK;
}

static status eval_sign(evaluator *ev, const template_node *n, template_value *out) {
    template_value v;
    TRY(template_eval(ev, n->a, &v));
    bool minus = n->kind == TEMPLATE_NEGATE;
    if (v.kind == TEMPLATE_FLOAT) {
        *out = template_float(minus ? -v.number : v.number);
        return STATUS_OK;
    }
    if (v.kind != TEMPLATE_INT && v.kind != TEMPLATE_BOOL)
        TEMPLATE_FAIL(ev, STATUS_BAD_DATA, "a %s has no sign", template_type_name(v));
    int64_t integer = v.kind == TEMPLATE_BOOL ? v.truth : v.integer;
    if (minus && integer == INT64_MIN)
        TEMPLATE_FAIL(ev, STATUS_UNSUPPORTED, "integers have 64 bits");
    *out = template_int(minus ? -integer : integer);
    return STATUS_OK;
}

static status eval_binary(evaluator *ev, const template_node *n, template_value *out) {
    template_value left, right;
    TRY(template_eval(ev, n->a, &left));
    TRY(template_eval(ev, n->b, &right));
    ev->line = n->line;
    return template_binary(ev, (template_op)n->op, left, right, out);
}

static status eval_choice(evaluator *ev, const template_node *n, template_value *out) {
    template_value v;
    if (n->kind == TEMPLATE_CONDITION) {
        TRY(template_eval(ev, n->b, &v));
        if (template_truth(v)) return template_eval(ev, n->a, out);
        *out = template_undefined(NULL);
        return n->c ? template_eval(ev, n->c, out) : STATUS_OK;
    }
    TRY(template_eval(ev, n->a, out));
    if (template_truth(*out) == (n->kind == TEMPLATE_OR)) return STATUS_OK;
    return template_eval(ev, n->b, out);
}

static status eval_inner(evaluator *ev, const template_node *n, template_value *out) {
    template_value v;
    const template_value *found;
    switch (n->kind) {
    case TEMPLATE_CONST:
        *out = n->value;
        return STATUS_OK;
    case TEMPLATE_NAME:
        found = template_look_up(ev, n->name);
        *out = found ? *found : template_undefined(n->name);
        return STATUS_OK;
    case TEMPLATE_MAKE_TUPLE:
    case TEMPLATE_MAKE_LIST:
        return make_list(ev, n, out);
    case TEMPLATE_MAKE_DICT:
        return make_dict(ev, n, out);
    case TEMPLATE_ATTRIBUTE:
        TRY(template_eval(ev, n->a, &v));
        ev->line = n->line;
        return template_attribute(ev, v, n->name, out);
    case TEMPLATE_ITEM:
        return eval_item(ev, n, out);
    case TEMPLATE_CALL:
        return eval_call(ev, n, out);
    case TEMPLATE_FILTER:
    case TEMPLATE_TEST:
        return eval_builtin(ev, n, out);
    case TEMPLATE_CONDITION:
    case TEMPLATE_AND:
    case TEMPLATE_OR:
        return eval_choice(ev, n, out);
    case TEMPLATE_NOT:
        TRY(template_eval(ev, n->a, &v));
        *out = template_bool(!template_truth(v));
        return STATUS_OK;
    case TEMPLATE_NEGATE:
    case TEMPLATE_PLUS:
        return eval_sign(ev, n, out);
    case TEMPLATE_BINARY:
        return eval_binary(ev, n, out);
    case TEMPLATE_COMPARE:
        return eval_compare(ev, n, out);
    default:
        TEMPLATE_FAIL(ev, STATUS_BUG, "node of kind %d is no expression", n->kind);
    }
}

status template_eval(evaluator *ev, const template_node *n, template_value *out) {
    ev->line = n->line;
    TRY(template_descend(ev));
    TRY(template_step(ev, 1));
    TRY(eval_inner(ev, n, out));
    ev->depth--;
    return STATUS_OK;
}
