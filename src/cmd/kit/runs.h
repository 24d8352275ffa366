/* What the verbs of `hone runs` share. */
#ifndef CMD_KIT_RUNS_H
#define CMD_KIT_RUNS_H

#include "base/json_write.h"
#include "base/options.h"
#include "store/runs.h"

/* The runs that the words name, in the call's memory. */
status runs_named(const verb_call *call, run_row **out) MUST_USE;
/* All columns as an object. */
void runs_write_json(json_writer *w, const run_row *row);
/* A column for people; "" where it is not known. */
void runs_column_text(const run_row *row, const run_column *c, char *out, size_t size);

#endif
