/* Recursive descent over the tokens, with Jinja2's precedence, weakest first:
 *   `a if c else b`, or, and, not, comparisons and in, + -, ~, * / // %, **, unary - +, postfix, filters and
 *   tests.
 * A filter binds to what is left of it including a unary sign; `is` likewise. */
#include "text/template_ast.h"
#include "text/template_eval.h"
#include "text/template_lex.h"
#include <string.h>

enum { DEEPEST_NESTING = 100 };

typedef struct parser {
    arena *a;
    template_tokens tokens;
    const template_token *at;
    int depth, loops;
} parser;

/* A list under construction. */
typedef struct chain {
    template_node *first, *last;
} chain;

static void chain_add(chain *list, template_node *n) {
    if (list->last)
        list->last->next = n;
    else
        list->first = n;
    list->last = n;
}

static status expression(parser *p, template_node **out);
static status tuple(parser *p, bool inline_if, bool parenthesised, template_node **out);
static status unary(parser *p, bool filters, template_node **out);
static status statements(parser *p, const char *const *ends, template_node **out, const char **end);

static bool is_op(const template_token *t, const char *text) {
    return t->kind == TOKEN_OPERATOR && !strcmp(t->text, text);
}

static bool is_word(const template_token *t, const char *text) {
    return t->kind == TOKEN_NAME && !strcmp(t->text, text);
}

static bool skip_op(parser *p, const char *text) {
    if (!is_op(p->at, text)) return false;
    p->at++;
    return true;
}

static bool skip_word(parser *p, const char *text) {
    if (!is_word(p->at, text)) return false;
    p->at++;
    return true;
}

static const char *describe(const template_token *t) {
    static const char *const names[] = {
        "the end of the template", "text", "'{{'", "'}}'", "'{%'", "'%}'"};
    if (t->kind <= TOKEN_TAG_END) return names[t->kind];
    return t->kind == TOKEN_VALUE ? "a constant" : t->text;
}

static status expected(parser *p, const char *what) {
    FAIL(p->a->cx, STATUS_BAD_DATA, "line %d: expected %s, found %s", p->at->line, what,
         describe(p->at));
}

static status need_op(parser *p, const char *text) {
    return skip_op(p, text) ? STATUS_OK : expected(p, text);
}

static status need_kind(parser *p, template_token_kind kind, const char *what) {
    if (p->at->kind != kind) return expected(p, what);
    p->at++;
    return STATUS_OK;
}

static status need_name(parser *p, const char **name) {
    if (p->at->kind != TOKEN_NAME) return expected(p, "a name");
    *name = p->at++->text;
    return STATUS_OK;
}

static status make(parser *p, template_node_kind kind, int32_t line, template_node **out) {
    *out = ARENA_NEW(p->a, template_node, 1);
    if (!*out) return STATUS_NO_MEMORY;
    (*out)->kind = (uint8_t)kind;
    (*out)->line = line;
    return STATUS_OK;
}

static status deeper(parser *p) {
    if (++p->depth > DEEPEST_NESTING)
        FAIL(p->a->cx, STATUS_BAD_DATA, "line %d: the template nests deeper than %d", p->at->line,
             (int)DEEPEST_NESTING);
    return STATUS_OK;
}

static status make_binary(parser *p, template_node_kind kind, template_op op, int32_t line,
                          template_node *left, template_node *right, template_node **out) {
    TRY(make(p, kind, line, out));
    (*out)->op = (uint8_t)op;
    (*out)->a = left;
    (*out)->b = right;
    return STATUS_OK;
}

static status argument(parser *p, chain *args) {
    template_node *n;
    TRY(make(p, TEMPLATE_ARGUMENT, p->at->line, &n));
    if (skip_op(p, "*")) {
        n->kind = TEMPLATE_SPREAD;
    } else if (skip_op(p, "**")) {
        n->kind = TEMPLATE_SPREAD_NAMES;
    } else if (p->at->kind == TOKEN_NAME && is_op(p->at + 1, "=")) {
        n->name = p->at->text;
        p->at += 2;
    } else if (args->last && (args->last->kind != TEMPLATE_ARGUMENT || args->last->name)) {
        FAIL(p->a->cx, STATUS_BAD_DATA, "line %d: a positional argument follows a keyword argument",
             p->at->line);
    }
    TRY(expression(p, &n->a));
    chain_add(args, n);
    return STATUS_OK;
}

