/* What each step holds. Sequences wait until their tokens fit into free pages, then run; a step takes one token of
 * every sequence that decodes and fills what is left of its budget with chunks of prompts:
 *
 *   step = decodes  +  prompts that have begun  +  prompts admitted now  +  guesses behind the decodes
 *          (infer/speculate.h), each in the order of the policy, in what those before it leave
 *
 * When a decode finds no free page, the sequence that the policy puts last gives its pages back and waits
 * again: its tokens are kept and computed anew, which gives the same bits. So the first one always goes
 * on, and everybody finishes. (Yu et al., "Orca", 2022; Agrawal et al., "Sarathi-Serve", 2024.)
 *
 * Nothing here knows of models: a caller runs what `entries` says and then moves each sequence on. */
#ifndef INFER_SCHEDULE_H
#define INFER_SCHEDULE_H

#include "infer/prefix.h"

typedef enum sequence_state { SEQUENCE_NEW, SEQUENCE_WAITS, SEQUENCE_RUNS } sequence_state;

/* A client, while any sequence of theirs is here. */
typedef struct account {
    uint64_t client;
    int64_t served; /* tokens computed, and once more those drawn */
    int32_t here;
} account;

typedef struct sequence {
    int64_t n_tokens;  /* known so far */
    int64_t n_guessed; /* tokens behind them that are guesses: computed too where there is room */
    int64_t n_cached;  /* of these, whose keys and values lie in pages */
    int64_t rows_from; /* logits are wanted from this token on; usually only of the last one */
    int32_t *pages, n_pages;
    int32_t n_kept;        /* of the pages, which the tree of prefixes holds too */
    const int32_t *tokens; /* n_tokens of them; NULL: its prefix is neither found nor kept */
    uint64_t salt;
    int64_t arrived;  /* counts up; kept when a sequence is sent back */
    int64_t priority; /* smaller goes first, where the policy asks */
    uint64_t client;  /* whose it is, where the policy asks */
    account *account; /* while it waits or runs */
    sequence_state state;
    int32_t step; /* the last step it was in */
    void *owner;
} sequence;

/* Which of two sequences goes first: an order, which may change from step to step. */
typedef struct policy_def {
    const char *name, *help;
    bool (*before)(const sequence *a, const sequence *b);
    /* Whether `a`, which waits, sends `b` back where there is no room; never both ways. NULL: nobody does. */
    bool (*displaces)(const sequence *a, const sequence *b);
} policy_def;
extern const policy_def *const registry_policy[];
const policy_def *policy_find(const char *name);

typedef struct schedule_entry {
    sequence *s;
    int64_t tokens; /* s->tokens [n_cached, n_cached + tokens), guesses last */
    int64_t rows;   /* the last so many of these want logits */
} schedule_entry;

typedef struct schedule_limits {
    int64_t tokens, sequences, rows; /* in a step */
    int32_t page, table;             /* slots in a page; pages of one sequence */
    int64_t queue;                   /* sequences that are known at once */
    bool keeps_prefixes; /* pages of sequences that are over are kept to be found again */
} schedule_limits;

/* A page about to be written that others hold too: its slots must be copied before the step runs. */
typedef struct page_copy {
    int32_t from, to;
} page_copy;

typedef struct schedule {
    schedule_limits limits;
    const policy_def *policy;
    pages pages;
    prefix *prefix;                /* NULL: prefixes are not kept */
    int64_t asked, found;          /* tokens looked for in the tree, and those that were there */
    sequence **waiting, **running; /* running: in the order of the policy when a step begins */
    account *accounts;
    int32_t n_accounts;
    int32_t n_waiting, n_running, step;
    int64_t arrivals, sent_back; /* so far */
    schedule_entry *entries;
    int32_t n_entries;
    page_copy *copies;
    int32_t n_copies;
} schedule;

status schedule_make(arena *mem, const schedule_limits *limits, const policy_def *policy,
                     int32_t n_pages, schedule *out) MUST_USE;
/* `s->pages` has room for `limits.table` pages. False: `limits.queue` sequences are there already. */
bool schedule_add(schedule *x, sequence *s);
/* `s`, which waits, begins like `from`: it holds the pages of its first `n` tokens too. */
void schedule_share(schedule *x, sequence *s, const sequence *from, int64_t n);
/* Takes it out, wherever it is, and gives its pages back. */
void schedule_remove(schedule *x, sequence *s);
/* Decides the next step: `entries`, with pages for all their tokens, and `copies`. */
void schedule_step(schedule *x);
/* The step has computed `tokens` more of `s`, none of them a guess that was wrong. */
void schedule_computed(schedule *x, sequence *s, int64_t tokens);
/* Pages that can be had: free ones, and idle ones of the tree. */
static inline int64_t schedule_room(const schedule *x) {
    return x->pages.n_free + x->pages.n_idle;
}
static inline int64_t schedule_slot(const schedule *x, const sequence *s, int64_t position) {
    return (int64_t)s->pages[position / x->limits.page] * x->limits.page +
           position % x->limits.page;
}

#endif
