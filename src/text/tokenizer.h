/* Text to token ids and back, as the model's own tokenizer does it:
 *
 *   added tokens are found in the text  >  what lies between is normalised  >  cut into words
 *   >  each word is encoded by the model (BPE, unigram, WordPiece, whole words)  >  ids that begin
 *   and end a sequence are put around
 *
 * Read from a tokenizer.json, a SentencePiece model or the metadata of a GGUF file. A tokenizer is
 * not changed by being used; what one thread needs to encode is its `encoder`.
 *
 * Text is bytes. Where the model has all bytes, decoding gives back what was encoded, byte for
 * byte, whatever it was. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "text/grow.h"
#include <stdbool.h>

typedef struct tokenizer tokenizer;
typedef struct encoder encoder;
struct gguf;

/* A folder with a tokenizer.json, such a file, a GGUF file, or a SentencePiece .model. */
status tokenizer_open(context *cx, const char *path, tokenizer **out) MUST_USE;
/* `name` is what the text is called in errors. */
status tokenizer_open_json(context *cx, const char *name, const char *bytes, int64_t size_bytes,
                           tokenizer **out) MUST_USE;
status tokenizer_open_model(context *cx, const char *name, const char *bytes, int64_t size_bytes,
                            tokenizer **out) MUST_USE;
/* False: it says that it has none, or says nothing. */
bool tokenizer_in_gguf(const struct gguf *g);
/* `g` is not needed afterwards. */
status tokenizer_open_gguf(context *cx, const struct gguf *g, tokenizer **out) MUST_USE;
void tokenizer_free(tokenizer *t);
/* Writes the files that tokenizer_open would read of `path` to FOLDER, under the name that is returned:
 * tokenizer.json, tokenizer.model, or tokenizer.gguf (without the tensors). */
status tokenizer_copy(context *cx, const char *path, const char *folder,
                      const char **name) MUST_USE;

typedef struct encode_options {
    bool add_special;   /* put the ids that begin and end a sequence around it */
    bool trust_special; /* text that reads like a special token is that token */
} encode_options;

status encoder_new(context *cx, const tokenizer *t, encoder **out) MUST_USE;
void encoder_free(encoder *e);

/* Appends the ids. */
status encoder_run(encoder *e, const char *text, int64_t length, encode_options options,
                   token_list *out) MUST_USE;

/* One past the largest id. */
int32_t tokenizer_size(const tokenizer *t);
/* The id of a token as the model writes it, or -1. */
int32_t tokenizer_find(const tokenizer *t, const char *text);
bool tokenizer_is_special(const tokenizer *t, int32_t id);
/* The id that is put before and behind a sequence, -1 where there is none or are several. */
int32_t tokenizer_before(const tokenizer *t);
int32_t tokenizer_after(const tokenizer *t);
/* Whether a text encoded in pieces, each from behind a newline on and from a character that is no white space,
 * gives the same ids as encoded whole. */
bool tokenizer_parts_lines(const tokenizer *t);

/* How far decoding has come; zeroed at the start of a sequence. */
typedef struct decoder {
    bool started;
    bool skip_special;
    char pending[4]; /* the begin of a character */
    int32_t pending_bytes;
} decoder;

/* Appends the bytes of the ids. Ids that the tokenizer does not have are an error. */
status tokenizer_decode(const tokenizer *t, decoder *d, const int32_t *ids, int64_t count,
                        text_buffer *out) MUST_USE;
/* The same for showing text as it comes: only whole characters are appended; the bytes of one that
 * is not complete wait, and U+FFFD stands for bytes that can be no character. */
status tokenizer_stream(const tokenizer *t, decoder *d, int32_t id, text_buffer *out) MUST_USE;
/* The end of the stream: what is still waiting becomes U+FFFD. */
status tokenizer_stream_end(decoder *d, text_buffer *out) MUST_USE;

#endif
