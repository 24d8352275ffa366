/* The board: a model's row against what the parts measure alone, its lineage summed, the files that hold all rows, and
 * the verb from its words to the run store. */
#include "report/report.h"
#include "base/file.h"
#include "base/options.h"
#include "eval/divergence.h"
#include "kit/letters_model.h"
#include "store/runs.h"
#include "test.h"
#include <math.h>
#include <stdlib.h>

extern const verb_def verb_report;

enum { PATH = 600 };
static const char text[] = "abca dabc bada cabd adda bcab dacb abcd dcba bad cab dab";
static const char task[] = "{\"context\": \"ab\", \"choices\": [\"c\", \"d\"], \"answer\": 0}\n";
static const char made[] = "{\"recipe\": \"round(4)\", \"cost_flops\": 2e9, \"cost_seconds\": 3, "
                           "\"peak_bytes\": 50, \"parents\": [{\"cost_flops\": 1e9, "
                           "\"cost_seconds\": 4, \"peak_bytes\": 60, \"parents\": []}]}";

typedef struct place {
    char sharp[PATH], flat[PATH], text[PATH], task[PATH], out[PATH], lineage[PATH];
} place;

static status make_place(context *cx, const char *folder, place *p) {
    snprintf(p->sharp, PATH, "%s/sharp", folder);
    snprintf(p->flat, PATH, "%s/fl\"at", folder);
    snprintf(p->text, PATH, "%s/text", folder);
    snprintf(p->task, PATH, "%s/task.jsonl", folder);
    snprintf(p->out, PATH, "%s/out", folder);
    snprintf(p->lineage, PATH, "%s/lineage.json", p->flat);
    TRY(letters_model(cx, p->sharp, 30));
    TRY(letters_model(cx, p->flat, 0));
    TRY(file_write_whole(cx, p->text, text, sizeof text - 1));
    TRY(file_write_whole(cx, p->task, task, sizeof task - 1));
    return file_write_whole(cx, p->lineage, made, sizeof made - 1);
}

static bool holds(context *cx, const char *folder, const char *name, const char *what) {
    char path[2 * PATH];
    file_map map;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (file_map_open(cx, path, &map) != STATUS_OK) return false;
    char *copy = context_zalloc(cx, (size_t)map.size_bytes + 1);
    memcpy(copy, map.bytes, (size_t)map.size_bytes);
    bool found = strstr(copy, what);
    context_release(cx, copy);
    file_map_close(&map);
    return found;
}

/* Folders that all models lie in are not told on each line. */
static void names(test *t) {
    context *cx = context_new();
    text_buffer out = {.cx = cx};
    report_row rows[] = {{.model = "made/here/one"}, {.model = "made/here/two.gguf"}};
    CHECK_OK(t, cx, report_table(rows, 2, &out));
    CHECK_OK(t, cx, text_append(&out, "", 1));
    CHECK(t, strstr(out.bytes, "\none ") && strstr(out.bytes, "\ntwo.gguf "), "%s", out.bytes);
    out.length = 0;
    rows[1].model = "other/two";
    CHECK_OK(t, cx, report_table(rows, 2, &out));
    CHECK_OK(t, cx, text_append(&out, "", 1));
    CHECK(t, strstr(out.bytes, "\nmade/here/one "), "control: folders apart: %s", out.bytes);
    text_free(&out);
    context_free(cx);
}

