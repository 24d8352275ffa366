/* Perplexity and choices: what is counted under each convention against sums taken window by window, a model without
 * knowledge against closed forms, questions whose answers are known, and what is refused. */
#include "base/rng.h"
#include "eval/choice.h"
#include "eval/divergence.h"
#include "eval/document_text.h"
#include "kit/letters_model.h"
#include "kit/model_case.h"
#include "test.h"
#include "text/tokenizer_write.h"
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

enum { CONTEXT = 16, PATH = 600 };
static const char text[] = "abca dabc bada cabd adda bcab dacb abcd dcba bad cab dab";

static status open_model(context *cx, const char *folder, int64_t rows, likelihood *out) {
    return likelihood_open(cx, folder, NULL,
                           &(likelihood_options){.context = CONTEXT, .rows = rows, .threads = 1},
                           out);
}

/* Documents are scored each alone: their sums are those of texts of their own; one text of the same bytes is not. */
static void documents(test *t) {
    context *cx = context_new();
    likelihood l;
    perplexity_result all, joined, one;
    const char *folder = test_folder(t), *path = "d.jsonl";
    static const char lines[] =
        "{\"text\": \"abca dabc bada cabd\"}\n{\"text\": \"adda bcab dacb\"}\n"
        "{\"text\": \"a\"}\n";
    char file[512];
    document_text d;
    double nll = 0, scored = 0;
    int64_t from = 0;
    snprintf(file, sizeof file, "%s/%s", folder, path);
    CHECK_OK(t, cx, letters_model(cx, folder, 3));
    CHECK_OK(t, cx, open_model(cx, folder, 0, &l));
    CHECK_OK(t, cx, file_write_whole(cx, file, lines, sizeof lines - 1));
    CHECK_OK(t, cx, document_text_open(cx, file, &d));
    CHECK(t, d.documents == 3 && d.ends[2] == d.size_bytes, "%lld", (long long)d.documents);
    perplexity_options o = {.ends = d.ends, .documents = d.documents};
    CHECK_OK(t, cx, perplexity_run(&l, d.bytes, d.size_bytes, &o, &all));
    for (int i = 0; i < 2; from = d.ends[i++]) {
        CHECK_OK(
            t, cx,
            perplexity_run(&l, d.bytes + from, d.ends[i] - from, &(perplexity_options){0}, &one));
        nll += one.nats * (double)one.scored;
        scored += (double)one.scored;
    }
    CHECK_OK(t, cx, perplexity_run(&l, d.bytes, d.size_bytes, &(perplexity_options){0}, &joined));
    CHECK(t, all.scored == (int64_t)scored && all.documents == 2, "%lld ids of %lld documents",
          (long long)all.scored, (long long)all.documents);
    CHECK(t, fabs(all.nats - nll / scored) < 1e-9, "%.9g, not %.9g", all.nats, nll / scored);
    CHECK(t, joined.scored == all.scored + 2 && joined.documents == 1, "one text: %lld ids",
          (long long)joined.scored);
    o.kind = PERPLEXITY_LLAMA_CPP;
    CHECK_FAILS(t, cx, perplexity_run(&l, d.bytes, d.size_bytes, &o, &all), STATUS_BAD_ARGUMENT,
                "no documents");
    document_text_close(&d);
    likelihood_close(&l);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void equal_logits(test *t) {
    context *cx = context_new();
    likelihood l;
    perplexity_result r;
    const char *folder = test_folder(t);
    int64_t n = (int64_t)strlen(text);
    CHECK_OK(t, cx, letters_model(cx, folder, 0));
    CHECK_OK(t, cx, open_model(cx, folder, 0, &l));
    for (int kind = 0; kind < 3; kind++) {
        perplexity_options o = {.kind = (perplexity_kind)kind};
        CHECK_OK(t, cx, perplexity_run(&l, text, n, &o, &r));
        CHECK(t, fabs(r.perplexity - LETTERS) < 1e-5, "%.9g", r.perplexity);
        CHECK(t, fabs(r.bits_per_byte - log2(LETTERS)) < 1e-6 && r.standard_error < 1e-2);
        int64_t scored = kind == PERPLEXITY_LLAMA_CPP ? n / CONTEXT * (CONTEXT / 2 - 1) : n - 1;
        CHECK(t, r.tokens == n && r.scored == scored, "%d: %d", kind, (int)r.scored);
    }
    CHECK_FAILS(t, cx, perplexity_run(&l, "", 0, &(perplexity_options){0}, &r), STATUS_BAD_DATA,
                "empty");
    CHECK_FAILS(t, cx, perplexity_run(&l, "a", 1, &(perplexity_options){0}, &r), STATUS_BAD_DATA,
                "too few");
    CHECK_FAILS(t, cx, perplexity_run(&l, text, n, &(perplexity_options){.stride = 16}, &r),
                STATUS_BAD_ARGUMENT, "at most 15");
    CHECK_FAILS(t, cx, perplexity_run(&l, text, n, &(perplexity_options){.begin = BEGIN_YES}, &r),
                STATUS_BAD_ARGUMENT, "no begin token");
    likelihood_close(&l);
    context_free(cx);
}

/* -log p of ids[from .. n) of one window, alone in its step. */
static double window_nll(likelihood *l, const int32_t *ids, int64_t n, int64_t from) {
    likelihood_sum sum = {0};
    if (likelihood_add(l, ids, n, from, &sum) != STATUS_OK || likelihood_flush(l) != STATUS_OK)
        return NAN;
    return sum.nll;
}

static void conventions(test *t) {
    context *cx = context_new();
    likelihood l, wide;
    token_list ids = {.cx = cx};
    bool begun;
    const char *folder = test_folder(t);
    int64_t n = (int64_t)strlen(text), stride = 5;
    CHECK_OK(t, cx, letters_model(cx, folder, 30));
    CHECK_OK(t, cx, open_model(cx, folder, CONTEXT, &l));
    CHECK_OK(t, cx, open_model(cx, folder, 100, &wide));
    CHECK_OK(t, cx, likelihood_encode(&l, text, n, BEGIN_AUTO, &ids, &begun));
    CHECK(t, ids.count == n && !begun);
    double sum = 0, weighed = 0, weight = 0, halves = 0;
    int64_t done = 0, scored = 0;
    for (int64_t at = 0; done < n; at += stride) {
        int64_t end = MIN_OF(at + CONTEXT, n), from = MAX_OF(done - at, 1), count = end - at - from;
        double nll = window_nll(&l, ids.ids + at, end - at, from);
        double counts = (double)(at ? count - 1 : count);
        sum += nll;
        weighed += nll / (double)count * counts;
        weight += counts;
        done = end;
    }
    for (int64_t at = 0; at + CONTEXT <= n; at += CONTEXT, scored += CONTEXT / 2 - 1)
        halves += window_nll(&l, ids.ids + at, CONTEXT, CONTEXT / 2 + 1);
    const double want[] = {sum / (double)(n - 1), weighed / weight, halves / (double)scored};
    for (int kind = 0; kind < 3; kind++) {
        perplexity_options o = {.kind = (perplexity_kind)kind, .stride = stride};
        perplexity_result r, again;
        CHECK_OK(t, cx, perplexity_run(&l, text, n, &o, &r));
        CHECK_OK(t, cx, perplexity_run(&wide, text, n, &o, &again));
        CHECK(t, fabs(r.nats - want[kind]) < 1e-9, "%d: %.9g, not %.9g", kind, r.nats, want[kind]);
        CHECK(t, r.nats == again.nats, "%.17g among others, not %.17g", again.nats, r.nats);
        CHECK(t, r.perplexity > 5 && r.standard_error > 0.01, "%g", r.standard_error);
    }
    CHECK(t, fabs(want[0] - want[1]) > 1e-4 && fabs(want[0] - want[2]) > 1e-3, "%g %g %g", want[0],
          want[1], want[2]);
    token_free(&ids);
    likelihood_close(&l);
    likelihood_close(&wide);
    context_free(cx);
}

static void choices(test *t) {
    context *cx = context_new();
    likelihood l;
    const char *folder = test_folder(t);
    static const char *const follow[] = {"a", "b", "c", "d"};
    char lines[4096];
    size_t n = 0;
    choice_result r;
    CHECK_OK(t, cx, letters_model(cx, folder, 30));
    CHECK_OK(t, cx, open_model(cx, folder, 0, &l));
    /* The right answer is what the model itself finds likeliest; the control asks for another. */
    for (int control = 0; control < 2; control++) {
        n = 0;
        for (int q = 0; q < 20; q++) {
            char prompt[16], whole[32];
            int best = 0;
            double least = INFINITY;
            snprintf(prompt, sizeof prompt, "%c%c\n%c", 'a' + q % 4, 'a' + q / 4 % 4, 'a' + q % 3);
            for (int i = 0; i < 4; i++) {
                token_list ids = {.cx = cx};
                bool begun;
                snprintf(whole, sizeof whole, "%s %s", prompt, follow[i]);
                CHECK_OK(
                    t, cx,
                    likelihood_encode(&l, whole, (int64_t)strlen(whole), BEGIN_AUTO, &ids, &begun));
                double nll = window_nll(&l, ids.ids, ids.count, (int64_t)strlen(prompt));
                if (nll < least) least = nll, best = i;
                token_free(&ids);
            }
            n += (size_t)snprintf(lines + n, sizeof lines - n,
                                  "{\"context\": \"%c%c\", \"question\": \"%c\", \"choices\": "
                                  "[\"a\", \"b\", \"c\", \"d\"], \"answer\": %d}\n",
                                  prompt[0], prompt[1], prompt[3],
                                  control && q < 5 ? (best + 1) % 4 : best);
        }
        CHECK_OK(t, cx, choice_run(&l, "q", lines, (int64_t)n, &(choice_options){0}, &r));
        double want = control ? 0.75 : 1, error = sqrt(want * (1 - want) / 19);
        CHECK(t, r.questions == 20 && fabs(r.accuracy - want) < 1e-12, "%g", r.accuracy);
        CHECK(t, r.normalised == r.accuracy && fabs(r.accuracy_error - error) < 1e-12);
        CHECK(t, fabs(r.chance - 0.25) < 1e-12);
    }
    static const struct bad {
        const char *line, *error;
    } table[] = {
        {"{\"choices\": [\"a\"], \"answer\": 0}", "two or more"},
        {"\n{\"context\": \"a\", \"choices\": [\"a\", \"b\"], \"answer\": 2}", "line 2"},
        {"{\"context\": \"a\", \"choices\": [\"a\", \"\"], \"answer\": 0}", "empty choice"},
        {"{\"context\": \"a\", \"choices\"", "line 1"},
        {"\n\n", "no question"},
    };
    for (int i = 0; i < COUNT_OF(table); i++)
        CHECK_FAILS(t, cx,
                    choice_run(&l, "q", table[i].line, (int64_t)strlen(table[i].line),
                               &(choice_options){0}, &r),
                    STATUS_BAD_DATA, table[i].error);
    likelihood_close(&l);
    context_free(cx);
}

/* Against a model that finds all ids alike: kl = sum p log p + log n, so log n less the entropy of the reference. */
static void divergences(test *t) {
    context *cx = context_new();
    char flat[PATH], sharp[PATH];
    int64_t n = (int64_t)strlen(text);
    likelihood_options how = {.context = CONTEXT, .rows = 64, .threads = 2, .keeps_logits = true};
    likelihood model, reference;
    divergence_result r;
    snprintf(flat, sizeof flat, "%s/flat", test_folder(t));
    snprintf(sharp, sizeof sharp, "%s/sharp", test_folder(t));
    CHECK_OK(t, cx, letters_model(cx, flat, 0));
    CHECK_OK(t, cx, letters_model(cx, sharp, 30));
    CHECK_OK(t, cx, likelihood_open(cx, flat, NULL, &how, &model));
    CHECK_OK(t, cx, likelihood_open(cx, sharp, NULL, &model.options, &reference));
    CHECK_OK(t, cx, divergence_run(&model, &reference, text, n, &(perplexity_options){0}, &r));
    CHECK(t, fabs(r.model.perplexity - LETTERS) < 1e-5 && r.model.scored == n - 1);
    CHECK(t, r.kl > 0.1 && r.kl < log(LETTERS) && r.kl_most < log(LETTERS) + 1e-6, "%g", r.kl);
    double nats = log(r.model.perplexity) - log(r.reference_perplexity);
    CHECK(t, fabs(r.nats.difference - nats) < 1e-9 && r.nats.low <= nats && r.nats.high >= nats);
    CHECK_OK(t, cx, divergence_run(&reference, &reference, text, n, &(perplexity_options){0}, &r));
    CHECK(t, r.kl < 1e-12 && r.top1 == 1 && r.nats.difference == 0, "of itself: %g", r.kl);
    likelihood_close(&model);
    likelihood_close(&reference);
    context_free(cx);
}

/* The golden's model with matrices of another size, over the printable characters. */
static status golden_model(context *cx, const char *folder, double size) {
    enum { PRINTABLE = 95 };
    model_case c;
    uint32_t characters[PRINTABLE];
    char path[PATH];
    text_buffer words = {.cx = cx};
    for (uint32_t i = 0; i < PRINTABLE; i++) characters[i] = 32 + i;
    TRY(model_case_read(cx, "test/golden/models/llama.json", &c));
    for (int64_t i = 0; i < c.n_tensors; i++)
        if (c.tensors[i].rank == 2) c.tensors[i].scale *= size;
    TRY(model_case_folder(cx, &c, folder));
    TRY(tokenizer_write_characters(characters, PRINTABLE, NULL, 0, &words));
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    TRY(file_write_whole(cx, path, words.bytes, words.length));
    text_free(&words);
    model_case_free(&c);
    return STATUS_OK;
}

static void transformers(test *t) {
    context *cx = context_new();
    char folders[2][PATH], written[512];
    long long window, stride;
    double kl, top1, own, other;
    likelihood model, reference;
    divergence_result r;
    FILE *f = fopen("test/golden/divergence.txt", "r");
    CHECK(t, f && fscanf(f, "%lld %lld %lf %lf %lf %lf%*c", &window, &stride, &kl, &top1, &own,
                         &other) == 6);
    CHECK(t, fgets(written, sizeof written, f));
    fclose(f);
    for (int i = 0; i < 2; i++) {
        snprintf(folders[i], PATH, "%s/%d", test_folder(t), i);
        mkdir(folders[i], 0777);
        CHECK_OK(t, cx, golden_model(cx, folders[i], i ? 0.75 : 1));
    }
    likelihood_options how = {.context = window, .threads = 2, .keeps_logits = true};
    perplexity_options windows = {.stride = stride, .begin = BEGIN_NO};
    CHECK_OK(t, cx, likelihood_open(cx, folders[0], NULL, &how, &model));
    CHECK_OK(t, cx, likelihood_open(cx, folders[1], NULL, &model.options, &reference));
    int64_t n = (int64_t)strcspn(written, "\n");
    CHECK_OK(t, cx, divergence_run(&model, &reference, written, n, &windows, &r));
    CHECK(t, fabs(r.kl - kl) < 1e-5 * kl && fabs(r.top1 - top1) < 1e-9, "%.9g %.9g", r.kl, r.top1);
    CHECK(t, fabs(r.model.perplexity / own - 1) < 1e-5, "%.9g", r.model.perplexity);
    CHECK(t, fabs(r.reference_perplexity / other - 1) < 1e-5, "%.9g", r.reference_perplexity);
    /* kl is not symmetric */
    CHECK_OK(t, cx, divergence_run(&reference, &model, written, n, &windows, &r));
    CHECK(t, fabs(r.kl - kl) > 1e-3 * kl, "control: %.9g", r.kl);
    likelihood_close(&model);
    likelihood_close(&reference);
    context_free(cx);
}

/* Normal differences: the interval of the mean is mean +- 1.96 s / sqrt(n), and 95 of 100 such intervals hold the
 * truth. With two parts an item the mean halves, and so does the error. */
static void pairs(test *t) {
    enum { ITEMS = 400, TRIALS = 20 };
    context *cx = context_new();
    arena mem = arena_make(cx);
    double a[ITEMS], b[ITEMS], two[ITEMS];
    rng draw = rng_make(3, 1);
    int holds = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        double sum = 0, squares = 0;
        paired_result r, half;
        for (int i = 0; i < ITEMS; i++) {
            double hard = 10 * rng_normal(&draw), d = 0.3 + rng_normal(&draw);
            a[i] = hard + d, b[i] = hard, two[i] = 2;
            sum += d, squares += d * d;
        }
        double mean = sum / ITEMS, error = sqrt((squares / ITEMS - mean * mean) / (ITEMS - 1));
        CHECK_OK(t, cx, paired_compare(&mem, a, b, NULL, ITEMS, 1, &r));
        CHECK(t, fabs(r.difference - mean) < 1e-12 && fabs(r.error - error) < 1e-12);
        CHECK(t, fabs(r.low - (mean - 1.96 * error)) < 0.25 * error, "%g", r.low);
        CHECK(t, fabs(r.high - (mean + 1.96 * error)) < 0.25 * error, "%g", r.high);
        holds += r.low <= 0.3 && r.high >= 0.3;
        CHECK_OK(t, cx, paired_compare(&mem, a, b, two, ITEMS, 1, &half));
        CHECK(t, fabs(half.difference - mean / 2) < 1e-12 && fabs(half.error - error / 2) < 1e-12);
        /* unpaired, the items' own spread would hide the difference */
        CHECK(t, r.error < 0.1 && r.low > 0);
    }
    CHECK(t, holds >= TRIALS * 85 / 100, "%d of %d", holds, TRIALS);
    paired_result r;
    CHECK_FAILS(t, cx, paired_compare(&mem, a, b, NULL, 1, 1, &r), STATUS_BAD_DATA, "two items");
    arena_free(&mem);
    context_free(cx);
}

const test_case suite_eval[] = {{"equal_logits", equal_logits},
                                {"documents", documents},
                                {"conventions", conventions},
                                {"choices", choices},
                                {"divergences", divergences},
                                {"transformers", transformers},
                                {"pairs", pairs},
                                {0}};
