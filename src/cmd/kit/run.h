/* What `hone run` is made of: options, the opened model, generating for prompts that are known (run_once.c) and in
 * conversation (run_chat.c); vectors of texts (run_embed.c). */
#ifndef CMD_KIT_RUN_H
#define CMD_KIT_RUN_H

#include "base/options.h"
#include "cmd/kit/guess.h"
#include "infer/chat.h"
#include "infer/engine.h"

typedef struct run_options {
    const char *prompt, *file, *batch, *system;
    int64_t tokens, least_tokens;
    double temp, top_p, min_p, typical;
    int64_t top_k, seed, logprobs;
    double repetition_penalty, presence_penalty, frequency_penalty;
    string_list stop, logit_bias;
    bool ignore_end, chat, roll, embed, json;
    int64_t context, step, page, threads;
    int kv_format, act;
    guess_options guess;
} run_options;

extern const char *const run_kv_formats[], *const run_acts[]; /* what kv_format and act count */

typedef struct run_session {
    const verb_call *call;
    const run_options *o;
    context *cx;
    arena *mem;
    model *m;
    tokenizer *tokens;
    encoder *encoder;
    chat *chat;
    guess_draft draft;
    engine *e;
    engine_request ask; /* what the options say: sampling, stops, lengths */
} run_session;

/* Opens the model, having looked whether it fits; `sequences`: how many run side by side. */
status run_open(const verb_call *call, int64_t sequences, run_session *out) MUST_USE;
void run_close(run_session *s);
/* Appends the ids of a prompt: plain text to continue or, with --chat, one turn of a conversation. */
status run_encode(run_session *s, const char *text, int64_t length, token_list *ids) MUST_USE;
/* A whole file, or standard input for "-"; closed by a zero. */
status run_read(const verb_call *call, const char *path, text_buffer *out) MUST_USE;

status run_once(run_session *s, const char *text, int64_t length) MUST_USE;
status run_batch(run_session *s) MUST_USE;
status run_chat(run_session *s) MUST_USE;
/* Needs no engine. */
status run_embed(run_session *s) MUST_USE;

/* ---- for run_once.c and run_chat.c: one answer as it comes ---- */
typedef struct run_answer {
    run_session *s;
    bool shows; /* text goes to stdout as it comes */
    int64_t index, prompt_tokens;
    double asked, first,
        last; /* seconds: when it was asked, when the first and the last token came */
    text_buffer text;
    token_list ids;
    double *logprobs; /* of each id */
    candidate *likely;
    int32_t *n_likely;
    engine_finish finish;
    uint64_t id;
    status st;
} run_answer;

status run_submit(run_session *s, const int32_t *ids, int64_t n, run_answer *a) MUST_USE;
void run_answer_free(run_answer *a);
double run_tokens_per_second(const run_answer *a);
/* "12 tokens of prompt, first after 0.1 s, 34 tokens at 56.7 a second" to the log. */
void run_say_speed(const run_answer *a);

#endif
