/* --speculate, --draft, --guesses and --accept, which `hone run` and `hone serve` share (infer/speculate.h). */
#ifndef CMD_KIT_GUESS_H
#define CMD_KIT_GUESS_H

#include "base/options.h"
#include "infer/engine.h"

typedef struct guess_options {
    const char *draft;
    int64_t guesses;
    int speculate, accept;
} guess_options;

/* A draft model while it is open; zero is none. */
typedef struct guess_draft {
    model *file;
    engine_model m;
} guess_draft;

extern const char *const guess_ways[], *const guess_accepts[];

/* For a verb whose options T have a member `guess`. */
#define GUESS_OPTION(T, field, kind_, ...)                                                         \
    {                                                                                              \
        .name = #field, .kind = (kind_), .offset = offsetof(T, guess.field),                       \
        .bytes = sizeof(((T *)0)->guess.field), __VA_ARGS__                                        \
    }
#define GUESS_OPTIONS(T)                                                                           \
    GUESS_OPTION(T, speculate, OPTION_CHOICE, .choices = guess_ways,                               \
                 .help = "guess tokens ahead, which changes no text: from what was said before, "  \
                         "or by a draft model; auto is draft where --draft is given, else off"),   \
        GUESS_OPTION(T, draft, OPTION_STRING, .value = "MODEL",                                    \
                     .help = "a smaller model of the same vocabulary, which guesses ahead"),       \
        GUESS_OPTION(T, guesses, OPTION_INT, .initial = "0", RANGE(0, 16),                         \
                     .help = "tokens guessed at once at most, 0 for what suits the way"),          \
        GUESS_OPTION(T, accept, OPTION_CHOICE, .choices = guess_accepts,                           \
                     .help = "exact: a guess counts where the model draws it too; rejection: "     \
                             "more often, keeping the distribution but not the text of a seed")

/* Opens the draft and says in `e` how to guess. */
status guess_open(context *cx, const guess_options *o, guess_draft *out,
                  engine_options *e) MUST_USE;
void guess_close(guess_draft *d);

#endif
