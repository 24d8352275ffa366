/* What reading one safetensors file and reading an index of shards need from each other. */
#ifndef STORE_SAFETENSORS_SHARDS_H
#define STORE_SAFETENSORS_SHARDS_H

#include "base/json.h"
#include "store/safetensors.h"

/* Reads the index, maps its shards, reads them and compares. */
status safetensors_read_index(safetensors *s, const char *path) MUST_USE;
/* Reads the headers of all mapped files and sorts the tensors by name. */
status safetensors_read_files(safetensors *s) MUST_USE;
/* The index of this path in the list of files, where it is put if it is new. */
status safetensors_add_file(safetensors *s, const char *path, int32_t *index) MUST_USE;
/* Copies a text that must hold no zero byte. */
status safetensors_keep_text(safetensors *s, const json *j, json_text text,
                             const char **out) MUST_USE;

#endif