static status arguments(parser *p, template_node **out) {
    chain args = {0};
    TRY(need_op(p, "("));
    while (!is_op(p->at, ")")) {
        if (args.first) {
            TRY(need_op(p, ","));
            if (is_op(p->at, ")")) break;
        }
        TRY(argument(p, &args));
    }
    p->at++;
    *out = args.first;
    return STATUS_OK;
}

static status list_literal(parser *p, template_node **out) {
    chain items = {0};
    TRY(make(p, TEMPLATE_MAKE_LIST, p->at->line, out));
    p->at++;
    while (!is_op(p->at, "]")) {
        if (items.first) {
            TRY(need_op(p, ","));
            if (is_op(p->at, "]")) break;
        }
        template_node *item;
        TRY(expression(p, &item));
        chain_add(&items, item);
    }
    p->at++;
    (*out)->items = items.first;
    return STATUS_OK;
}

static status dict_literal(parser *p, template_node **out) {
    chain items = {0};
    TRY(make(p, TEMPLATE_MAKE_DICT, p->at->line, out));
    p->at++;
    while (!is_op(p->at, "}")) {
        if (items.first) {
            TRY(need_op(p, ","));
            if (is_op(p->at, "}")) break;
        }
        template_node *pair;
        TRY(make(p, TEMPLATE_PAIR, p->at->line, &pair));
        TRY(expression(p, &pair->a));
        TRY(need_op(p, ":"));
        TRY(expression(p, &pair->b));
        chain_add(&items, pair);
    }
    p->at++;
    (*out)->items = items.first;
    return STATUS_OK;
}

static status string_literal(parser *p, template_node *n) {
    n->value = p->at++->value;
    if (n->value.kind != TEMPLATE_STRING) return STATUS_OK;
    while (p->at->kind == TOKEN_VALUE && p->at->value.kind == TEMPLATE_STRING) {
        int64_t first = n->value.length_bytes, more = p->at->value.length_bytes;
        char *joined = arena_alloc(p->a, (size_t)(first + more) + 1);
        if (!joined) return STATUS_NO_MEMORY;
        memcpy(joined, n->value.text, (size_t)first);
        memcpy(joined + first, p->at->value.text, (size_t)more);
        n->value = template_string_of(joined, first + more);
        p->at++;
    }
    return STATUS_OK;
}

static status primary(parser *p, template_node **out) {
    const template_token *t = p->at;
    if (is_op(t, "(")) {
        p->at++;
        TRY(tuple(p, true, true, out));
        return need_op(p, ")");
    }
    if (is_op(t, "[")) return list_literal(p, out);
    if (is_op(t, "{")) return dict_literal(p, out);
    if (t->kind != TOKEN_NAME && t->kind != TOKEN_VALUE) return expected(p, "an expression");
    TRY(make(p, TEMPLATE_CONST, t->line, out));
    template_node *n = *out;
    if (t->kind == TOKEN_VALUE) return string_literal(p, n);
    p->at++;
    if (is_word(t, "true") || is_word(t, "True")) {
        n->value = template_bool(true);
    } else if (is_word(t, "false") || is_word(t, "False")) {
        n->value = template_bool(false);
    } else if (is_word(t, "none") || is_word(t, "None")) {
        n->value = template_none();
    } else {
        n->kind = TEMPLATE_NAME;
        n->name = t->text;
    }
    return STATUS_OK;
}

static status slice_part(parser *p, template_node **out) {
    if (is_op(p->at, ":") || is_op(p->at, "]")) return STATUS_OK;
    return expression(p, out);
}

