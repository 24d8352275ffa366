/* Whether a model and its cache of keys and values fit into this machine, asked before anything is loaded; an error
 * says what would fit. */
#ifndef INFER_FITS_H
#define INFER_FITS_H

#include "infer/engine.h"

status engine_fits(context *cx, const char *path, const engine_model *m,
                   const engine_options *o) MUST_USE;

#endif
