/* Where a model comes from and what that cost. A model folder holds it as lineage.json, a GGUF file under the key
 * "hone.lineage", one object in both:
 *     {"recipe": "gptq(4, group=128)",      what was done to the parents, in words that repeat it
 *      "sha256": "...",                     of the result's weights (a folder's: all its files in the order of names)
 *      "cost_flops": 1e15, "cost_seconds": 40, "peak_bytes": 1073741824,      of this step alone
 *      "parents": [{...}, ...]}             the same of each model that it was made from, with its "path"
 * Readers pass over keys that they do not know, so that a method can say more. */
#ifndef STORE_LINEAGE_H
#define STORE_LINEAGE_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/json_write.h"

#define LINEAGE_FILE "lineage.json"
#define LINEAGE_KEY "hone.lineage"

typedef struct lineage lineage;
struct lineage {
    const char *recipe, *sha256, *path; /* NULL: not known */
    double cost_flops, cost_seconds;    /* NAN: not known */
    int64_t peak_bytes;                 /* 0: not known */
    const lineage *parents;
    int64_t n_parents;
    const char *text; /* as read, with what this struct leaves out; NULL: made here */
    int64_t text_bytes;
};

/* Of a folder or a GGUF file; *found false where it has none. */
status lineage_read(arena *mem, const char *model, lineage *out, bool *found) MUST_USE;
/* A model as a parent: its own lineage if it has one, else the hash of its weights. */
status lineage_of_parent(arena *mem, const char *model, lineage *out) MUST_USE;
/* The object, as read where it was. */
void lineage_json(json_writer *w, const lineage *l);
/* FOLDER/lineage.json. */
status lineage_write(context *cx, const char *folder, const lineage *l) MUST_USE;
/* Over all files with weights, in the order of their names, so that for one file it is the file's. */
status lineage_hash(context *cx, const char *model, char out[SHA256_TEXT_BYTES]) MUST_USE;

/* With all ancestors; a model that several descend from counts each time. NAN: nothing is known. */
double lineage_flops(const lineage *l);
double lineage_seconds(const lineage *l);

#endif
