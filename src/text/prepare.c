/* One pass over the text, or two where the vocabulary comes from the text; a pipe is then copied aside. */
#include "text/prepare.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "text/bpe_train.h"
#include "text/encode_many.h"
#include "text/tokenizer_write.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { BATCH_BYTES = 4 << 20, WHOLE_PIECE_BYTES = 64 << 20, LAST_CHARACTER = 0x10FFFF };
static const char usual_special[] = "<|endoftext|>";

typedef struct preparation {
    context *cx;
    arena memory;
    prepare_options options; /* its input names the copy of a pipe, where there is one */
    prepare_result *result;
    int spool;
    text_buffer made; /* the tokenizer.json that was made from the text */
    tokenizer *t;
    encode_many many;
    documents *reader;
    token_set_writer set;
    int32_t begin, end;
    token_split split; /* of the document in progress */
    int64_t document;
    const char *written; /* the tokenizer's file in the folder */
} preparation;

/* ---- a pipe that must be read twice ---- */

static status copy_pipe(preparation *p) {
    stream in;
    TRY(stream_open(p->cx, "-", &in));
    char step[1 << 16];
    status st = STATUS_OK;
    for (int64_t got = 1; got && st == STATUS_OK;) {
        st = stream_read(&in, step, sizeof step, &got);
        for (int64_t done = 0; st == STATUS_OK && done < got;) {
            ssize_t n = write(p->spool, step + done, (size_t)(got - done));
            if (n < 0 && errno != EINTR)
                st = context_fail(p->cx, STATUS_IO, "copying standard input aside: %s",
                                  strerror(errno));
            done += MAX_OF(n, 0);
        }
    }
    stream_close(&in);
    return st;
}

/* The copy has no name beside the folder that is being made: it goes with the process. */
static status spool_input(preparation *p) {
    document_options *in = &p->options.input;
    const char **files = ARENA_NEW(&p->memory, const char *, in->n_files);
    const char **names = ARENA_NEW(&p->memory, const char *, in->n_files);
    char *aside = arena_printf(&p->memory, "%s.input-%ld", p->options.folder, (long)getpid());
    if (!files || !names || !aside) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < in->n_files; i++) {
        bool pipe = !strcmp(in->files[i], "-");
        files[i] = in->files[i];
        names[i] = pipe ? "standard input" : in->files[i];
        if (!pipe) continue;
        if (p->spool >= 0)
            FAIL(p->cx, STATUS_BAD_ARGUMENT, "standard input (-) can be read once only");
        p->spool = open(aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (p->spool < 0) FAIL(p->cx, STATUS_IO, "creating '%s': %s", aside, strerror(errno));
        unlink(aside);
        TRY(copy_pipe(p));
        files[i] = arena_printf(&p->memory, "/proc/self/fd/%d", p->spool);
        if (!files[i]) return STATUS_NO_MEMORY;
    }
    in->files = files;
    in->names = names;
    return STATUS_OK;
}

/* ---- the tokenizer ---- */

/* Each character of the text once, ascending. */
static status find_characters(preparation *p, uint8_t *seen) {
    document_piece piece;
    TRY(documents_open(p->cx, &p->options.input, &p->reader));
    for (;;) {
        TRY(documents_next(p->reader, &piece));
        if (piece.end) break;
        const char *end = piece.text + piece.length;
        for (const char *at = piece.text; at < end;) {
            int n = utf8_length(at, end);
            uint32_t c = utf8_decode(at, n);
            seen[c / 8] |= (uint8_t)(1 << c % 8);
            at += n;
        }
    }
    documents_close(p->reader);
    p->reader = NULL;
    return STATUS_OK;
}

static status make_characters(preparation *p, const char *const *special, int64_t n_special) {
    uint8_t *seen = context_zalloc(p->cx, LAST_CHARACTER / 8 + 1);
    uint32_t *list = seen ? context_alloc(p->cx, (LAST_CHARACTER + 1) * sizeof *list) : NULL;
    status st = list ? find_characters(p, seen) : STATUS_NO_MEMORY;
    int64_t count = 0;
    for (uint32_t c = 0; c <= LAST_CHARACTER && st == STATUS_OK; c++)
        if (seen[c / 8] >> c % 8 & 1) list[count++] = c;
    if (st == STATUS_OK && !count)
        st = context_fail(p->cx, STATUS_BAD_DATA, "there is no text to take characters from");
    if (st == STATUS_OK) st = tokenizer_write_characters(list, count, special, n_special, &p->made);
    context_release(p->cx, list);
    context_release(p->cx, seen);
    return st;
}

