/* Three layers: files, the texts in them (an archive has many), the documents in a text. `text` holds what has
 * been read of the present text and not yet been handed out. */
#include "text/documents.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/tar.h"
#include <stdio.h>
#include <strings.h>

enum { PIECE_BYTES = 1 << 20, LONGEST_PIECE = 1 << 26, READ_BYTES = 1 << 18 };
static const int64_t LONGEST_LINE = (int64_t)1 << 30;

struct documents {
    context *cx;
    arena memory;
    document_options options;
    int64_t file; /* index of the present one */
    stream in;
    bool open, archive;
    tar_entry entry;
    int64_t left, padding; /* of the entry: bytes not yet read, and behind it */
    bool reading;          /* a text is being read */
    document_format format;
    const char *name; /* of the text, for errors */
    text_buffer text;
    int64_t at;     /* into `text`: what follows is not handed out yet */
    int64_t passed; /* bytes of this text before text.bytes[0] */
    int64_t line;
    bool text_ended, inside; /* inside: of a document, of which a piece was handed out */
    text_buffer clean, fields, joined;
    char first_block[TAR_BLOCK_BYTES]; /* of an archive, read to know it by */
    bool has_first_block;
    json reader;
    token_source *sources;
    int64_t n_sources, passed_over;
    const char *first_passed_over;
};

status documents_open(context *cx, const document_options *options, documents **out) {
    *out = NULL;
    if (options->n_fields > DOCUMENTS_MOST_FIELDS)
        FAIL(cx, STATUS_BAD_ARGUMENT, "%lld fields, at most %d", (long long)options->n_fields,
             DOCUMENTS_MOST_FIELDS);
    documents *d = context_zalloc(cx, sizeof *d);
    if (!d) return STATUS_NO_MEMORY;
    *d = (documents){.cx = cx, .memory = arena_make(cx), .options = *options};
    d->text.cx = d->clean.cx = d->fields.cx = d->joined.cx = cx;
    d->reader = json_make(cx, "", "", 0, NULL);
    if (!d->options.piece_bytes) d->options.piece_bytes = PIECE_BYTES;
    d->sources = ARENA_NEW(&d->memory, token_source, MAX_OF(options->n_files, 1));
    if (!d->sources) {
        documents_close(d);
        return STATUS_NO_MEMORY;
    }
    *out = d;
    return STATUS_OK;
}

void documents_close(documents *d) {
    if (!d) return;
    stream_close(&d->in);
    json_free(&d->reader);
    text_free(&d->text);
    text_free(&d->clean);
    text_free(&d->fields);
    text_free(&d->joined);
    arena_free(&d->memory);
    context_release(d->cx, d);
}

const token_source *documents_sources(const documents *d, int64_t *count) {
    *count = d->n_sources;
    return d->sources;
}

int64_t documents_passed_over(const documents *d, const char **first) {
    *first = d->first_passed_over;
    return d->passed_over;
}

/* ---- the bytes of a text ---- */

/* At least `want` bytes that are not handed out, or all there are. */
static status fill(documents *d, int64_t want) {
    while (d->text.length - d->at < want && !d->text_ended) {
        if (d->at > d->text.length / 2 && d->at >= READ_BYTES) {
            memmove(d->text.bytes, d->text.bytes + d->at, (size_t)(d->text.length - d->at));
            d->passed += d->at;
            d->text.length -= d->at;
            d->at = 0;
        }
        int64_t room = MAX_OF(READ_BYTES, want - (d->text.length - d->at)), got;
        if (d->archive) room = MIN_OF(room, d->left);
        TRY(text_reserve(&d->text, room));
        TRY(stream_read(&d->in, d->text.bytes + d->text.length, room, &got));
        d->text.length += got;
        d->left -= got;
        d->text_ended = d->archive ? d->left == 0 : got == 0;
        if (d->archive && got < room) FAIL(d->cx, STATUS_BAD_DATA, "'%s' is cut short", d->name);
    }
    return STATUS_OK;
}