static status subscript(parser *p, template_node *object, template_node **out) {
    int32_t line = p->at->line;
    if (skip_op(p, ".")) {
        TRY(make(p, TEMPLATE_ATTRIBUTE, line, out));
        (*out)->a = object;
        if (p->at->kind == TOKEN_VALUE && p->at->value.kind == TEMPLATE_INT) {
            (*out)->kind = TEMPLATE_ITEM;
            TRY(make(p, TEMPLATE_CONST, line, &(*out)->b));
            (*out)->b->value = p->at++->value;
            return STATUS_OK;
        }
        return need_name(p, &(*out)->name);
    }
    p->at++;
    TRY(make(p, TEMPLATE_ITEM, line, out));
    (*out)->a = object;
    template_node *index = NULL;
    if (is_op(p->at, "]")) return expected(p, "an index");
    TRY(slice_part(p, &index));
    if (is_op(p->at, ":")) {
        template_node *slice;
        TRY(make(p, TEMPLATE_SLICE, line, &slice));
        slice->a = index;
        p->at++;
        TRY(slice_part(p, &slice->b));
        if (skip_op(p, ":")) TRY(slice_part(p, &slice->c));
        index = slice;
    }
    (*out)->b = index;
    return need_op(p, "]");
}

static status call(parser *p, template_node *callee, template_node **out) {
    TRY(make(p, TEMPLATE_CALL, p->at->line, out));
    (*out)->a = callee;
    return arguments(p, &(*out)->items);
}

static status postfix(parser *p, template_node **n) {
    for (;;) {
        if (is_op(p->at, ".") || is_op(p->at, "["))
            TRY(subscript(p, *n, n));
        else if (is_op(p->at, "("))
            TRY(call(p, *n, n));
        else
            return STATUS_OK;
    }
}

/* A filter's name and arguments, on `object` (NULL for a block's text). */
static status filter(parser *p, template_node *object, template_node **out) {
    TRY(make(p, TEMPLATE_FILTER, p->at->line, out));
    template_node *n = *out;
    TRY(need_name(p, &n->name));
    n->a = object;
    n->builtin = template_find_filter(n->name);
    if (!n->builtin)
        FAIL(p->a->cx, STATUS_UNSUPPORTED, "line %d: unknown filter '%s'", n->line, n->name);
    return is_op(p->at, "(") ? arguments(p, &n->items) : STATUS_OK;
}

static bool starts_operand(const parser *p) {
    if (p->at->kind == TOKEN_VALUE || is_op(p->at, "[") || is_op(p->at, "{")) return true;
    return p->at->kind == TOKEN_NAME && !is_word(p->at, "else") && !is_word(p->at, "or") &&
           !is_word(p->at, "and");
}

static status test(parser *p, template_node **object) {
    int32_t line = p->at->line;
    p->at++;
    bool negated = skip_word(p, "not");
    template_node *n;
    TRY(make(p, TEMPLATE_TEST, line, &n));
    n->a = *object;
    TRY(need_name(p, &n->name));
    n->builtin = template_find_test(n->name);
    if (!n->builtin)
        FAIL(p->a->cx, STATUS_UNSUPPORTED, "line %d: unknown test '%s'", line, n->name);
    if (is_op(p->at, "(")) {
        TRY(arguments(p, &n->items));
    } else if (starts_operand(p)) {
        if (is_word(p->at, "is"))
            FAIL(p->a->cx, STATUS_BAD_DATA, "line %d: tests cannot be chained with 'is'", line);
        TRY(make(p, TEMPLATE_ARGUMENT, line, &n->items));
        TRY(primary(p, &n->items->a));
        TRY(postfix(p, &n->items->a));
    }
    *object = n;
    return negated ? make_binary(p, TEMPLATE_NOT, TEMPLATE_OP_NONE, line, n, NULL, object)
                   : STATUS_OK;
}