static status train_tokenizer(preparation *p, const char *const *special, int64_t n_special) {
    const bpe_train_options how = {.input = p->options.input,
                                   .vocabulary = p->options.vocabulary,
                                   .pattern = p->options.pattern,
                                   .special = special,
                                   .n_special = n_special,
                                   .threads = p->options.threads};
    bpe_train_result trained;
    return bpe_train_files(p->cx, &how, &p->made, &trained);
}

static status make_tokenizer(preparation *p) {
    const prepare_options *o = &p->options;
    bool usual = !o->begin && !o->end && !o->characters;
    const char *given[] = {o->begin, usual ? usual_special : o->end}, *special[2];
    int64_t n = 0;
    for (int i = 0; i < 2; i++) {
        if (!given[i] || !*given[i] || (n && !strcmp(special[0], given[i]))) continue;
        special[n++] = given[i];
    }
    if (o->characters)
        TRY(make_characters(p, special, n));
    else if (o->vocabulary)
        TRY(train_tokenizer(p, special, n));
    else
        TRY(tokenizer_write_bytes(special, n, &p->made));
    return tokenizer_open_json(p->cx, "tokenizer.json", p->made.bytes, p->made.length, &p->t);
}

/* The id of a token that the user names, of what the tokenizer does itself, or of the names in use. */
static status find_token(preparation *p, const char *given, int32_t own, int32_t *out) {
    static const char *const names[] = {usual_special, "</s>",  "<|end_of_text|>", "<eos>",
                                        "<|im_end|>",  "[SEP]", "<|end|>"};
    *out = own;
    if (given) {
        *out = *given ? tokenizer_find(p->t, given) : -1;
        if (*given && *out < 0)
            FAIL(p->cx, STATUS_BAD_ARGUMENT, "the tokenizer has no token '%s'", given);
        return STATUS_OK;
    }
    for (int64_t i = 0; *out < 0 && i < COUNT_OF(names); i++) {
        int32_t id = tokenizer_find(p->t, names[i]);
        if (id >= 0 && tokenizer_is_special(p->t, id)) *out = id;
    }
    return STATUS_OK;
}

static status get_tokenizer(preparation *p) {
    const prepare_options *o = &p->options;
    int ways = (o->tokenizer != NULL) + o->bytes + o->characters + (o->vocabulary > 0);
    if (ways != 1)
        FAIL(p->cx, STATUS_BAD_ARGUMENT,
             "%s of a tokenizer to take (--tokenizer MODEL) or to learn (--vocab N), --bytes and "
             "--chars must be given",
             ways ? "only one" : "one");
    if (o->tokenizer)
        TRY(tokenizer_open(p->cx, o->tokenizer, &p->t));
    else
        TRY(make_tokenizer(p));
    TRY(find_token(p, o->end, tokenizer_after(p->t), &p->end));
    int32_t own = tokenizer_before(p->t);
    TRY(find_token(p, o->begin, own >= 0 ? own : p->end, &p->begin));
    if (!tokenizer_parts_lines(p->t)) p->options.input.piece_bytes = WHOLE_PIECE_BYTES;
    p->result->vocabulary = tokenizer_size(p->t);
    return STATUS_OK;
}

/* ---- encoding ---- */

/* Stretches of 1 / held_out documents, of each of which one is held out; the first document never is. */
static token_split split_of(const prepare_options *o, int64_t document) {
    if (o->held_out <= 0 || o->held_out_end) return TOKENS_TRAIN;
    int64_t stretch = (int64_t)((double)document * o->held_out);
    while ((int64_t)((double)(stretch + 1) / o->held_out) <= document) stretch++;
    int64_t from = stretch ? (int64_t)((double)stretch / o->held_out) : 1;
    int64_t to = (int64_t)((double)(stretch + 1) / o->held_out);
    rng r = rng_make(o->seed, rng_stream("held out") + (uint64_t)stretch);
    int64_t drawn = from + (int64_t)rng_below(&r, (uint64_t)MAX_OF(to - from, 1));
    return document == drawn ? TOKENS_VALIDATION : TOKENS_TRAIN;
}

static status put_token(preparation *p, int32_t id) {
    return id < 0 ? STATUS_OK : token_set_add(&p->set, p->split, &id, 1);
}

enum { FIRST_PIECE = 1, LAST_PIECE = 2 };

