/* JSON as template values: messages, tools and extra variables as requests and files carry them. */
#ifndef TEXT_TEMPLATE_JSON_H
#define TEXT_TEMPLATE_JSON_H

#include "base/json.h"
#include "text/template_value.h"

/* The next value of the reader, copied into the arena. Of equal keys the last one counts, as in Python;
 * an integer beyond 64 bits is refused. */
status template_value_from_json(arena *a, json *j, template_value *out) MUST_USE;

#endif