static status filters_and_tests(parser *p, template_node **n) {
    for (;;) {
        if (skip_op(p, "|"))
            TRY(filter(p, *n, n));
        else if (is_word(p->at, "is"))
            TRY(test(p, n));
        else if (is_op(p->at, "("))
            TRY(call(p, *n, n));
        else
            return STATUS_OK;
    }
}

static status unary(parser *p, bool filters, template_node **out) {
    int32_t line = p->at->line;
    bool minus = is_op(p->at, "-");
    TRY(deeper(p));
    if (minus || is_op(p->at, "+")) {
        p->at++;
        template_node *inner;
        TRY(unary(p, false, &inner));
        TRY(make_binary(p, minus ? TEMPLATE_NEGATE : TEMPLATE_PLUS, TEMPLATE_OP_NONE, line, inner,
                        NULL, out));
    } else {
        TRY(primary(p, out));
    }
    TRY(postfix(p, out));
    if (filters) TRY(filters_and_tests(p, out));
    p->depth--;
    return STATUS_OK;
}

/* Binary operators from level 0 (+ -) over 1 (~) and 2 (* / // %) to 3 (**), all grouping to the left. */
static template_op operator_at(const parser *p, int level) {
    static const struct {
        const char *text;
        int level;
        template_op op;
    } table[] = {{"+", 0, TEMPLATE_ADD}, {"-", 0, TEMPLATE_SUB}, {"~", 1, TEMPLATE_CONCAT},
                 {"*", 2, TEMPLATE_MUL}, {"/", 2, TEMPLATE_DIV}, {"//", 2, TEMPLATE_FLOORDIV},
                 {"%", 2, TEMPLATE_MOD}, {"**", 3, TEMPLATE_POW}};
    for (int64_t i = 0; i < COUNT_OF(table); i++) {
        if (table[i].level == level && is_op(p->at, table[i].text)) return table[i].op;
    }
    return TEMPLATE_OP_NONE;
}

static status arithmetic(parser *p, int level, template_node **out) {
    if (level == 4) return unary(p, true, out);
    TRY(arithmetic(p, level + 1, out));
    for (template_op op; (op = operator_at(p, level)) != TEMPLATE_OP_NONE;) {
        int32_t line = p->at++->line;
        template_node *right;
        TRY(arithmetic(p, level + 1, &right));
        TRY(make_binary(p, TEMPLATE_BINARY, op, line, *out, right, out));
    }
    return STATUS_OK;
}

static template_op comparison_at(parser *p) {
    static const struct {
        const char *text;
        template_op op;
    } table[] = {{"==", TEMPLATE_EQ}, {"!=", TEMPLATE_NE}, {"<", TEMPLATE_LT},
                 {"<=", TEMPLATE_LE}, {">", TEMPLATE_GT},  {">=", TEMPLATE_GE}};
    for (int64_t i = 0; i < COUNT_OF(table); i++) {
        if (skip_op(p, table[i].text)) return table[i].op;
    }
    if (skip_word(p, "in")) return TEMPLATE_IN;
    if (is_word(p->at, "not") && is_word(p->at + 1, "in")) {
        p->at += 2;
        return TEMPLATE_NOT_IN;
    }
    return TEMPLATE_OP_NONE;
}

static status comparison(parser *p, template_node **out) {
    int32_t line = p->at->line;
    TRY(arithmetic(p, 0, out));
    chain operands = {0};
    for (template_op op; (op = comparison_at(p)) != TEMPLATE_OP_NONE;) {
        template_node *operand;
        TRY(make(p, TEMPLATE_OPERAND, p->at->line, &operand));
        operand->op = (uint8_t)op;
        TRY(arithmetic(p, 0, &operand->a));
        chain_add(&operands, operand);
    }
    if (!operands.first) return STATUS_OK;
    TRY(make_binary(p, TEMPLATE_COMPARE, TEMPLATE_OP_NONE, line, *out, NULL, out));
    (*out)->items = operands.first;
    return STATUS_OK;
}

