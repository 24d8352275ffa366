/* What a tokenizer is made of, for the files that read one and the file that runs it. */
#ifndef TEXT_TOKENIZER_PARTS_H
#define TEXT_TOKENIZER_PARTS_H

#include "base/arena.h"
#include "text/bpe.h"
#include "text/normal.h"
#include "text/pretoken.h"
#include "text/tokenizer.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

typedef enum token_model { MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDPIECE, MODEL_WORDS } token_model;

typedef struct added_token {
    const char *text;
    int64_t length;
    int32_t id;
    bool special;
    bool lstrip, rstrip; /* takes the white space before, after it */
    bool single_word;    /* only where no word character touches it */
    bool normalized;     /* looked for in normalised text, itself normalised */
    bool verbatim;       /* looked for there as it is written */
} added_token;

/* How the text of a token becomes the text it stands for. */
typedef struct decode_rule {
    bool raw;   /* tokens are joined as they are */
    bool marks; /* `mark` stands for a space */
    char mark[16];
    bool byte_tokens;       /* <0xNN> is a byte */
    bool strip_first_space; /* of the whole text */
    bool spaced;            /* a space before each token, but the first and those with `prefix` */
    char prefix[32];
    bool cleanup;    /* no space before punctuation (WordPiece) */
    char suffix[32]; /* ends a word: a space */
} decode_rule;

struct tokenizer {
    context *cx;
    arena mem;
    vocab names; /* as the file writes them */
    vocab words; /* what the model may find: no special and no added tokens; as raw bytes where the
                    file maps them */
    int32_t model_size; /* ids from here on were added; 0: none were */
    token_model model;
    bpe bpe;
    unigram unigram;
    wordpiece wordpiece;
    double *scores; /* by id, of a unigram model, and of a BPE model that came with them */

    added_token *added;
    int64_t added_count;
    trie plain_added, normalized_added; /* by index into `added` */
    bool added_first[2][256];           /* bytes that begin one: plain, normalised */
    bool *special;                      /* by id */

    normal normals[NORMAL_MAX_STEPS];
    int64_t normal_count;
    pretoken pretokens[PRETOKEN_MAX_STEPS];
    int64_t pretoken_count;
    bool byte_level; /* words of the model are bytes, mapped to printable characters in files */

    /* Where text is not cut into words, one may still end before each mark that no token has behind
     * that character; `cut_joins` are the characters that some token has before the mark. */
    char cut_mark[8];
    int32_t cut_mark_bytes;
    vocab cut_joins;

    int32_t *before, *after; /* ids around a sequence */
    int64_t before_count, after_count;
    decode_rule decode;
    vocab pieces; /* by id, what it decodes to, without the rules that look at neighbours */
};

/* An empty tokenizer, for a reader to fill. */
status tokenizer_new(context *cx, tokenizer **out) MUST_USE;
/* Builds what is derived from the parts; called once by each reader, at its end. */
status tokenizer_finish(tokenizer *t) MUST_USE;

/* The bytes that the printable characters of byte-level vocabularies stand for; -1 where a
 * character stands for none. */
int64_t byte_level_decode(const char *text, int64_t length, char *out);
/* The character of a byte; returns its length. */
int byte_level_encode(unsigned char byte, char *out);

/* The names by which GGUF knows how a byte-level tokenizer cuts text, separated by spaces; NULL: it has none. */
const char *tokenizer_gguf_pre(const tokenizer *t);

/* Ids of the tokens <0x00> to <0xFF>, -1 for those that are missing. */
void find_byte_tokens(const vocab *names, int32_t *byte_id);

#endif
