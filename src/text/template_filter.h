/* Between the files of filters and methods. */
#ifndef TEXT_TEMPLATE_FILTER_H
#define TEXT_TEMPLATE_FILTER_H

#include "text/template_eval.h"

extern const template_builtin template_list_filters[]; /* closed by {0} */

/* Python's splitlines. */
status template_split_lines(evaluator *ev, template_value s, bool keep_ends, template_value *out);
/* The texts of the items, `between` them. */
status template_join(evaluator *ev, const template_list *items, template_value between,
                     template_value *out);
status template_dict_items(evaluator *ev, const template_dict *dict, template_flavour flavour,
                           template_value *out);

#endif