static status negation(parser *p, template_node **out) {
    int32_t line = p->at->line;
    if (!skip_word(p, "not")) return comparison(p, out);
    TRY(deeper(p));
    template_node *inner;
    TRY(negation(p, &inner));
    p->depth--;
    return make_binary(p, TEMPLATE_NOT, TEMPLATE_OP_NONE, line, inner, NULL, out);
}

static status conjunction(parser *p, template_node **out) {
    TRY(negation(p, out));
    for (int32_t line = p->at->line; skip_word(p, "and"); line = p->at->line) {
        template_node *right;
        TRY(negation(p, &right));
        TRY(make_binary(p, TEMPLATE_AND, TEMPLATE_OP_NONE, line, *out, right, out));
    }
    return STATUS_OK;
}

static status disjunction(parser *p, template_node **out) {
    TRY(conjunction(p, out));
    for (int32_t line = p->at->line; skip_word(p, "or"); line = p->at->line) {
        template_node *right;
        TRY(conjunction(p, &right));
        TRY(make_binary(p, TEMPLATE_OR, TEMPLATE_OP_NONE, line, *out, right, out));
    }
    return STATUS_OK;
}

static status expression(parser *p, template_node **out) {
    TRY(deeper(p));
    TRY(disjunction(p, out));
    for (int32_t line = p->at->line; skip_word(p, "if"); line = p->at->line) {
        template_node *condition;
        TRY(disjunction(p, &condition));
        TRY(make_binary(p, TEMPLATE_CONDITION, TEMPLATE_OP_NONE, line, *out, condition, out));
        if (skip_word(p, "else")) TRY(expression(p, &(*out)->c));
    }
    p->depth--;
    return STATUS_OK;
}

static bool tuple_ends(const parser *p) {
    return p->at->kind == TOKEN_PRINT_END || p->at->kind == TOKEN_TAG_END || is_op(p->at, ")") ||
           is_word(p->at, "in") || is_word(p->at, "recursive");
}

/* One expression, or several with commas between them. */
static status tuple(parser *p, bool inline_if, bool parenthesised, template_node **out) {
    int32_t line = p->at->line;
    chain items = {0};
    bool several = parenthesised && is_op(p->at, ")");
    while (!tuple_ends(p)) {
        template_node *item;
        TRY(inline_if ? expression(p, &item) : disjunction(p, &item));
        chain_add(&items, item);
        if (!skip_op(p, ",")) break;
        several = true;
    }
    if (!several) {
        *out = items.first;
        return items.first ? STATUS_OK : expected(p, "an expression");
    }
    TRY(make(p, TEMPLATE_MAKE_TUPLE, line, out));
    (*out)->items = items.first;
    return STATUS_OK;
}

/* What may stand left of `=` or `in`: a name, names with commas, perhaps in parentheses; a field of a
 * namespace where `fields`. */
static status target(parser *p, bool fields, template_node **out) {
    int32_t line = p->at->line;
    chain items = {0};
    bool several = false;
    for (;;) {
        template_node *item;
        if (skip_op(p, "(")) {
            TRY(deeper(p));
            TRY(target(p, fields, &item));
            p->depth--;
            TRY(need_op(p, ")"));
        } else {
            TRY(make(p, TEMPLATE_NAME, p->at->line, &item));
            TRY(need_name(p, &item->name));
            if (fields && skip_op(p, ".")) {
                const char *field;
                TRY(need_name(p, &field));
                item->kind = TEMPLATE_FIELD;
                item->value = template_string(field);
            }
        }
        chain_add(&items, item);
        if (!skip_op(p, ",")) break;
        several = true;
        if (is_word(p->at, "in") || is_op(p->at, "=") || is_op(p->at, ")")) break;
    }
    *out = items.first;
    if (!several) return STATUS_OK;
    TRY(make(p, TEMPLATE_MAKE_TUPLE, line, out));
    (*out)->items = items.first;
    return STATUS_OK;
}

