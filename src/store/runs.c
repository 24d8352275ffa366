#include "store/runs.h"
#include "base/file.h"
#include "base/options.h"
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, SQL_BYTES = 4096, BUSY_MS = 5000, SCHEMA = 2 };

struct runs {
    context *cx;
    sqlite3 *db;
};

#define COLUMN(member, kind_, help_)                                                               \
    { .name = #member, .kind = (kind_), .offset = offsetof(run_row, member), .help = (help_) }
const run_column run_columns[] = {
    COLUMN(name, RUN_TEXT, "what it was called"),
    COLUMN(folder, RUN_TEXT, "where its files are"),
    COLUMN(state, RUN_TEXT, "running, finished, stopped or failed"),
    COLUMN(started, RUN_TEXT, "when it began, UTC"),
    COLUMN(finished, RUN_TEXT, "when it ended, UTC"),
    COLUMN(model, RUN_TEXT, "preset or architecture"),
    COLUMN(job, RUN_TEXT, "what it was asked to do"),
    COLUMN(weights_sha256, RUN_TEXT, "SHA-256 of the weights"),
    COLUMN(parameters, RUN_INTEGER, "numbers in the weights"),
    COLUMN(seed, RUN_INTEGER, "of all that is random"),
    COLUMN(steps, RUN_INTEGER, "steps asked for"),
    COLUMN(step, RUN_INTEGER, "steps done"),
    COLUMN(tokens, RUN_INTEGER, "tokens predicted"),
    COLUMN(planned_bytes, RUN_INTEGER, "memory as planned"),
    COLUMN(peak_bytes, RUN_INTEGER, "memory as it came"),
    COLUMN(train_loss, RUN_NUMBER, "nats a token, last step"),
    COLUMN(validation_loss, RUN_NUMBER, "nats a token on the held-out split, at the end"),
    COLUMN(best_loss, RUN_NUMBER, "the lowest of those"),
    COLUMN(seconds, RUN_NUMBER, "spent in steps"),
    COLUMN(token_rate, RUN_NUMBER, "tokens a second"),
    COLUMN(share, RUN_NUMBER, "of the machine's roof"),
    COLUMN(kind, RUN_TEXT, "train or report"),
    COLUMN(bytes, RUN_INTEGER, "of the weights' files"),
    COLUMN(resident_bytes, RUN_INTEGER, "memory, ready to answer"),
    COLUMN(bits_per_weight, RUN_NUMBER, "stored bits for each weight"),
    COLUMN(perplexity, RUN_NUMBER, "of the report's text"),
    COLUMN(kl, RUN_NUMBER, "divergence from the reference, nats a token"),
    COLUMN(top1, RUN_NUMBER, "share of tokens where the reference has the same first choice"),
    COLUMN(accuracy, RUN_NUMBER, "share of the tasks answered right"),
    COLUMN(prefill_rate, RUN_NUMBER, "prompt tokens a second"),
    COLUMN(decode_rate, RUN_NUMBER, "generated tokens a second, one sequence"),
    COLUMN(cost_flops, RUN_NUMBER, "operations that making the model took"),
    COLUMN(cost_seconds, RUN_NUMBER, "seconds that making the model took"),
    {0}};

const run_row run_row_unknown = {.train_loss = NAN,
                                 .validation_loss = NAN,
                                 .best_loss = NAN,
                                 .seconds = NAN,
                                 .token_rate = NAN,
                                 .share = NAN,
                                 .bits_per_weight = NAN,
                                 .perplexity = NAN,
                                 .kl = NAN,
                                 .top1 = NAN,
                                 .accuracy = NAN,
                                 .prefill_rate = NAN,
                                 .decode_rate = NAN,
                                 .cost_flops = NAN,
                                 .cost_seconds = NAN};

static status sql_fail(const runs *r, const char *what) {
    bool busy = r->db && (sqlite3_errcode(r->db) & 0xff) == SQLITE_BUSY;
    return context_fail(r->cx, busy ? STATUS_BUSY : STATUS_IO, "%s the run store: %s", what,
                        r->db ? sqlite3_errmsg(r->db) : "no memory");
}

static status user_path(context *cx, char out[PATH_BYTES]) {
    const char *own = getenv("HONE_RUNS"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n = 0;
    if (own && *own)
        n = snprintf(out, PATH_BYTES, "%s", own);
    else if (data && *data == '/')
        n = snprintf(out, PATH_BYTES, "%s/hone/runs.db", data);
    else if (home && *home)
        n = snprintf(out, PATH_BYTES, "%s/.local/share/hone/runs.db", home);
    if (n <= 0 || n >= PATH_BYTES)
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "there is no place for the run store: HONE_RUNS, XDG_DATA_HOME and HOME are not set");
    return STATUS_OK;
}

static const char *const types[] = {"TEXT", "INTEGER", "REAL"};

static status make_table(runs *r) {
    char sql[SQL_BYTES];
    int n = snprintf(sql, sizeof sql,
                     "CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY "
                     "AUTOINCREMENT");
    for (const run_column *c = run_columns; c->name; c++)
        n += snprintf(sql + n, sizeof sql - (size_t)n, ", %s %s", c->name, types[c->kind]);
    snprintf(sql + n, sizeof sql - (size_t)n, ")");
    if (sqlite3_exec(r->db, sql, NULL, NULL, NULL) != SQLITE_OK) return sql_fail(r, "making");
    return STATUS_OK;
}

/* Adds the columns that came after an older schema's; a column of a name that is there already stays. */
static status add_columns(runs *r) {
    char sql[SQL_BYTES];
    for (const run_column *c = run_columns; c->name; c++) {
        snprintf(sql, sizeof sql, "SELECT %s FROM runs LIMIT 0", c->name);
        if (sqlite3_exec(r->db, sql, NULL, NULL, NULL) == SQLITE_OK) continue;
        snprintf(sql, sizeof sql, "ALTER TABLE runs ADD COLUMN %s %s", c->name, types[c->kind]);
        if (sqlite3_exec(r->db, sql, NULL, NULL, NULL) != SQLITE_OK) return sql_fail(r, "widening");
    }
    return STATUS_OK;
}

static status set_version(runs *r) {
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", SCHEMA);
    if (sqlite3_exec(r->db, sql, NULL, NULL, NULL) != SQLITE_OK) return sql_fail(r, "making");
    return STATUS_OK;
}

static status check_version(runs *r) {
    sqlite3_stmt *q = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(r->db, "PRAGMA user_version", -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        version = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    if (version < 0) return sql_fail(r, "reading");
    if (version > SCHEMA)
        FAIL(r->cx, STATUS_UNSUPPORTED, "the run store was written by a newer hone (schema %d)",
             version);
    if (version == SCHEMA) return STATUS_OK;
    TRY(make_table(r)); /* which leaves one that is there */
    TRY(add_columns(r));
    return set_version(r);
}

status runs_open(context *cx, const char *path, runs **out) {
    char own[PATH_BYTES];
    *out = NULL;
    if (!path) {
        TRY(user_path(cx, own));
        path = own;
    }
    runs *r = context_zalloc(cx, sizeof *r);
    if (!r) return STATUS_NO_MEMORY;
    r->cx = cx;
    file_make_folders(path);
    status st = STATUS_OK;
    if (sqlite3_open(path, &r->db) != SQLITE_OK)
        st = sql_fail(r, "opening");
    else
        sqlite3_busy_timeout(r->db, BUSY_MS);
    if (st == STATUS_OK) st = check_version(r);
    if (st != STATUS_OK) {
        runs_close(r);
        return context_note(cx, st, "'%s'", path);
    }
    *out = r;
    return STATUS_OK;
}

void runs_close(runs *r) {
    if (!r) return;
    sqlite3_close(r->db);
    context_release(r->cx, r);
}

static void bind_column(sqlite3_stmt *q, int at, const run_column *c, const run_row *row) {
    const void *from = (const char *)row + c->offset;
    const char *text;
    double number;
    switch (c->kind) {
    case RUN_TEXT:
        memcpy(&text, from, sizeof text);
        sqlite3_bind_text(q, at, text, -1, SQLITE_TRANSIENT);
        break;
    case RUN_INTEGER:
        sqlite3_bind_int64(q, at, *(const int64_t *)from);
        break;
    case RUN_NUMBER:
        memcpy(&number, from, sizeof number);
        if (isfinite(number)) sqlite3_bind_double(q, at, number);
        break;
    }
}

status runs_put(runs *r, run_row *row) {
    char sql[SQL_BYTES];
    sqlite3_stmt *q = NULL;
    int n = snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO runs VALUES (?");
    for (const run_column *c = run_columns; c->name; c++)
        n += snprintf(sql + n, sizeof sql - (size_t)n, ", ?");
    snprintf(sql + n, sizeof sql - (size_t)n, ")");
    if (sqlite3_prepare_v2(r->db, sql, -1, &q, NULL) != SQLITE_OK) return sql_fail(r, "writing to");
    if (row->id) sqlite3_bind_int64(q, 1, row->id);
    for (int i = 0; run_columns[i].name; i++) bind_column(q, i + 2, &run_columns[i], row);
    bool done = sqlite3_step(q) == SQLITE_DONE;
    if (done && !row->id) row->id = sqlite3_last_insert_rowid(r->db);
    status st = done ? STATUS_OK : sql_fail(r, "writing to");
    sqlite3_finalize(q);
    return st;
}

static status read_row(sqlite3_stmt *q, arena *mem, run_row *out) {
    *out = (run_row){.id = sqlite3_column_int64(q, 0)};
    for (int i = 0; run_columns[i].name; i++) {
        void *to = (char *)out + run_columns[i].offset;
        bool known = sqlite3_column_type(q, i + 1) != SQLITE_NULL;
        double number = known ? sqlite3_column_double(q, i + 1) : NAN;
        const char *text = NULL;
        if (run_columns[i].kind == RUN_INTEGER) *(int64_t *)to = sqlite3_column_int64(q, i + 1);
        if (run_columns[i].kind == RUN_NUMBER) memcpy(to, &number, sizeof number);
        if (run_columns[i].kind != RUN_TEXT) continue;
        if (known && !(text = arena_strdup(mem, (const char *)sqlite3_column_text(q, i + 1))))
            return STATUS_NO_MEMORY;
        memcpy(to, &text, sizeof text);
    }
    return STATUS_OK;
}

status runs_list(runs *r, arena *mem, run_row **out, int64_t *n) {
    sqlite3_stmt *q = NULL;
    int64_t room = 0;
    *out = NULL;
    *n = 0;
    if (sqlite3_prepare_v2(r->db, "SELECT * FROM runs ORDER BY id DESC", -1, &q, NULL))
        return sql_fail(r, "reading");
    status st = STATUS_OK;
    int got;
    while ((got = sqlite3_step(q)) == SQLITE_ROW && st == STATUS_OK) {
        if (*n == room) {
            room = room ? 2 * room : 64;
            run_row *more = ARENA_NEW(mem, run_row, room);
            if (!more) st = STATUS_NO_MEMORY;
            if (more && *n) memcpy(more, *out, (size_t)*n * sizeof *more);
            if (more) *out = more;
        }
        if (st == STATUS_OK) st = read_row(q, mem, &(*out)[(*n)++]);
    }
    if (st == STATUS_OK && got != SQLITE_DONE) st = sql_fail(r, "reading");
    sqlite3_finalize(q);
    return st;
}

status runs_find(runs *r, const char *which, arena *mem, run_row *out) {
    run_row *rows;
    int64_t n, id = 0;
    const char **names;
    TRY(runs_list(r, mem, &rows, &n));
    names = ARENA_NEW(mem, const char *, n + 1);
    if (!names) return STATUS_NO_MEMORY;
    bool number = options_int_from(which, &id);
    for (int64_t i = 0; i < n; i++) {
        names[i] = rows[i].name ? rows[i].name : "";
        if ((number && rows[i].id == id) || !strcmp(names[i], which) ||
            (rows[i].folder && !strcmp(rows[i].folder, which))) {
            *out = rows[i];
            return STATUS_OK;
        }
    }
    const char *near = options_nearest(which, names, n);
    FAIL(r->cx, STATUS_BAD_ARGUMENT,
         "there is no run '%s'%s%s%s; `hone runs list` shows all, by number and name", which,
         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

status runs_delete(runs *r, int64_t id) {
    char sql[64];
    snprintf(sql, sizeof sql, "DELETE FROM runs WHERE id = %lld", (long long)id);
    if (sqlite3_exec(r->db, sql, NULL, NULL, NULL) != SQLITE_OK) return sql_fail(r, "deleting in");
    if (!sqlite3_changes(r->db))
        FAIL(r->cx, STATUS_BAD_ARGUMENT, "there is no run %lld", (long long)id);
    return STATUS_OK;
}