static void board(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    place p;
    report_row rows[2];
    CHECK_OK(t, cx, make_place(cx, test_folder(t), &p));
    report_options o = {.text = p.text,
                        .tasks = p.task,
                        .reference = p.sharp,
                        .how = {.context = 16, .threads = 1}};
    CHECK_OK(t, cx, report_measure(&mem, &o, p.flat, &rows[0]));
    o.skips_speed = true;
    CHECK_OK(t, cx, report_measure(&mem, &o, p.sharp, &rows[1]));
    likelihood model, reference;
    divergence_result r;
    o.how.keeps_logits = true;
    CHECK_OK(t, cx, likelihood_open(cx, p.flat, NULL, &o.how, &model));
    CHECK_OK(t, cx, likelihood_open(cx, p.sharp, NULL, &model.options, &reference));
    CHECK_OK(
        t, cx,
        divergence_run(&model, &reference, text, sizeof text - 1, &(perplexity_options){0}, &r));
    CHECK(t, rows[0].kl == r.kl && rows[0].top1 == r.top1 && rows[0].kl > 0.1, "%g", rows[0].kl);
    CHECK(t, fabs(rows[0].perplexity - LETTERS) < 1e-5);
    CHECK(t, fabs(rows[1].perplexity / r.reference_perplexity - 1) < 1e-6 && rows[1].kl == 0);
    likelihood_close(&model);
    likelihood_close(&reference);
    CHECK(t, rows[0].bits_per_weight == 32 && rows[0].bytes >= 4 * rows[0].parameters);
    CHECK(t, rows[0].parameters == rows[1].parameters && rows[0].accuracy >= 0);
    CHECK(t, rows[0].prefill_rate > 0 && rows[0].decode_rate > 0 && isnan(rows[1].decode_rate));
    CHECK(t, rows[0].cost_flops == 3e9 && rows[0].cost_seconds == 7);
    CHECK(t, rows[0].cost_peak_bytes == 60 && isnan(rows[1].cost_flops));
    CHECK_OK(t, cx, report_write(cx, p.out, rows, 2));
    CHECK(t, holds(cx, p.out, "report.json", "\"cost_flops\": 3000000000.0"));
    CHECK(t, holds(cx, p.out, "report.json", "\"decode_tokens_per_second\": null"));
    CHECK(t, holds(cx, p.out, "report.csv", "fl\"\"at\"") &&
                 holds(cx, p.out, "report.csv", "round(4)"));
    CHECK(t,
          holds(cx, p.out, "report.html", "<svg") && holds(cx, p.out, "report.html", "fl&quot;at"));
    CHECK(t, holds(cx, p.out, "pareto.svg", "the best for their size"));
    CHECK(t, holds(cx, p.out, "pareto.png", "PNG"));
    CHECK_FAILS(t, cx, report_write(cx, p.text, rows, 2), STATUS_IO, "text");
    arena_free(&mem);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void verb(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    verb_call call;
    place p;
    char store[PATH], line[8192];
    CHECK_OK(t, cx, make_place(cx, test_folder(t), &p));
    snprintf(store, PATH, "%s/runs.db", test_folder(t));
    setenv("HONE_RUNS", store, 1);
    const char *words[] = {p.sharp,  p.flat,       "--text",    p.text,
                           "--json", "--no-speed", "--context", "16"};
    CHECK_OK(t, cx, options_read(&mem, &verb_report, COUNT_OF(words), words, &call));
    call.out = tmpfile();
    CHECK_OK(t, cx, verb_report.run(&call));
    rewind(call.out);
    static const char *const keys[] = {"model",
                                       "bytes",
                                       "bits_per_weight",
                                       "perplexity",
                                       "kl",
                                       "top1",
                                       "prefill_tokens_per_second",
                                       "decode_tokens_per_second",
                                       "resident_bytes",
                                       "cost_flops",
                                       "cost_seconds",
                                       "lineage"};
    for (int i = 0; i < 2; i++) {
        CHECK(t, fgets(line, sizeof line, call.out));
        for (int k = 0; k < COUNT_OF(keys); k++) {
            char key[64];
            snprintf(key, sizeof key, "\"%s\":", keys[k]);
            CHECK(t, strstr(line, key), "%s in %s", key, line);
        }
        CHECK(t, !i == !!strstr(line, "\"kl\":0.0,"), "%s", line);
    }
    fclose(call.out);
    runs *r;
    run_row *rows;
    int64_t n;
    CHECK_OK(t, cx, runs_open(cx, NULL, &r));
    CHECK_OK(t, cx, runs_list(r, &mem, &rows, &n));
    CHECK(t,
          n == 2 && fabs(rows[0].perplexity - LETTERS) < 1e-5 && !strcmp(rows[0].kind, "report"));
    CHECK(t, rows[0].cost_seconds == 7 && rows[1].kl == 0 && rows[1].bits_per_weight == 32);
    runs_close(r);
    arena_free(&mem);
    unsetenv("HONE_RUNS");
    context_free(cx);
}

const test_case suite_report[] = {{"board", board}, {"names", names}, {"verb", verb}, {0}};