static status parameters(parser *p, template_node **out) {
    chain list = {0};
    TRY(need_op(p, "("));
    while (!is_op(p->at, ")")) {
        if (list.first) TRY(need_op(p, ","));
        template_node *n;
        TRY(make(p, TEMPLATE_PARAMETER, p->at->line, &n));
        TRY(need_name(p, &n->name));
        if (skip_op(p, "="))
            TRY(expression(p, &n->a));
        else if (list.last && list.last->a)
            FAIL(p->a->cx, STATUS_BAD_DATA,
                 "line %d: parameter '%s' without a default follows one with", n->line, n->name);
        chain_add(&list, n);
    }
    p->at++;
    *out = list.first;
    return STATUS_OK;
}

static status body_until(parser *p, const char *end, template_node **out) {
    return statements(p, (const char *const[]){end, NULL}, out, NULL);
}

/* A body that runs on its own, so that no loop around it can be left from inside. */
static status body_apart(parser *p, const char *end, template_node **out) {
    int loops = p->loops;
    p->loops = 0;
    TRY(body_until(p, end, out));
    p->loops = loops;
    return STATUS_OK;
}

static status parse_if(parser *p, template_node *n) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    const char *end;
    for (;;) {
        TRY(tuple(p, false, false, &n->a));
        TRY(statements(p, ends, &n->b, &end));
        if (strcmp(end, "elif")) break;
        TRY(make(p, TEMPLATE_IF, p->at->line, &n->c));
        n = n->c;
    }
    return strcmp(end, "else") ? STATUS_OK : body_until(p, "endif", &n->c);
}

static status parse_for(parser *p, template_node *n) {
    static const char *const ends[] = {"else", "endfor", NULL};
    const char *end;
    TRY(target(p, false, &n->a));
    if (!skip_word(p, "in")) return expected(p, "in");
    TRY(tuple(p, false, false, &n->b));
    if (skip_word(p, "if")) TRY(expression(p, &n->c));
    if (is_word(p->at, "recursive"))
        FAIL(p->a->cx, STATUS_UNSUPPORTED, "line %d: recursive loops are not supported", n->line);
    p->loops++;
    TRY(statements(p, ends, &n->items, &end));
    p->loops--;
    return strcmp(end, "else") ? STATUS_OK : body_until(p, "endfor", &n->d);
}

static status parse_set(parser *p, template_node *n) {
    TRY(target(p, true, &n->a));
    if (skip_op(p, "=")) return tuple(p, true, false, &n->b);
    n->kind = TEMPLATE_SET_BLOCK;
    while (skip_op(p, "|")) TRY(filter(p, n->b, &n->b));
    return body_until(p, "endset", &n->items);
}

static status parse_macro(parser *p, template_node *n) {
    TRY(need_name(p, &n->name));
    TRY(parameters(p, &n->items));
    return body_apart(p, "endmacro", &n->d);
}

static status parse_call_block(parser *p, template_node *n) {
    if (is_op(p->at, "(")) TRY(parameters(p, &n->items));
    TRY(expression(p, &n->a));
    if (n->a->kind != TEMPLATE_CALL)
        FAIL(p->a->cx, STATUS_BAD_DATA, "line %d: expected a call", n->line);
    n->name = "caller";
    return body_apart(p, "endcall", &n->d);
}

static status parse_filter_block(parser *p, template_node *n) {
    do TRY(filter(p, n->a, &n->a));
    while (skip_op(p, "|"));
    return body_until(p, "endfilter", &n->items);
}

static status parse_with(parser *p, template_node *n) {
    chain sets = {0};
    while (p->at->kind != TOKEN_TAG_END) {
        template_node *set;
        if (sets.first) TRY(need_op(p, ","));
        TRY(make(p, TEMPLATE_SET, p->at->line, &set));
        TRY(make(p, TEMPLATE_NAME, p->at->line, &set->a));
        TRY(need_name(p, &set->a->name));
        TRY(need_op(p, "="));
        TRY(expression(p, &set->b));
        chain_add(&sets, set);
    }
    n->items = sets.first;
    return body_until(p, "endwith", &n->d);
}