static bool ends_in(const char *name, size_t length, const char *end) {
    size_t n = strlen(end);
    return length >= n && !strncasecmp(name + length - n, end, n);
}

/* DOCUMENTS_AUTO: the name tells nothing. */
static document_format format_of(const char *name) {
    static const char *const packed[] = {".gz", ".zst", ".zstd"};
    static const char *const lines[] = {".jsonl", ".ndjson", ".json"};
    static const char *const plain[] = {".txt", ".text", ".md"};
    size_t length = strlen(name);
    for (int64_t i = 0; i < COUNT_OF(packed); i++) {
        if (!ends_in(name, length, packed[i])) continue;
        length -= strlen(packed[i]);
        break;
    }
    for (int64_t i = 0; i < COUNT_OF(lines); i++)
        if (ends_in(name, length, lines[i])) return DOCUMENTS_JSONL;
    for (int64_t i = 0; i < COUNT_OF(plain); i++)
        if (ends_in(name, length, plain[i])) return DOCUMENTS_TEXT;
    return DOCUMENTS_AUTO;
}

/* A new text is what comes next. */
static void begin_text(documents *d, const char *name, document_format format) {
    d->reading = true;
    d->name = name;
    d->format = format;
    d->line = 0;
    d->inside = false;
}

/* ---- archives ---- */

static status skip_bytes(documents *d, int64_t count) {
    char step[4096];
    while (count > 0) {
        int64_t got;
        TRY(stream_read(&d->in, step, MIN_OF(count, (int64_t)sizeof step), &got));
        if (!got) FAIL(d->cx, STATUS_BAD_DATA, "'%s' is cut short", d->in.name);
        count -= got;
    }
    return STATUS_OK;
}

/* The contents of an entry that says something of the next one: its name. */
static status read_long_name(documents *d, char name[TAR_NAME_BYTES]) {
    enum { MOST = 1 << 16 };
    const tar_entry *e = &d->entry;
    if (e->size_bytes > MOST)
        FAIL(d->cx, STATUS_UNSUPPORTED, "'%s': a name of %lld bytes in the archive", d->in.name,
             (long long)e->size_bytes);
    int64_t got;
    d->joined.length = 0;
    TRY(text_reserve(&d->joined, MAX_OF(e->size_bytes, 1)));
    TRY(stream_read(&d->in, d->joined.bytes, e->size_bytes, &got));
    if (got < e->size_bytes) FAIL(d->cx, STATUS_BAD_DATA, "'%s' is cut short", d->in.name);
    if (e->kind == TAR_PAX)
        tar_pax_path(d->joined.bytes, got, name);
    else
        snprintf(name, TAR_NAME_BYTES, "%.*s", (int)MIN_OF(got, TAR_NAME_BYTES - 1),
                 d->joined.bytes);
    return skip_bytes(d, round_up(got, TAR_BLOCK_BYTES) - got);
}

/* Files that are neither text nor JSONL by their name are passed over, and counted. */
static status choose_entry(documents *d, const char *name, bool *found) {
    tar_entry *e = &d->entry;
    document_format format = format_of(name);
    *found = e->kind == TAR_FILE && e->size_bytes > 0 && format != DOCUMENTS_AUTO;
    int64_t padded = round_up(e->size_bytes, TAR_BLOCK_BYTES);
    if (!*found && e->kind == TAR_FILE && e->size_bytes > 0) {
        if (!d->passed_over++) d->first_passed_over = arena_strdup(&d->memory, name);
    }
    if (!*found) return skip_bytes(d, padded);
    const char *shown = arena_printf(&d->memory, "%s: %s", d->in.name, name);
    if (!shown) return STATUS_NO_MEMORY;
    if (d->options.format) format = d->options.format;
    begin_text(d, shown, format);
    d->text.length = d->at = d->passed = 0;
    d->left = e->size_bytes;
    d->padding = padded - e->size_bytes;
    d->text_ended = false;
    return STATUS_OK;
}

