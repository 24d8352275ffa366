/* The run store: what is written is read back, found by number, name and folder, and refused by name. TensorBoard's
 * event files: the bytes of one record, worked out by hand. */
#include "store/runs.h"
#include "base/hash.h"
#include "store/tfevents.h"
#include "test.h"
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static void rows(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    char path[512];
    snprintf(path, sizeof path, "%s/deep/er/runs.db", test_folder(t));
    runs *r;
    run_row a = {.name = "first",
                 .folder = "out/a",
                 .state = "running",
                 .step = 7,
                 .train_loss = 2.5,
                 .validation_loss = NAN,
                 .seconds = 1.25},
            got, *all;
    run_row b = {.name = "second's", .folder = "out/b", .share = 0.5};
    int64_t n;
    CHECK_OK(t, cx, runs_open(cx, path, &r));
    CHECK_OK(t, cx, runs_put(r, &a));
    CHECK_OK(t, cx, runs_put(r, &b));
    a.state = "finished", a.step = 9;
    CHECK_OK(t, cx, runs_put(r, &a));
    runs_close(r);
    CHECK_OK(t, cx, runs_open(cx, path, &r));
    CHECK_OK(t, cx, runs_list(r, &mem, &all, &n));
    CHECK(t, n == 2 && all[0].id == b.id && all[1].id == a.id && a.id != b.id);
    CHECK(t, all[1].step == 9 && all[1].train_loss == 2.5 && isnan(all[1].validation_loss));
    CHECK(t,
          !strcmp(all[0].name, "second's") && !all[0].started && !strcmp(all[1].state, "finished"));
    const char *keys[] = {"first", "1", "out/a"};
    for (int i = 0; i < 3; i++) {
        CHECK_OK(t, cx, runs_find(r, keys[i], &mem, &got));
        CHECK(t, got.id == a.id, "%s", keys[i]);
    }
    CHECK_FAILS(t, cx, runs_find(r, "frist", &mem, &got), STATUS_BAD_ARGUMENT, "'first'?");
    CHECK_OK(t, cx, runs_delete(r, a.id));
    CHECK_FAILS(t, cx, runs_delete(r, a.id), STATUS_BAD_ARGUMENT, "no run 1");
    runs_close(r);
    FILE *f = fopen(path, "wb");
    CHECK(t, f && fputs("not a database, but long enough to be looked at", f) >= 0);
    fclose(f);
    CHECK_FAILS(t, cx, runs_open(cx, path, &r), STATUS_IO, "not a database");
    arena_free(&mem);
    context_free(cx);
}

/* A store of the first schema is widened where it lies. */
static void widened(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    char path[512];
    sqlite3 *db;
    runs *r;
    run_row *all, row = run_row_unknown;
    int64_t n;
    snprintf(path, sizeof path, "%s/old.db", test_folder(t));
    static const char old[] =
        "CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, folder TEXT, state "
        "TEXT, started TEXT, finished TEXT, model TEXT, job TEXT, weights_sha256 TEXT, parameters "
        "INTEGER, seed INTEGER, steps INTEGER, step INTEGER, tokens INTEGER, planned_bytes "
        "INTEGER, peak_bytes INTEGER, train_loss REAL, validation_loss REAL, best_loss REAL, "
        "seconds REAL, token_rate REAL, share REAL); PRAGMA user_version = 1; INSERT INTO runs "
        "(name, train_loss) VALUES ('old', 1.5)";
    CHECK(t, !sqlite3_open(path, &db) && !sqlite3_exec(db, old, NULL, NULL, NULL));
    sqlite3_close(db);
    for (int again = 0; again < 2; again++) {
        CHECK_OK(t, cx, runs_open(cx, path, &r));
        row.id = 0, row.name = "new", row.kind = "report", row.perplexity = 7.5;
        CHECK_OK(t, cx, runs_put(r, &row));
        CHECK_OK(t, cx, runs_list(r, &mem, &all, &n));
        CHECK(t, n == 2 + again && all[0].perplexity == 7.5 && isnan(all[0].kl));
        CHECK(t, !strcmp(all[n - 1].name, "old") && all[n - 1].train_loss == 1.5);
        CHECK(t, isnan(all[n - 1].perplexity) && !all[n - 1].kind);
        runs_close(r);
    }
    arena_free(&mem);
    context_free(cx);
}

static void events(test *t) {
    /* Event{wall_time (9 bytes, skipped), step 300, summary{value{tag "loss", simple_value 1.5}}} */
    static const uint8_t tail[] = {0x10, 0xac, 0x02, 0x2a, 0x0d, 0x0a, 0x0b, 0x0a, 0x04,
                                   'l',  'o',  's',  's',  0x15, 0,    0,    0xc0, 0x3f};
    context *cx = context_new();
    tfevents e;
    char command[600];
    uint8_t bytes[256];
    CHECK_OK(t, cx, tfevents_open(cx, test_folder(t), &e));
    CHECK_OK(t, cx, tfevents_write(&e, 300, &(tfevents_scalar){"loss", 1.5}, 1));
    tfevents_close(&e);
    snprintf(command, sizeof command, "cat '%s'/events.out.tfevents.*", test_folder(t));
    FILE *f = popen(command, "r");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    CHECK(t, f && !pclose(f));
    size_t first = 12 + bytes[0] + 4, length = 9 + sizeof tail;
    CHECK(t, n == first + 12 + length + 4 && bytes[first] == length, "%zu bytes", n);
    CHECK(t, !memcmp(bytes + 12 + 9 + 2 + 2, "brain.Event:2", 13));
    CHECK(t, !memcmp(bytes + first + 12 + 9, tail, sizeof tail));
    uint32_t crc = hash_crc32c(bytes + first + 12, length), stored;
    memcpy(&stored, bytes + first + 12 + length, sizeof stored);
    stored -= 0xa282ead8u;
    CHECK(t, (stored << 15 | stored >> 17) == crc, "%08x", stored);
    CHECK_FAILS(t, cx, tfevents_open(cx, "/nowhere", &e), STATUS_IO, "/nowhere");
    context_free(cx);
}

const test_case suite_runs[] = {{"rows", rows}, {"widened", widened}, {"events", events}, {0}};