static status parse_generation(parser *p, template_node *n) {
    return body_apart(p, "endgeneration", &n->items);
}

static status parse_leave(parser *p, template_node *n) {
    if (p->loops) return STATUS_OK;
    FAIL(p->a->cx, STATUS_BAD_DATA, "line %d: '%s' outside of a loop", n->line,
         n->kind == TEMPLATE_BREAK ? "break" : "continue");
}

static status tag(parser *p, template_node **out) {
    static const struct {
        const char *name;
        template_node_kind kind;
        status (*parse)(parser *p, template_node *n);
    } tags[] = {{"if", TEMPLATE_IF, parse_if},
                {"for", TEMPLATE_FOR, parse_for},
                {"set", TEMPLATE_SET, parse_set},
                {"macro", TEMPLATE_MACRO_DEF, parse_macro},
                {"call", TEMPLATE_CALL_BLOCK, parse_call_block},
                {"filter", TEMPLATE_FILTER_BLOCK, parse_filter_block},
                {"with", TEMPLATE_WITH, parse_with},
                {"generation", TEMPLATE_GENERATION, parse_generation},
                {"break", TEMPLATE_BREAK, parse_leave},
                {"continue", TEMPLATE_CONTINUE, parse_leave}};
    int32_t line = p->at->line;
    const char *name;
    TRY(need_name(p, &name));
    for (int64_t i = 0; i < COUNT_OF(tags); i++) {
        if (strcmp(name, tags[i].name)) continue;
        TRY(make(p, tags[i].kind, line, out));
        TRY(deeper(p));
        TRY(tags[i].parse(p, *out));
        p->depth--;
        return need_kind(p, TOKEN_TAG_END, "'%}'");
    }
    if (!strncmp(name, "end", 3) || !strcmp(name, "else") || !strcmp(name, "elif"))
        FAIL(p->a->cx, STATUS_BAD_DATA, "line %d: unexpected tag '%s'", line, name);
    FAIL(p->a->cx, STATUS_UNSUPPORTED, "line %d: the tag '%s' is not supported", line, name);
}

static const char *end_among(const parser *p, const char *const *ends) {
    for (; ends && *ends; ends++) {
        if (is_word(p->at, *ends)) return *ends;
    }
    return NULL;
}

/* Text, prints and tags up to one of `ends` (to the template's end for NULL). Before them the tag that
 * opened the body is closed; after them the parser stands behind the ending word. */
static status statements(parser *p, const char *const *ends, template_node **out,
                         const char **end) {
    chain list = {0};
    int32_t opened = p->at->line;
    if (ends) {
        skip_op(p, ":");
        TRY(need_kind(p, TOKEN_TAG_END, "'%}'"));
    }
    while (p->at->kind != TOKEN_END) {
        template_node *n;
        if (p->at->kind == TOKEN_TEXT) {
            TRY(make(p, TEMPLATE_TEXT, p->at->line, &n));
            n->value = p->at++->value;
        } else if (p->at->kind == TOKEN_PRINT_BEGIN) {
            TRY(make(p, TEMPLATE_PRINT, p->at++->line, &n));
            TRY(tuple(p, true, false, &n->a));
            TRY(need_kind(p, TOKEN_PRINT_END, "'}}'"));
        } else {
            p->at++;
            const char *word = end_among(p, ends);
            if (word) {
                p->at++;
                *out = list.first;
                if (end) *end = word;
                return STATUS_OK;
            }
            TRY(tag(p, &n));
        }
        chain_add(&list, n);
    }
    *out = list.first;
    if (!ends) return STATUS_OK;
    while (ends[1]) ends++;
    FAIL(p->a->cx, STATUS_BAD_DATA, "line %d: the block opened here has no '%s'", opened, *ends);
}

status template_parse_source(arena *a, const char *source, int64_t source_bytes,
                             template_node **body) {
    parser p = {.a = a};
    TRY(template_lex(a, source, source_bytes, &p.tokens));
    p.at = p.tokens.items;
    return statements(&p, NULL, body, NULL);
}
