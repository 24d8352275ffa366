/* What the parser hands to the evaluator: a tree of one kind of node.
 *
 *   kind          a              b            c           d          items
 *   TEXT          (value)
 *   PRINT         expression
 *   IF            condition      then         else
 *   FOR           target         iterable     condition   else       body
 *   SET           target         expression
 *   SET_BLOCK     target         filter                              body
 *   MACRO         (name)                                  body       parameters (a: default)
 *   CALL_BLOCK    call                                    body       parameters
 *   FILTER_BLOCK  filter                                             body
 *   WITH                                                  body       SETs
 *   GENERATION                                                       body
 *   TUPLE, LIST                                                      elements
 *   DICT                                                             PAIRs (a: key, b: value)
 *   ATTRIBUTE     object (name)
 *   ITEM          object         index
 *   SLICE         from           to           step
 *   CALL          callee                                             arguments
 *   FILTER, TEST  object or NULL (builtin)                           arguments
 *   CONDITION     then           condition    else
 *   binary        left           right
 *   COMPARE       left                                               OPERANDs (a: right, op)
 *
 * Lists run through `next`. Arguments are ARGUMENT (a), with a name when given by keyword, or
 * SPREAD / SPREAD_NAMES for * and **. Names are interned, so that they compare by pointer. */
#ifndef TEXT_TEMPLATE_AST_H
#define TEXT_TEMPLATE_AST_H

#include "text/template_value.h"

typedef enum template_node_kind {
    TEMPLATE_TEXT,
    TEMPLATE_PRINT,
    TEMPLATE_IF,
    TEMPLATE_FOR,
    TEMPLATE_SET,
    TEMPLATE_SET_BLOCK,
    TEMPLATE_MACRO_DEF,
    TEMPLATE_CALL_BLOCK,
    TEMPLATE_FILTER_BLOCK,
    TEMPLATE_WITH,
    TEMPLATE_GENERATION,
    TEMPLATE_BREAK,
    TEMPLATE_CONTINUE,
    TEMPLATE_CONST,
    TEMPLATE_NAME,
    TEMPLATE_FIELD, /* a namespace's field, as a target: name.text */
    TEMPLATE_MAKE_TUPLE,
    TEMPLATE_MAKE_LIST,
    TEMPLATE_MAKE_DICT,
    TEMPLATE_PAIR,
    TEMPLATE_ATTRIBUTE,
    TEMPLATE_ITEM,
    TEMPLATE_SLICE,
    TEMPLATE_CALL,
    TEMPLATE_ARGUMENT,
    TEMPLATE_SPREAD,
    TEMPLATE_SPREAD_NAMES,
    TEMPLATE_FILTER,
    TEMPLATE_TEST,
    TEMPLATE_CONDITION,
    TEMPLATE_AND,
    TEMPLATE_OR,
    TEMPLATE_NOT,
    TEMPLATE_NEGATE,
    TEMPLATE_PLUS,
    TEMPLATE_BINARY,
    TEMPLATE_COMPARE,
    TEMPLATE_OPERAND,
    TEMPLATE_PARAMETER,
} template_node_kind;

typedef enum template_op {
    TEMPLATE_OP_NONE,
    TEMPLATE_ADD,
    TEMPLATE_SUB,
    TEMPLATE_MUL,
    TEMPLATE_DIV,
    TEMPLATE_FLOORDIV,
    TEMPLATE_MOD,
    TEMPLATE_POW,
    TEMPLATE_CONCAT,
    TEMPLATE_EQ,
    TEMPLATE_NE,
    TEMPLATE_LT,
    TEMPLATE_LE,
    TEMPLATE_GT,
    TEMPLATE_GE,
    TEMPLATE_IN,
    TEMPLATE_NOT_IN,
} template_op;

typedef struct template_node template_node;
struct template_node {
    uint8_t kind; /* template_node_kind */
    uint8_t op;   /* template_op */
    int32_t line;
    const char *name; /* interned */
    template_value value;
    const struct template_builtin *builtin;
    template_node *a, *b, *c, *d;
    template_node *items, *next;
};

struct template {
    arena memory;
    template_node *body;
};

/* Builds the tree in `a`. Filters and tests are resolved here, so that an unknown one is refused before
 * anything is rendered. */
status template_parse_source(arena *a, const char *source, int64_t source_bytes,
                             template_node **body);

#endif
