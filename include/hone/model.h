/* Models from C: cut text into tokens, generate, embed, train, save.
 *
 *     hone_context *h = hone_new();
 *     hone_model *m = hone_model_open(h, "storyteller", NULL);
 *     int32_t ids[512];
 *     int64_t n = hone_tokenize(hone_model_tokenizer(m), "One windy day,", -1, HONE_ADD_SPECIAL, ids, 512);
 *     hone_request r = {.prompt = ids, .n_prompt = n, .most_tokens = 100, .tell = show};
 *     if (hone_generate(m, &r, 1)) puts(hone_error(h));
 *     hone_model_free(m);
 *     hone_free(h);
 *
 * A model is a folder as Hugging Face writes it, or a GGUF file. Functions that make something return NULL after an
 * error, those that count return -1, the others a hone_status; hone_error gives the words. In every struct of options,
 * zero is the default. Everything is freed before its context. */
#ifndef HONE_MODEL_H
#define HONE_MODEL_H

#include "hone/hone.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_tokenizer hone_tokenizer;
typedef struct hone_model hone_model;
typedef struct hone_trainer hone_trainer;

/* ---- text and tokens ---- */
/* A model's folder or GGUF file, a tokenizer.json, or a SentencePiece .model. */
HONE_API hone_tokenizer *hone_tokenizer_open(hone_context *h, const char *path);
HONE_API void hone_tokenizer_free(hone_tokenizer *t);
/* One past the largest id. */
HONE_API int32_t hone_tokenizer_size(const hone_tokenizer *t);

enum {
    HONE_ADD_SPECIAL = 1,   /* put the ids that begin and end a sequence around the text */
    HONE_TRUST_SPECIAL = 2, /* text that reads like a special token is that token */
    HONE_SHOW_SPECIAL = 4,  /* to text: special tokens are shown */
};
/* Ids of `bytes` bytes of text (negative: up to its closing zero), at most `room` of them. Returns how many there are,
 * which may be more than `room`. */
HONE_API int64_t hone_tokenize(hone_tokenizer *t, const char *text, int64_t bytes, int flags,
                               int32_t *ids, int64_t room);
/* The bytes that ids stand for, at most `room` of them, not closed by a zero. Returns how many there are. */
HONE_API int64_t hone_detokenize(hone_tokenizer *t, const int32_t *ids, int64_t n, int flags,
                                 char *text, int64_t room);

/* ---- models ---- */
typedef struct hone_model_options {
    int threads;           /* as many as the process may use */
    int64_t context;       /* most tokens of a sequence; what the model can, at most 8192 */
    int64_t sequences;     /* that run side by side: 8 */
    const char *kv_format; /* of keys and values: "bf16"; or "f16", "f32", "int8_row" */
    const char *act;       /* what meets quantised weights: "int8", or "bf16" */
} hone_model_options;

typedef struct hone_model_facts {
    const char *architecture; /* as config.json calls it */
    int64_t layers, width, vocabulary, positions;
    int32_t begin_token, end_token; /* -1: none */
    int generates;                  /* it writes text; otherwise it is an encoder, which embeds */
    int chats;                      /* it has a chat template */
} hone_model_facts;

/* Reads the configuration and the tokenizer; weights are loaded by what first needs them. */
HONE_API hone_model *hone_model_open(hone_context *h, const char *path,
                                     const hone_model_options *options);
HONE_API void hone_model_free(hone_model *m);
HONE_API hone_model_facts hone_model_describe(const hone_model *m);
/* Belongs to the model. */
HONE_API hone_tokenizer *hone_model_tokenizer(const hone_model *m);

typedef struct hone_message {
    const char *role, *text; /* role: "system", "user", "assistant" */
} hone_message;
/* Ids of a conversation by the model's own chat template, up to where its answer begins; counts as hone_tokenize. */
HONE_API int64_t hone_chat(hone_model *m, const hone_message *messages, int64_t n, int32_t *ids,
                           int64_t room);

