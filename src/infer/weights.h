/* Packed weights of a model that is read from files: what identifies them, the file that keeps them
 * (XDG_CACHE_HOME/hone/packs/KEY.pack; exec/packs.h), and letting go of the mapped source. */
#ifndef INFER_WEIGHTS_H
#define INFER_WEIGHTS_H

#include "model/kit/model.h"

/* Hashes which files these are, how long and since when; 0 where that cannot be told. */
uint64_t weights_key(const model *m);
/* The file for a key, NULL where there is no place; *pack_key: of its contents, which also follow from this very
 * program. */
status weights_pack_file(arena *mem, uint64_t key, const char **path, uint64_t *pack_key) MUST_USE;
/* `m` is the model: the part of its mapped files need not stay in memory. Other memory is left alone. */
void weights_release(void *m, const void *data, int64_t size_bytes);

#endif