static status write_batch(preparation *p) {
    TRY(encode_many_run(&p->many));
    for (int64_t i = 0; i < p->many.n_pieces; i++) {
        const encode_piece *e = p->many.pieces + i;
        if (e->tag & FIRST_PIECE) {
            p->split = split_of(&p->options, p->document++);
            TRY(put_token(p, p->begin));
        }
        TRY(token_set_add(&p->set, p->split, e->ids, e->count));
        if (!(e->tag & LAST_PIECE)) continue;
        TRY(put_token(p, p->end));
        TRY(token_set_end_document(&p->set, p->split));
    }
    encode_many_clear(&p->many);
    return STATUS_OK;
}

static status encode_all(preparation *p) {
    document_piece piece;
    progress shown;
    TRY(encode_many_open(p->cx, p->t, p->options.threads, &p->many));
    TRY(documents_open(p->cx, &p->options.input, &p->reader));
    progress_begin(&shown, "preparing, MB", 0);
    status st = STATUS_OK;
    for (bool end = false; !end && st == STATUS_OK;) {
        st = documents_next(p->reader, &piece);
        if (st != STATUS_OK) break;
        end = piece.end;
        p->result->text_bytes += piece.length;
        int64_t tag = (piece.first ? FIRST_PIECE : 0) | (piece.last ? LAST_PIECE : 0);
        if (!end) st = encode_many_add(&p->many, piece.text, piece.length, tag);
        if (st == STATUS_OK && (end || p->many.text.length >= BATCH_BYTES)) st = write_batch(p);
        progress_show(&shown, p->result->text_bytes / 1000000, NULL);
    }
    progress_end(&shown);
    return st;
}

static status hold_out(preparation *p) {
    int64_t documents[TOKEN_SPLITS], ids[TOKEN_SPLITS];
    for (int i = 0; i < TOKEN_SPLITS; i++)
        token_set_counts(&p->set, (token_split)i, documents + i, ids + i);
    if (!(documents[0] + documents[1]))
        FAIL(p->cx, STATUS_BAD_DATA, "there is no text in what was given");
    if (p->options.held_out <= 0 || documents[TOKENS_VALIDATION]) return STATUS_OK;
    return token_set_split_end(&p->set, p->options.held_out);
}

static status finish(preparation *p) {
    prepare_result *r = p->result;
    const char *name = "tokenizer.json", *first;
    if (p->options.tokenizer)
        TRY(tokenizer_copy(p->cx, p->options.tokenizer, p->options.folder, &name));
    p->written = arena_printf(&p->memory, "%s/%s", p->options.folder, name);
    if (!p->written) return STATUS_NO_MEMORY;
    if (!p->options.tokenizer)
        TRY(file_write_whole(p->cx, p->written, p->made.bytes, p->made.length));
    token_set_facts facts = {.tokenizer = name, .begin = p->begin, .end = p->end};
    facts.sources = documents_sources(p->reader, &facts.n_sources);
    r->sources = facts.n_sources;
    r->passed_over = documents_passed_over(p->reader, &first);
    if (first) snprintf(r->passed_over_first, sizeof r->passed_over_first, "%s", first);
    for (int i = 0; i < TOKEN_SPLITS; i++)
        token_set_counts(&p->set, (token_split)i, r->documents + i, r->tokens + i);
    return token_set_commit(&p->set, &facts);
}

static status prepare(preparation *p) {
    const prepare_options *o = &p->options;
    bool twice = o->characters || o->vocabulary > 0;
    if (twice) TRY(spool_input(p));
    TRY(get_tokenizer(p));
    int64_t shard_bytes = o->shard_bytes ? o->shard_bytes : (int64_t)256 << 20;
    TRY(token_set_create(p->cx, o->folder, p->result->vocabulary, shard_bytes, &p->set));
    TRY(encode_all(p));
    TRY(hold_out(p));
    return finish(p);
}

status prepare_run(context *cx, const prepare_options *options, prepare_result *out) {
    *out = (prepare_result){0};
    preparation p = {.cx = cx,
                     .memory = arena_make(cx),
                     .options = *options,
                     .result = out,
                     .spool = -1,
                     .made.cx = cx,
                     .begin = -1,
                     .end = -1};
    status st = prepare(&p);
    documents_close(p.reader);
    if (p.many.cx) encode_many_close(&p.many);
    if (st != STATUS_OK && p.written) unlink(p.written);
    token_set_abandon(&p.set);
    tokenizer_free(p.t);
    text_free(&p.made);
    if (p.spool >= 0) close(p.spool);
    arena_free(&p.memory);
    return st;
}
