/* Where packed layouts lie. Without a file each has memory of its own. With one (plan_options.pack_file) they lie in it
 * one behind the other, mapped: written by the first plan that packs, found there by all that follow, whose pages
 * are then shared by all processes and need no packing.
 *
 *   file = [header: 4096 bytes][pack 0][pack 1] ...      each on a multiple of 4096
 *   header = ["HONEPACK"][u64 identity][u64 size of the file]
 *
 * The identity hashes plan_options.pack_key (what the contents follow from) and what each pack is made of and how.
 * A file of another identity is replaced. It is written aside, synced and renamed; where that cannot be done,
 * packs lie in memory. Files in the same folder that were not used for long go before it (base/cache.h). */
#ifndef EXEC_PACKS_H
#define EXEC_PACKS_H

#include "exec/plan.h"

/* Gives every pack its memory; p->packs_ready: their contents are there. */
status packs_place(plan *p) MUST_USE;
/* The packs have been written: a file that was begun gets its name. */
void packs_written(plan *p);
void packs_free(plan *p);

#endif