static status read_block(documents *d, char block[TAR_BLOCK_BYTES], int64_t *got) {
    if (!d->has_first_block) return stream_read(&d->in, block, TAR_BLOCK_BYTES, got);
    d->has_first_block = false;
    *got = TAR_BLOCK_BYTES;
    memcpy(block, d->first_block, TAR_BLOCK_BYTES);
    return STATUS_OK;
}

static status next_entry(documents *d, bool *found) {
    char block[TAR_BLOCK_BYTES], name[TAR_NAME_BYTES] = "";
    *found = false;
    TRY(skip_bytes(d, d->padding));
    d->padding = 0;
    while (!*found) {
        int64_t got;
        TRY(read_block(d, block, &got));
        if (got && got < TAR_BLOCK_BYTES)
            FAIL(d->cx, STATUS_BAD_DATA, "'%s' is cut short", d->in.name);
        if (!got) return STATUS_OK;
        TRY(tar_read_header(d->cx, d->in.name, block, &d->entry));
        if (d->entry.kind == TAR_END) return STATUS_OK;
        if (d->entry.kind == TAR_LONG_NAME || d->entry.kind == TAR_PAX) {
            TRY(read_long_name(d, name));
            continue;
        }
        TRY(choose_entry(d, *name ? name : d->entry.name, found));
        *name = 0;
    }
    return STATUS_OK;
}

/* ---- files ---- */

static document_format guess(const documents *d) {
    if (d->options.format) return d->options.format;
    document_format format = format_of(d->in.name);
    bool input = !strcmp(d->options.files[d->file], "-");
    bool brace = d->text.length && d->text.bytes[0] == '{';
    if (format == DOCUMENTS_AUTO) format = input && brace ? DOCUMENTS_JSONL : DOCUMENTS_TEXT;
    return format;
}

static status open_file(documents *d) {
    static const char mark[] = "\xEF\xBB\xBF"; /* of byte order, in front of a text */
    TRY(stream_open(d->cx, d->options.files[d->file], &d->in));
    if (d->options.names) d->in.name = d->options.names[d->file];
    d->open = true;
    d->text.length = d->at = d->passed = d->left = d->padding = 0;
    TRY(text_reserve(&d->text, TAR_BLOCK_BYTES));
    TRY(stream_read(&d->in, d->text.bytes, TAR_BLOCK_BYTES, &d->text.length));
    d->text_ended = d->text.length < TAR_BLOCK_BYTES;
    d->archive = !d->text_ended && tar_is(d->text.bytes);
    if (d->archive) {
        memcpy(d->first_block, d->text.bytes, TAR_BLOCK_BYTES);
        d->has_first_block = true;
        return STATUS_OK;
    }
    if (d->text.length >= 3 && !memcmp(d->text.bytes, mark, 3)) d->at = 3;
    begin_text(d, d->in.name, guess(d));
    return STATUS_OK;
}

/* Reads what is left, so that the hash is that of the whole file. */
static status finish_file(documents *d) {
    char step[4096];
    int64_t got;
    do TRY(stream_read(&d->in, step, sizeof step, &got));
    while (got);
    token_source *s = d->sources + d->n_sources++;
    s->name = arena_strdup(&d->memory, d->in.name);
    if (!s->name) return STATUS_NO_MEMORY;
    stream_stored(&d->in, &s->size_bytes, s->sha256);
    stream_close(&d->in);
    d->open = false;
    d->file++;
    return STATUS_OK;
}

