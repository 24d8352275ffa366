/* What a training step reads: ids, positions, offsets and targets of sequences laid end to end, from a
 * folder that `hone data prepare` made.
 *
 * A sequence is a piece of one document: ids [from, from + n), whose targets are [from + 1, from + n + 1).
 * Nothing is padded, and nothing crosses a document; a document longer than `longest` is cut. Three ways
 * to choose:
 *
 *   packed    all sequences in a shuffled order, each once an epoch. A step takes what comes next and
 *             fits; what does not fit waits for the next step, so that no sequence is cut to fill one.
 *   in order  the same as they lie in the files
 *   windows   `windows` pieces of exactly `longest` ids, from anywhere (nanoGPT's way for one long text)
 *
 * The order is a function of the seed, and where it has come to is a few integers: a run that is resumed
 * reads what the uninterrupted one would have read. The shuffle is a permutation by a Feistel network
 * (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002), so that it takes no memory. A thread
 * reads ahead; next waits only when it is behind, and the seconds waited are counted. */
#ifndef TEXT_LOADER_H
#define TEXT_LOADER_H

#include "store/token_set.h"

typedef struct loader loader;

typedef struct loader_options {
    token_split split;
    int64_t tokens;  /* of a step, at most; in windows mode: windows * longest */
    int64_t longest; /* ids of a sequence, at most */
    int64_t windows; /* above 0: windows mode, so many a step */
    uint64_t seed;
    bool in_order;
    int64_t epochs; /* 0: without end */
} loader_options;

typedef struct loader_batch {
    int32_t tokens, sequences;      /* none: the epochs are over */
    const int32_t *ids, *positions; /* [tokens] */
    const int32_t *targets;         /* [tokens] */
    const int32_t *offsets;         /* [sequences + 1] */
    double epoch;                   /* how far the data has been read, e.g. 1.25 */
} loader_batch;

enum { LOADER_STATE_NUMBERS = 21 };
/* To be kept in a checkpoint as it is. */
typedef struct loader_state {
    int64_t number[LOADER_STATE_NUMBERS];
} loader_state;

status loader_open(context *cx, const char *folder, const loader_options *options,
                   loader **out) MUST_USE;
void loader_close(loader *l); /* NULL is fine */

/* The next step; it stays until the call after. */
status loader_next(loader *l, loader_batch *out) MUST_USE;
/* Where the step handed out last ended: seeking there gives the step that would come now. */
loader_state loader_tell(const loader *l);
/* A state of other data or of other options is refused. */
status loader_seek(loader *l, const loader_state *state) MUST_USE;

/* The folder's manifest, for its vocabulary and its tokenizer's path. */
const token_set *loader_set(const loader *l);
/* Sequences there are, and how many at most a step can hold. */
int64_t loader_sequences(const loader *l);
int64_t loader_most_sequences(const loader *l);
/* Ids of an epoch that have a target. */
int64_t loader_epoch_tokens(const loader *l);
/* Seconds that loader_next has waited for data, the first step of the loader and after a seek left out. */
double loader_stall_seconds(const loader *l);

#endif
