/* Tokenizers from GGUF metadata. `tokenizer.ggml.model` names the kind; of byte-level BPE,
 * `tokenizer.ggml.pre` names patterns that are not in the file and are listed here. Token types: 1
 * normal, 2 unknown, 3 control, 4 defined by the user, 5 unused, 6 byte. Text is matched against
 * tokens of type 2 and 3 only when it is trusted, against type 4 always. */
#include "store/gguf.h"
#include "text/tokenizer_parts.h"

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define CASES "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define CL100K(digits)                                                                             \
    CASES "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                                 \
          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPERS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWERS "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define LEAD "[^\\r\\n\\p{L}\\p{N}]?"
#define FOLDED "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
#define REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define FAR_EAST "[一-龥ࠀ-一가-퟿]+"

typedef struct published {
    const char *names; /* separated by spaces */
    const char *pattern[6];
    bool ignore_merges, add_bos;
} published;

static const published patterns[] = {
    {"gpt-2 mpt olmo jais phi-2 gigachat roberta-bpe jina-es jina-de jina-v1-en jina-v2-es "
     "jina-v2-de a.x-4.0 mellum modern-bert trillion granite-docling",
     {GPT2}},
    {"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2",
     {CL100K("\\p{N}{1,3}")},
     .ignore_merges = true,
     .add_bos = true},
    {"dbrx smaug-bpe chatglm-bpe glm4 chatglm4", {CL100K("\\p{N}{1,3}")}},
    {"qwen2 stablelm2 deepseek-r1-qwen hunyuan megrez solar-open", {CL100K("\\p{N}")}},
    {"starcoder refact command-r smollm codeshell exaone minerva-7b", {"\\p{N}", GPT2}},
    {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {"deepseek-coder", {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", FAR_EAST, "\\p{N}"}},
    {"deepseek-v3 hunyuan-dense",
     {"\\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
      "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"
      "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {"gpt-4o llama4",
     {LEAD UPPERS "*" LOWERS "+" FOLDED "|" LEAD UPPERS "+" LOWERS "*" FOLDED "|\\p{N}{1,3}" REST}},
    {"tekken",
     {LEAD UPPERS "*" LOWERS "+|" LEAD UPPERS "+" LOWERS "*|\\p{N}" REST},
     .ignore_merges = true,
     .add_bos = true},
    {"bloom poro-chat gpt3-finnish", {" ?[^(\\s|.,!?…。，、।۔،)]+"}},
    {"viking", {" ?[^(\\s|.,!?…。，、।۔،)]+", "\\p{N}"}},
};

static bool names_it(const char *names, gguf_string name) {
    for (const char *at = names; *at;) {
        int64_t length = (int64_t)strcspn(at, " ");
        if (length == name.length && !memcmp(at, name.bytes, (size_t)length)) return true;
        at += length + (at[length] == ' ');
    }
    return false;
}

static bool is_text(gguf_string text, const char *literal) {
    return text.length == (int64_t)strlen(literal) &&
           !memcmp(text.bytes, literal, (size_t)text.length);
}

typedef struct reader {
    context *cx;
    const gguf *g;
    tokenizer *t;
    const gguf_value *tokens, *types; /* types may be NULL */
} reader;

static status flag(const reader *r, const char *key, bool standard, bool *out) {
    const gguf_value *v = gguf_find(r->g, key);
    *out = standard;
    if (!v) return STATUS_OK;
    if (v->type != GGUF_BOOL) FAIL(r->cx, STATUS_BAD_DATA, "key '%s' is not a bool", key);
    *out = v->integer != 0;
    return STATUS_OK;
}

/* -1 when the key is absent. */
static status token_id(const reader *r, const char *key, int32_t *out) {
    int64_t id = -1;
    const gguf_value *v = gguf_find(r->g, key);
    if (v && !(v->type == GGUF_U32 && v->integer == UINT32_MAX))
        TRY(gguf_integer(r->g, key, -1, r->tokens->count - 1, &id));
    *out = (int32_t)id;
    return STATUS_OK;
}

static int32_t type_of(const reader *r, int64_t id) {
    return r->types ? (int32_t)gguf_item(r->types, id).integer : TYPE_NORMAL;
}

static status read_tokens(reader *r, bool wordpiece) {
    static const char mark[] = "\u2581";
    const int64_t mark_bytes = sizeof mark - 1;
    text_buffer name = {.cx = r->cx};
    status st = STATUS_OK;
    bool marked = false;
    for (int64_t id = 0; wordpiece && id < r->tokens->count && !marked; id++) {
        gguf_string s = r->tokens->texts[id];
        marked = s.length > mark_bytes && !memcmp(s.bytes, mark, (size_t)mark_bytes);
    }
    for (int64_t id = 0; id < r->tokens->count && st == STATUS_OK; id++) {
        gguf_string s = r->tokens->texts[id];
        name.length = 0;
        if (marked && type_of(r, id) == TYPE_NORMAL) {
            bool begins = s.length > mark_bytes && !memcmp(s.bytes, mark, (size_t)mark_bytes);
            bool unused = s.length > 2 && *s.bytes == '[' && s.bytes[s.length - 1] == ']';
            if (begins)
                s = (gguf_string){s.bytes + mark_bytes, s.length - mark_bytes};
            else if (!unused)
                st = text_append(&name, "##", 2);
        }
        if (st == STATUS_OK) st = text_append(&name, s.bytes, s.length);
        if (st == STATUS_OK) st = vocab_add(&r->t->names, name.bytes, name.length, id);
    }
    text_free(&name);
    return st;
}

static status read_added(const reader *r) {
    tokenizer *t = r->t;
    int64_t count = 0;
    for (int64_t id = 0; r->types && id < r->tokens->count; id++) {
        int32_t type = type_of(r, id);
        count += type == TYPE_UNKNOWN || type == TYPE_CONTROL || type == TYPE_USER;
    }
    t->added = ARENA_NEW(&t->mem, added_token, count + 1);
    if (!t->added) return context_status(r->cx);
    for (int64_t id = 0; count && id < r->tokens->count; id++) {
        int32_t type = type_of(r, id);
        if (type != TYPE_UNKNOWN && type != TYPE_CONTROL && type != TYPE_USER) continue;
        gguf_string s = r->tokens->texts[id];
        const char *text = arena_strndup(&t->mem, s.bytes, (size_t)s.length);
        if (!text) return context_status(r->cx);
        t->added[t->added_count++] = (added_token){
            .text = text, .length = s.length, .id = (int32_t)id, .special = type != TYPE_USER};
    }
    return STATUS_OK;
}

static status read_merges(const reader *r) {
    const gguf_value *merges;
    const vocab *names = &r->t->names;
    TRY(gguf_array(r->g, "tokenizer.ggml.merges", GGUF_STRING, &merges));
    text_buffer both = {.cx = r->cx};
    status st = STATUS_OK;
    for (int64_t i = 0; i < merges->count && st == STATUS_OK; i++) {
        gguf_string s = merges->texts[i];
        const char *space = s.length > 1 ? memchr(s.bytes + 1, ' ', (size_t)s.length - 1) : NULL;
        int64_t left = space ? space - s.bytes : 0, right = s.length - left - 1;
        both.length = 0;
        if (space) TRY_GOTO(done, text_append(&both, s.bytes, left));
        if (space) TRY_GOTO(done, text_append(&both, space + 1, right));
        int32_t a = space ? vocab_find(names, s.bytes, left) : -1;
        int32_t b = space ? vocab_find(names, space + 1, right) : -1;
        int32_t c = space ? vocab_find(names, both.bytes, both.length) : -1;
        if (a < 0 || b < 0 || c < 0) {
            st = context_fail(r->cx, STATUS_BAD_DATA,
                              "tokenizer.ggml.merges: merge %lld '%.*s' is not of three tokens",
                              (long long)i, (int)MIN_OF(s.length, 100), s.bytes);
            break;
        }
        st = bpe_add_merge(&r->t->bpe, a, b, c, (uint32_t)i);
    }
done:
    text_free(&both);
    return st;
}

static status read_byte_level(reader *r, bool *add_bos) {
    tokenizer *t = r->t;
    gguf_string pre;
    TRY(gguf_text(r->g, "tokenizer.ggml.pre", &pre));
    const published *p = NULL;
    for (int64_t i = 0; i < COUNT_OF(patterns) && !p; i++)
        if (names_it(patterns[i].names, pre)) p = patterns + i;
    if (!p)
        FAIL(r->cx, STATUS_UNSUPPORTED,
             "tokenizer.ggml.pre '%.*s' is not a pre-tokeniser that is known here",
             (int)MIN_OF(pre.length, 100), pre.bytes);
    for (int k = 0; k < 6 && p->pattern[k]; k++) {
        pretoken *step = t->pretokens + t->pretoken_count++;
        step->kind = PRETOKEN_PATTERN;
        TRY(pattern_open(&step->pattern, r->cx, p->pattern[k], (int64_t)strlen(p->pattern[k])));
    }
    t->byte_level = true;
    t->decode.raw = true;
    t->bpe.ignore_merges = p->ignore_merges;
    *add_bos = p->add_bos;
    TRY(read_tokens(r, false));
    return read_merges(r);
}

static status read_scores(const reader *r, const gguf_value **out) {
    TRY(gguf_array(r->g, "tokenizer.ggml.scores", GGUF_F32, out));
    if ((*out)->count != r->tokens->count)
        FAIL(r->cx, STATUS_BAD_DATA, "tokenizer.ggml.scores: %lld scores for %lld tokens",
             (long long)(*out)->count, (long long)r->tokens->count);
    for (int64_t i = 0; i < (*out)->count; i++)
        if (gguf_item(*out, i).number != gguf_item(*out, i).number)
            FAIL(r->cx, STATUS_BAD_DATA, "tokenizer.ggml.scores: score %lld is not a number",
                 (long long)i);
    return STATUS_OK;
}

static void set_marks(tokenizer *t, bool prefix) {
    t->decode.byte_tokens = t->decode.marks = true;
    t->decode.strip_first_space = prefix;
    memcpy(t->decode.mark, "\u2581", sizeof "\u2581");
}

static status read_sentencepiece_bpe(reader *r) {
    tokenizer *t = r->t;
    bool prefix;
    const gguf_value *scores;
    TRY(flag(r, "tokenizer.ggml.add_space_prefix", true, &prefix));
    TRY(read_scores(r, &scores));
    TRY(read_tokens(r, false));
    if (prefix)
        t->normals[t->normal_count++] =
            (normal){.kind = NORMAL_PREPEND, .text = "\u2581", .length = 3};
    normal *spaces = t->normals + t->normal_count++;
    *spaces = (normal){.kind = NORMAL_REPLACE, .text = "\u2581", .length = 3};
    TRY(pattern_open_literal(&spaces->pattern, r->cx, " ", 1));
    t->bpe.byte_fallback = true;
    t->bpe.fuse_unknown = true;
    TRY(token_id(r, "tokenizer.ggml.unknown_token_id", &t->bpe.unknown));
    set_marks(t, prefix);
    float *score = ARENA_NEW(&t->mem, float, r->tokens->count + 1);
    bool *skip = ARENA_NEW(&t->mem, bool, r->tokens->count + 1);
    if (!score || !skip) return context_status(r->cx);
    for (int64_t id = 0; id < r->tokens->count; id++) {
        int32_t type = type_of(r, id);
        score[id] = (float)gguf_item(scores, id).number;
        skip[id] = type == TYPE_UNKNOWN || type == TYPE_CONTROL || type == TYPE_BYTE;
    }
    return bpe_merges_from_scores(&t->bpe, score, skip);
}

static status read_unigram(reader *r) {
    tokenizer *t = r->t;
    bool prefix, squeeze;
    const gguf_value *scores, *map = gguf_find(r->g, "tokenizer.ggml.precompiled_charsmap");
    TRY(flag(r, "tokenizer.ggml.add_space_prefix", true, &prefix));
    TRY(flag(r, "tokenizer.ggml.remove_extra_whitespaces", false, &squeeze));
    TRY(read_scores(r, &scores));
    TRY(read_tokens(r, false));
    if (map) {
        if (map->type != GGUF_ARRAY || (map->item_type != GGUF_U8 && map->item_type != GGUF_I8))
            FAIL(r->cx, STATUS_BAD_DATA, "tokenizer.ggml.precompiled_charsmap is not bytes");
        const char *copy = arena_strndup(&t->mem, map->items, (size_t)map->count);
        if (!copy) return context_status(r->cx);
        TRY(normal_check_charsmap(r->cx, copy, map->count));
        t->normals[t->normal_count++] =
            (normal){.kind = NORMAL_CHARSMAP, .text = copy, .length = map->count};
    }
    if (squeeze) t->normals[t->normal_count++] = (normal){.kind = NORMAL_SQUEEZE};
    t->pretokens[t->pretoken_count++] =
        (pretoken){.kind = PRETOKEN_METASPACE,
                   .mark = "\u2581",
                   .mark_bytes = 3,
                   .scheme = prefix ? PRETOKEN_ALWAYS : PRETOKEN_NEVER};
    t->scores = ARENA_NEW(&t->mem, double, r->tokens->count + 1);
    if (!t->scores) return context_status(r->cx);
    for (int64_t id = 0; id < r->tokens->count; id++) t->scores[id] = gguf_item(scores, id).number;
    t->model = MODEL_UNIGRAM;
    set_marks(t, prefix);
    return token_id(r, "tokenizer.ggml.unknown_token_id", &t->unigram.unknown);
}

static status read_wordpiece(reader *r) {
    tokenizer *t = r->t;
    TRY(read_tokens(r, true));
    t->model = MODEL_WORDPIECE;
    t->wordpiece = (wordpiece){.words = &t->names, .prefix = "##", .longest_word = 100};
    TRY(token_id(r, "tokenizer.ggml.unknown_token_id", &t->wordpiece.unknown));
    t->normals[t->normal_count++] = (normal){
        .kind = NORMAL_BERT, .clean = true, .chinese = true, .accents = true, .lower = true};
    t->pretokens[t->pretoken_count++] =
        (pretoken){.kind = PRETOKEN_SPACES, .behavior = PRETOKEN_REMOVED};
    t->pretokens[t->pretoken_count++] = (pretoken){.kind = PRETOKEN_PUNCTUATION};
    t->decode = (decode_rule){.spaced = true, .cleanup = true, .prefix = "##"};
    return STATUS_OK;
}

/* The ids around a sequence: [begin] ... [end], or BERT's [CLS] ... [SEP]. */
static status read_around(const reader *r, bool bert, bool add_bos) {
    tokenizer *t = r->t;
    bool bos, eos;
    int32_t begin, end;
    TRY(flag(r, "tokenizer.ggml.add_bos_token", add_bos, &bos));
    TRY(flag(r, "tokenizer.ggml.add_eos_token", bert, &eos));
    TRY(token_id(r, bert ? "tokenizer.ggml.cls_token_id" : "tokenizer.ggml.bos_token_id", &begin));
    if (begin < 0) TRY(token_id(r, "tokenizer.ggml.bos_token_id", &begin));
    TRY(token_id(r, bert ? "tokenizer.ggml.seperator_token_id" : "tokenizer.ggml.eos_token_id",
                 &end));
    if (bert && begin < 0) begin = vocab_find(&t->names, "[CLS]", 5);
    if (bert && end < 0) end = vocab_find(&t->names, "[SEP]", 5);
    t->before = ARENA_NEW(&t->mem, int32_t, 1);
    t->after = ARENA_NEW(&t->mem, int32_t, 1);
    if (!t->before || !t->after) return context_status(r->cx);
    if (bos && begin >= 0) t->before[t->before_count++] = begin;
    if (eos && end >= 0) t->after[t->after_count++] = end;
    return STATUS_OK;
}

bool tokenizer_in_gguf(const gguf *g) {
    const gguf_value *model = gguf_find(g, "tokenizer.ggml.model");
    return model && (model->type != GGUF_STRING || !is_text(model->text, "no_vocab"));
}

static status read_all(reader *r) {
    gguf_string model;
    bool add_bos = false, bert = false;
    TRY(gguf_text(r->g, "tokenizer.ggml.model", &model));
    if (!tokenizer_in_gguf(r->g)) /* gguf_text has found what it says */
        FAIL(r->cx, STATUS_UNSUPPORTED, "the file says that it holds no tokenizer (no_vocab)");
    TRY(gguf_array(r->g, "tokenizer.ggml.tokens", GGUF_STRING, &r->tokens));
    if (gguf_find(r->g, "tokenizer.ggml.token_type")) {
        TRY(gguf_array(r->g, "tokenizer.ggml.token_type", GGUF_I32, &r->types));
        if (r->types->count != r->tokens->count)
            FAIL(r->cx, STATUS_BAD_DATA, "tokenizer.ggml.token_type: %lld types for %lld tokens",
                 (long long)r->types->count, (long long)r->tokens->count);
    }
    if (is_text(model, "gpt2")) {
        TRY(read_byte_level(r, &add_bos));
    } else if (is_text(model, "llama")) {
        add_bos = true;
        TRY(read_sentencepiece_bpe(r));
    } else if (is_text(model, "t5")) {
        TRY(read_unigram(r));
    } else if (is_text(model, "bert")) {
        bert = add_bos = true;
        TRY(read_wordpiece(r));
    } else {
        FAIL(r->cx, STATUS_UNSUPPORTED,
             "tokenizer.ggml.model '%.*s' is none of gpt2, llama, t5, bert",
             (int)MIN_OF(model.length, 100), model.bytes);
    }
    TRY(read_added(r));
    TRY(read_around(r, bert, add_bos));
    return tokenizer_finish(r->t);
}

status tokenizer_open_gguf(context *cx, const gguf *g, tokenizer **out) {
    *out = NULL;
    reader r = {.cx = cx, .g = g};
    status st = tokenizer_new(cx, &r.t);
    if (st == STATUS_OK) st = read_all(&r);
    if (st == STATUS_OK)
        *out = r.t;
    else
        tokenizer_free(r.t);
    return st;
}

/* Whether a step cuts as a published pattern; single numbers are a step of their own too. */
static bool cuts_by(const pretoken *p, const char *pattern) {
    if (p->kind == PRETOKEN_DIGITS)
        return p->behavior == PRETOKEN_ISOLATED && !strcmp(pattern, "\\p{N}");
    return p->kind == PRETOKEN_PATTERN && p->pattern.rule && !p->invert &&
           p->behavior == PRETOKEN_ISOLATED &&
           p->pattern.rule == scan_published(pattern, (int64_t)strlen(pattern));
}

const char *tokenizer_gguf_pre(const tokenizer *t) {
    for (int64_t i = 0; i < COUNT_OF(patterns); i++) {
        const published *p = &patterns[i];
        int64_t n = 0;
        bool same = true;
        for (; n < 6 && p->pattern[n]; n++)
            same &= n < t->pretoken_count && cuts_by(&t->pretokens[n], p->pattern[n]);
        if (same && n == t->pretoken_count && p->ignore_merges == t->bpe.ignore_merges)
            return p->names;
    }
    return NULL;
}
