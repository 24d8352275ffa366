/* Whether a model and its cache of keys and values fit into this machine, asked before anything is loaded; an error
 * says what would fit. */
#ifndef INFER_FITS_H
#define INFER_FITS_H

#include "infer/engine.h"

/* Where `o` leaves open how many tokens the cache holds: a context for each sequence, within half of the memory that
 * the parameters leave. */
status engine_fill_memory(context *cx, const engine_model *m, engine_options *o) MUST_USE;

status engine_fits(context *cx, const char *path, const engine_model *m,
                   const engine_options *o) MUST_USE;

#endif