/* ---- generating ---- */
/* News of a request: a token, with the text that can be shown now (whole characters), or the end. */
typedef struct hone_piece {
    uint64_t request;
    int32_t id;       /* -1: no token, only text or the end */
    const char *text; /* not closed by a zero */
    int64_t text_bytes;
    double logprob;     /* of the token, where the request asks for it */
    const char *finish; /* NULL while it goes on; then "stop", "length" or "cancelled" */
} hone_piece;
/* Not HONE_OK: the request is cancelled, and hears its end alone. Callbacks may submit and cancel, and free nothing. */
typedef hone_status hone_tell(void *user, const hone_piece *piece);

typedef struct hone_request {
    const int32_t *prompt;
    int64_t n_prompt;
    int64_t most_tokens;     /* to generate; what the context leaves */
    double temperature;      /* 0: the most likely token each time */
    int64_t top_k;           /* 0: all */
    double top_p, min_p;     /* 0: off */
    double repetition;       /* penalty, 1 or 0: none */
    uint64_t seed;           /* the same seed gives the same text, whatever runs beside it */
    const char *const *stop; /* texts that end it */
    int64_t n_stop;
    int logprobs;
    hone_tell *tell;
    void *user;
} hone_request;

/* Runs the requests side by side to their ends. */
HONE_API hone_status hone_generate(hone_model *m, const hone_request *requests, int64_t n);
/* The same in steps: submit any number at any time (what is pointed to is copied; *id may be NULL), then step while
 * hone_busy. */
HONE_API hone_status hone_submit(hone_model *m, const hone_request *request, uint64_t *id);
HONE_API hone_status hone_step(hone_model *m);
HONE_API int hone_busy(const hone_model *m);
/* Ends it before the next step; fine on one that is over. */
HONE_API void hone_cancel(hone_model *m, uint64_t id);

/* ---- embedding ---- */
/* Vectors of n texts, hone_model_facts.width numbers each, one behind the other. */
HONE_API hone_status hone_embed(hone_model *m, const char *const *texts, int64_t n, float *out);

/* ---- training ---- */
typedef struct hone_trainer_options {
    const char *model; /* a saved model to go on from, or: */
    const char *
        preset; /* a size whose weights are drawn from the seed: "1m", "3m", ... (`hone train --help`) */
    const char
        *tokenizer; /* with a preset: as hone_tokenizer_open takes it; saved beside the weights */
    int64_t tokens; /* most in a step: 2048 */
    int64_t sequences;     /* most in a step: 32 */
    const char *optimiser; /* "adamw", "sgd", "muon" */
    const char *precision; /* of products: "f32", or "bf16" */
    double weight_decay;   /* of matrices */
    double clip;           /* of the gradient's norm; 0: none */
    uint64_t seed;
    int threads;
} hone_trainer_options;

/* Sequences of ids, laid end to end. */
typedef struct hone_batch {
    const int32_t *ids;
    const int32_t *
        targets; /* what is to follow each id, negative: does not count. NULL: the sequence's next id */
    const int64_t *lengths; /* [sequences] */
    int64_t sequences;
} hone_batch;

typedef struct hone_learned {
    double loss;    /* mean over the predicted tokens, in nats, before the update */
    double norm;    /* of the gradient, before clipping */
    int64_t tokens; /* predicted */
} hone_learned;

HONE_API hone_trainer *hone_trainer_new(hone_context *h, const hone_trainer_options *options);
HONE_API void hone_trainer_free(hone_trainer *t);
/* One update from one batch. `out` may be NULL. */
HONE_API hone_status hone_train_step(hone_trainer *t, const hone_batch *batch, double lr,
                                     hone_learned *out);
/* Writes a folder that hone_model_open and transformers open: format "f32", "bf16" or "f16". */
HONE_API hone_status hone_trainer_save(hone_trainer *t, const char *folder, const char *format);

#ifdef __cplusplus
}
#endif
#endif
