/* What is to be done to a model, in one line:
 *
 *     recipe   = step { ">" step }
 *     step     = name [ "(" [ argument { "," argument } ] ")" ]
 *     argument = [ key "=" ] value          value = plain letters, or anything between double quotes
 *
 *     distill("teacher", steps=200) > prune(2:4, sparsegpt) > gptq(4, group=128)
 *
 * A method says what it takes by an option table (base/options.h). Arguments without a key fill the table's options in
 * order; a bare word that is the name of a yes-or-no option sets it. Every error names the column. Tables have no
 * required options: a method's own check says what it lacks. */
#ifndef COMPRESS_KIT_RECIPE_H
#define COMPRESS_KIT_RECIPE_H

#include "base/options.h"

typedef struct recipe_arg {
    const char *key; /* NULL: by its place */
    const char *value;
    int64_t column; /* from 1 */
} recipe_arg;

typedef struct recipe_step {
    const char *name;
    int64_t column;
    recipe_arg *args;
    int64_t n_args;
} recipe_step;

typedef struct recipe {
    const char *text;
    recipe_step *steps;
    int64_t count;
} recipe;

/* Everything lives in `mem`. */
status recipe_parse(arena *mem, const char *text, recipe *out) MUST_USE;
/* The step's arguments as the table's struct of `bytes` bytes. */
status recipe_bind(arena *mem, const recipe_step *s, const option_def *table, size_t bytes,
                   const void **out) MUST_USE;
/* Puts "--do, column N: words: " in front of an error. */
status recipe_note(context *cx, status st, const recipe_step *s);

#endif