/* To the next text; none where the files are over. */
static status next_text(documents *d) {
    while (!d->reading) {
        if (d->open) {
            bool found = false;
            if (d->archive) TRY(next_entry(d, &found));
            if (!found) TRY(finish_file(d));
        } else if (d->file < d->options.n_files) {
            TRY(open_file(d));
        } else {
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

/* ---- UTF-8 ---- */

/* The first byte that begins no character, or the end. */
static const char *valid_until(const char *at, const char *end) {
    while (at < end) {
        uint64_t word;
        while (end - at >= 8 && (memcpy(&word, at, 8), !(word & 0x8080808080808080u))) at += 8;
        if (at == end) break;
        int n = utf8_length(at, end);
        if (!n) return at;
        at += n;
    }
    return end;
}

/* `text` lies `offset` bytes into the present text. *text may move into `clean`. */
static status check_utf8(documents *d, const char **text, int64_t *length, int64_t offset) {
    const char *at = *text, *end = at + *length, *bad = valid_until(at, end);
    if (bad == end) return STATUS_OK;
    if (!d->options.replace_invalid)
        FAIL(d->cx, STATUS_BAD_DATA,
             "'%s' at byte %lld: 0x%02X is not UTF-8 there (`hone data prepare "
             "--replace-invalid` puts U+FFFD instead)",
             d->name, (long long)(offset + (bad - at)), (unsigned char)*bad);
    d->clean.length = 0;
    while (at < end) {
        TRY(text_append(&d->clean, at, bad - at));
        if (bad == end) break;
        TRY(text_append(&d->clean, "\uFFFD", 3));
        at = bad + 1;
        bad = valid_until(at, end);
    }
    *text = d->clean.bytes;
    *length = d->clean.length;
    return STATUS_OK;
}

/* ---- documents in plain text ---- */

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Where words surely part: behind a newline, before a character that is no white space. Of those that are not
 * ASCII, the ones that begin like a space of Unicode do not count. */
static bool may_part(const char *at) {
    unsigned char c = (unsigned char)*at;
    return at[-1] == '\n' && !is_blank(*at) && (c < 0x80 || c > 0xE3 || (c > 0xC3 && c < 0xE1));
}

/* The end of a piece within `length` bytes, 0 where there is none. */
static int64_t part_at(const char *text, int64_t length) {
    for (int64_t i = length - 1; i > 0; i--)
        if (may_part(text + i)) return i;
    return 0;
}

static status hand_text(documents *d, int64_t length, int64_t skip, bool last,
                        document_piece *out) {
    const char *text = d->text.bytes + d->at;
    int64_t offset = d->passed + d->at;
    d->at += length + skip;
    if (d->options.separator) { /* white space around a document is not part of it */
        for (; !d->inside && length && is_blank(*text); length--, offset++) text++;
        while (last && length && is_blank(text[length - 1])) length--;
    }
    TRY(check_utf8(d, &text, &length, offset));
    *out = (document_piece){.text = text, .length = length, .first = !d->inside, .last = last};
    d->inside = !last && (d->inside || length); /* white space alone has not begun one */
    return STATUS_OK;
}

static status next_in_text(documents *d, document_piece *out) {
    const char *separator = d->options.separator;
    int64_t apart = separator ? (int64_t)strlen(separator) : 0, most = d->options.piece_bytes;
    for (;; most *= 2) {
        TRY(fill(d, most + apart));
        const char *text = d->text.bytes + d->at;
        int64_t there = d->text.length - d->at, room = MIN_OF(there, most);
        const char *found = apart ? memmem(text, (size_t)there, separator, (size_t)apart) : NULL;
        if (found && found - text <= room) return hand_text(d, found - text, apart, true, out);
        if (there <= most && d->text_ended) {
            d->reading = false;
            return hand_text(d, there, 0, true, out);
        }
        int64_t part = part_at(text, room);
        if (!part && most >= LONGEST_PIECE) {
            part = room;
            while (part > room - 4 && ((unsigned char)text[part] & 0xC0) == 0x80) part--;
        }
        if (part) return hand_text(d, part, 0, false, out);
    }
}

/* ---- documents in JSONL ---- */

static const char *const usual_field = "text";

static bool is_field(const documents *d, json_text key, int64_t *which) {
    int64_t n = MAX_OF(d->options.n_fields, 1);
    for (*which = 0; *which < n; ++*which)
        if (json_is(key, d->options.n_fields ? d->options.fields[*which] : usual_field))
            return true;
    return false;
}

typedef struct field_text {
    int64_t at, length; /* in `fields` */
    bool given;
} field_text;

/* A key that comes again counts as it was first. */
static status read_fields(documents *d, json *j, field_text *field) {
    d->fields.length = 0;
    TRY(text_reserve(&d->fields, 1));
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key, text;
        int64_t which;
        TRY(json_next_key(j, &more, &key));
        if (!more) return json_finish(j);
        if (!is_field(d, key, &which) || field[which].given) {
            TRY(json_skip(j));
            continue;
        }
        TRY(json_string(j, &text));
        field[which] = (field_text){d->fields.length, text.length, true};
        TRY(text_append(&d->fields, text.bytes, text.length));
    }
}

/* The document of a line that is not blank, in `joined`. */
static status read_line(documents *d, const char *text, int64_t length, int64_t offset) {
    enum { NAME_BYTES = 1024 };
    char name[NAME_BYTES];
    field_text field[DOCUMENTS_MOST_FIELDS] = {0};
    snprintf(name, sizeof name, "%s, line %lld", d->name, (long long)d->line);
    if (d->options.replace_invalid) TRY(check_utf8(d, &text, &length, offset));
    json_restart(&d->reader, name, text, length);
    TRY(read_fields(d, &d->reader, field));
    d->joined.length = 0;
    for (int64_t i = 0; i < MAX_OF(d->options.n_fields, 1); i++) {
        if (!field[i].given)
            FAIL(d->cx, STATUS_BAD_DATA, "'%s': there is no field '%s' (--field names another)",
                 name, d->options.n_fields ? d->options.fields[i] : usual_field);
        if (i) TRY(text_append(&d->joined, "\n", 1));
        TRY(text_append(&d->joined, d->fields.bytes + field[i].at, field[i].length));
    }
    return STATUS_OK;
}

/* The bytes of the next line, its newline included; 0 at the end. */
static status find_line(documents *d, int64_t *length) {
    for (int64_t scanned = 0, want = READ_BYTES;; want *= 2) {
        TRY(fill(d, want));
        const char *from = d->text.bytes + d->at;
        int64_t there = d->text.length - d->at;
        const char *end = memchr(from + scanned, '\n', (size_t)(there - scanned));
        *length = end ? end + 1 - from : there;
        if (end || d->text_ended) return STATUS_OK;
        scanned = there;
        if (there > LONGEST_LINE)
            FAIL(d->cx, STATUS_BAD_DATA, "'%s', line %lld is longer than %lld bytes", d->name,
                 (long long)d->line + 1, (long long)LONGEST_LINE);
    }
}

static status next_in_lines(documents *d, document_piece *out) {
    int64_t length;
    *out = (document_piece){.first = true, .last = true};
    TRY(find_line(d, &length));
    const char *text = d->text.bytes + d->at;
    int64_t offset = d->passed + d->at;
    d->reading = length > 0;
    d->at += length;
    d->line++;
    while (length && is_blank(text[length - 1])) length--;
    if (!length) return STATUS_OK;
    TRY(read_line(d, text, length, offset));
    out->text = d->joined.bytes;
    out->length = d->joined.length;
    return STATUS_OK;
}

status documents_next(documents *d, document_piece *out) {
    for (;;) {
        TRY(next_text(d));
        if (!d->reading) {
            *out = (document_piece){.end = true};
            return STATUS_OK;
        }
        if (d->format == DOCUMENTS_JSONL)
            TRY(next_in_lines(d, out));
        else
            TRY(next_in_text(d, out));
        if (out->length || !out->first) return STATUS_OK;
    }
}
