/* Ids to text. The pieces hold what each id stands for alone; only the rules that look at
 * neighbours are left: the space that a model puts in front of all text, and WordPiece's spaces. */
#include "text/tokenizer_parts.h"

static bool hugs(const char *text, int64_t length) {
    static const char *const begins[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    for (int64_t i = 0; i < COUNT_OF(begins); i++) {
        int64_t n = (int64_t)strlen(begins[i]);
        if (length >= n && !memcmp(text, begins[i], (size_t)n)) return true;
    }
    return false;
}

static status decode_one(const tokenizer *t, decoder *d, int32_t id, text_buffer *out) {
    const decode_rule *r = &t->decode;
    int64_t length, prefix = (int64_t)strlen(r->prefix);
    const char *piece = vocab_text(&t->pieces, id, &length);
    if (!piece)
        FAIL(out->cx, STATUS_BAD_ARGUMENT, "token id %d is not one of the tokenizer's %d", id,
             t->names.size);
    if (d->skip_special && t->special[id]) return STATUS_OK;
    bool first = !d->started;
    d->started = true;
    if (r->spaced && !first) {
        bool inside = prefix && length >= prefix && !memcmp(piece, r->prefix, (size_t)prefix);
        if (inside) {
            piece += prefix;
            length -= prefix;
        } else if (!r->cleanup || !hugs(piece, length)) {
            TRY(text_append(out, " ", 1));
        }
    }
    bool strip = first && r->strip_first_space && !t->special[id] && length && *piece == ' ';
    return text_append(out, piece + strip, length - strip);
}

status tokenizer_decode(const tokenizer *t, decoder *d, const int32_t *ids, int64_t count,
                        text_buffer *out) {
    for (int64_t i = 0; i < count; i++) TRY(decode_one(t, d, ids[i], out));
    return STATUS_OK;
}

/* Whether these bytes, which are no character, may become one with more behind them. */
static bool may_grow(const char *at, int64_t room) {
    const unsigned char *u = (const unsigned char *)at;
    int64_t whole = u[0] >= 0xC2 && u[0] < 0xE0 ? 2 : u[0] >= 0xE0 && u[0] < 0xF0 ? 3 : 4;
    if (u[0] < 0xC2 || u[0] > 0xF4 || room >= whole) return false;
    if (room > 1) {
        unsigned least = u[0] == 0xE0 ? 0xA0 : u[0] == 0xF0 ? 0x90 : 0x80;
        unsigned most = u[0] == 0xED ? 0x9F : u[0] == 0xF4 ? 0x8F : 0xBF;
        if (u[1] < least || u[1] > most) return false;
    }
    return room < 3 || (u[2] & 0xC0) == 0x80;
}

static const char replacement[] = "\uFFFD";

status tokenizer_stream(const tokenizer *t, decoder *d, int32_t id, text_buffer *out) {
    text_buffer raw = {.cx = out->cx};
    status st;
    TRY_GOTO(done, text_reserve(&raw, 1));
    TRY_GOTO(done, text_append(&raw, d->pending, d->pending_bytes));
    TRY_GOTO(done, decode_one(t, d, id, &raw));
    d->pending_bytes = 0;
    const char *end = raw.bytes + raw.length;
    for (const char *at = raw.bytes; at < end;) {
        int n = utf8_length(at, end);
        if (n) {
            TRY_GOTO(done, text_append(out, at, n));
        } else if (may_grow(at, end - at)) {
            d->pending_bytes = (int32_t)(end - at);
            memcpy(d->pending, at, (size_t)(end - at));
            break;
        } else {
            TRY_GOTO(done, text_append(out, replacement, sizeof replacement - 1));
            n = 1;
        }
        at += n;
    }
done:
    text_free(&raw);
    return st;
}

status tokenizer_stream_end(decoder *d, text_buffer *out) {
    bool waiting = d->pending_bytes > 0;
    d->pending_bytes = 0;
    return waiting ? text_append(out, replacement, sizeof replacement - 1) : STATUS_OK;
}
