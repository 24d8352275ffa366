/* Token sets and the loader: every pair of id and target comes once an epoch and within its document, the
 * order is fixed and resumable, and no corrupt byte is handed out. An id tells its document and its place. */
#include "test.h"
#include "base/time.h"
#include "text/loader.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DOCUMENTS = 150, SPAN = 400, ROOM = 256 };

/* Ids of document d: SPAN * d + 0, 1, 2, ... */
static int64_t length_of(int64_t d) {
    return d == 0 ? 1 : 1 + (d * 37) % (SPAN - 1);
}

static status put_document(token_set_writer *w, token_split split, int64_t d) {
    int32_t ids[SPAN];
    for (int64_t i = 0; i < length_of(d); i++) ids[i] = (int32_t)(SPAN * d + i);
    TRY(token_set_add(w, split, ids, length_of(d)));
    return token_set_end_document(w, split);
}

static status finish_set(token_set_writer *w, const char *folder) {
    char path[ROOM];
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    TRY(file_write_whole(w->cx, path, "{}", 2));
    const token_source source = {"made here", 2, "00"};
    return token_set_commit(w, &(token_set_facts){.tokenizer = "tokenizer.json",
                                                  .begin = -1,
                                                  .end = 7,
                                                  .sources = &source,
                                                  .n_sources = 1});
}

/* Every tenth document is held out; shards are small, so that there are several. */
static status make_set(context *cx, const char *folder, int64_t vocabulary) {
    token_set_writer w;
    TRY(token_set_create(cx, folder, vocabulary, 8192, &w));
    status st = STATUS_OK;
    for (int64_t d = 0; d < DOCUMENTS && st == STATUS_OK; d++)
        st = put_document(&w, d % 10 == 9 ? TOKENS_VALIDATION : TOKENS_TRAIN, d);
    if (st == STATUS_OK) st = finish_set(&w, folder);
    token_set_abandon(&w);
    return st;
}

static const char *set_folder(test *t, const char *name) {
    static char path[2][ROOM];
    static int turn;
    turn = !turn;
    snprintf(path[turn], ROOM, "%s/%s", test_folder(t), name);
    return path[turn];
}

/* "" when the batch keeps the rules; counts each pair. */
static const char *fault(const loader_batch *b, const loader_options *o, int32_t *seen) {
    if (b->tokens > o->tokens || b->offsets[0] != 0 || b->offsets[b->sequences] != b->tokens)
        return "its size";
    for (int32_t s = 0; s < b->sequences; s++) {
        int32_t from = b->offsets[s], to = b->offsets[s + 1];
        if (to <= from || to - from > o->longest) return "the length of a sequence";
        for (int32_t i = from; i < to; i++) {
            if (b->positions[i] != i - from) return "a position";
            if (b->targets[i] != b->ids[i] + 1) return "a target";
            if (i > from && b->ids[i] != b->ids[i - 1] + 1) return "an id";
            if (b->targets[i] / SPAN != b->ids[from] / SPAN) return "a document crossed";
            seen[b->ids[i]]++;
        }
    }
    return "";
}

static void check_epochs(test *t, context *cx, const char *folder, loader_options o,
                         int64_t vocabulary) {
    loader *l;
    loader_batch b;
    int32_t *seen = context_zalloc(cx, (size_t)vocabulary * sizeof *seen);
    CHECK(t, seen);
    CHECK_OK(t, cx, loader_open(cx, folder, &o, &l));
    int64_t tokens = 0, steps = 0, biggest = 0, last[2] = {0}; /* last: the end may be short */
    for (;; steps++) {
        CHECK_OK(t, cx, loader_next(l, &b));
        if (!b.tokens) break;
        CHECK(t, !*fault(&b, &o, seen), "step %lld: %s", (long long)steps, fault(&b, &o, seen));
        tokens += b.tokens;
        last[1] = last[0];
        last[0] = b.tokens;
        biggest = MAX_OF(biggest, b.sequences);
    }
    CHECK(t, tokens == o.epochs * loader_epoch_tokens(l) && b.epoch == (double)o.epochs);
    CHECK(t, biggest <= loader_most_sequences(l) && biggest > 1);
    double full = (double)(tokens - last[0] - last[1]) / (double)((steps - 2) * o.tokens);
    CHECK(t, o.in_order || full > 0.95, "steps are %.3f full", full);
    for (int64_t d = 0; d < DOCUMENTS; d++) {
        for (int64_t i = 0; i < SPAN; i++) {
            bool there = (d % 10 == 9) == (o.split == TOKENS_VALIDATION) && i < length_of(d) - 1;
            CHECK(t, seen[SPAN * d + i] == (there ? o.epochs : 0), "document %lld id %lld: %d",
                  (long long)d, (long long)i, seen[SPAN * d + i]);
        }
    }
    context_release(cx, seen);
    loader_close(l);
}

static void every_pair_once(test *t) {
    static const int64_t vocabularies[] = {SPAN * DOCUMENTS, 100000}; /* 2 and 4 bytes an id */
    context *cx = context_new();
    for (int64_t v = 0; v < COUNT_OF(vocabularies); v++) {
        const char *folder = set_folder(t, v ? "wide" : "narrow");
        CHECK_OK(t, cx, make_set(cx, folder, vocabularies[v]));
        for (int way = 0; way < 4; way++) {
            const loader_options o = {.split = way == 3 ? TOKENS_VALIDATION : TOKENS_TRAIN,
                                      .tokens = way == 1 ? 2048 : 1000,
                                      .longest = way == 1 ? 512 : 100,
                                      .seed = 5,
                                      .in_order = way == 2,
                                      .epochs = 1 + way % 2};
            check_epochs(t, cx, folder, o, vocabularies[v]);
        }
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* The hash of the ids of `steps` steps. */
static status hash_steps(loader *l, int64_t steps, uint64_t *out) {
    loader_batch b;
    *out = 0;
    for (int64_t i = 0; i < steps; i++) {
        TRY(loader_next(l, &b));
        *out = hash_xxh64(b.ids, (size_t)b.tokens * 4, *out);
        *out = hash_xxh64(b.offsets, (size_t)b.sequences * 4, *out);
    }
    return STATUS_OK;
}

/* From each of many steps on, a loader that is sought there reads what the first one read. */
static void check_resume(test *t, context *cx, const char *folder, loader_options o) {
    enum { BEFORE = 40, AFTER = 30 };
    loader *l, *other;
    uint64_t want, got, skipped;
    CHECK_OK(t, cx, loader_open(cx, folder, &o, &l));
    for (int64_t cut = 0; cut < BEFORE; cut += 7) {
        CHECK_OK(t, cx, loader_open(cx, folder, &o, &other));
        CHECK_OK(t, cx, hash_steps(other, cut, &skipped));
        const loader_state state = loader_tell(other);
        CHECK_OK(t, cx, hash_steps(other, AFTER, &want));
        CHECK_OK(t, cx, loader_seek(l, &state));
        CHECK_OK(t, cx, hash_steps(l, AFTER, &got));
        CHECK(t, got == want, "after step %lld", (long long)cut);
        CHECK_OK(t, cx, hash_steps(l, AFTER, &got));
        CHECK(t, got != want, "control: other steps hash alike");
        loader_close(other);
    }
    loader_state state = loader_tell(l);
    loader_options moved = o;
    moved.seed++;
    CHECK_OK(t, cx, loader_open(cx, folder, &moved, &other));
    CHECK_OK(t, cx, hash_steps(other, AFTER, &got));
    CHECK(t, got != want, "another seed reads the same");
    CHECK_FAILS(t, cx, loader_seek(other, &state), STATUS_BAD_ARGUMENT, "other options");
    loader_close(other);
    state.number[4] = 17;
    CHECK_FAILS(t, cx, loader_seek(l, &state), STATUS_BAD_DATA, "corrupt");
    loader_close(l);
}

static void resumes(test *t) {
    context *cx = context_new();
    const char *folder = set_folder(t, "set");
    CHECK_OK(t, cx, make_set(cx, folder, SPAN * DOCUMENTS));
    check_resume(t, cx, folder, (loader_options){.tokens = 900, .longest = 128, .seed = 9});
    check_resume(t, cx, folder, (loader_options){.windows = 12, .longest = 64, .seed = 9});
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* Each place where a window can begin is about as likely as any other, the last one too. */
static void windows(test *t) {
    context *cx = context_new();
    const char *folder = set_folder(t, "set");
    token_set_writer w;
    CHECK_OK(t, cx, token_set_create(cx, folder, SPAN * DOCUMENTS, 1 << 20, &w));
    CHECK_OK(t, cx, put_document(&w, TOKENS_TRAIN, 2)); /* of 75 ids: 11 places */
    CHECK_OK(t, cx, put_document(&w, TOKENS_TRAIN, 1)); /* of 38 ids: none */
    CHECK_OK(t, cx, finish_set(&w, folder));
    token_set_abandon(&w);
    loader_options o = {.windows = 12, .longest = 64, .seed = 3};
    int32_t seen[SPAN * DOCUMENTS] = {0}, begins[16] = {0};
    loader *l;
    loader_batch b;
    CHECK_OK(t, cx, loader_open(cx, folder, &o, &l));
    o.tokens = 12 * 64;
    CHECK(t, loader_most_sequences(l) == 12 && loader_sequences(l) == 11);
    for (int step = 0; step < 1000; step++) {
        CHECK_OK(t, cx, loader_next(l, &b));
        CHECK(t, b.sequences == 12 && b.tokens == 768 && !*fault(&b, &o, seen), "step %d", step);
        for (int i = 0; i < 12; i++) begins[b.ids[b.offsets[i]] - 2 * SPAN]++;
    }
    for (int i = 0; i < 11; i++) /* 1091 expected, deviation 31 */
        CHECK(t, begins[i] > 900 && begins[i] < 1280, "place %d: %d", i, begins[i]);
    loader_close(l);
    o.longest = 75;
    CHECK_FAILS(t, cx, loader_open(cx, folder, &o, &l), STATUS_BAD_ARGUMENT,
                "holds no document of at least 76 ids");
    context_free(cx);
}

/* The last tenth is validation, id for id, whatever the borders of shards and documents. */
static void split_at_end(test *t) {
    context *cx = context_new();
    for (int64_t shard_bytes = 1000; shard_bytes < 1 << 20; shard_bytes *= 16) {
        char name[32];
        snprintf(name, sizeof name, "set-%lld", (long long)shard_bytes);
        const char *folder = set_folder(t, name);
        token_set_writer w;
        token_set s;
        CHECK_OK(t, cx, token_set_create(cx, folder, SPAN * DOCUMENTS, shard_bytes, &w));
        for (int64_t d = 0; d < DOCUMENTS; d++) CHECK_OK(t, cx, put_document(&w, TOKENS_TRAIN, d));
        int64_t documents, ids;
        token_set_counts(&w, TOKENS_TRAIN, &documents, &ids);
        CHECK_OK(t, cx, token_set_split_end(&w, 0.1));
        CHECK_OK(t, cx, finish_set(&w, folder));
        token_set_abandon(&w);
        CHECK_OK(t, cx, token_set_open(cx, folder, &s));
        CHECK_OK(t, cx, token_set_verify(&s));
        const token_part *train = s.part, *held = s.part + TOKENS_VALIDATION;
        CHECK(t, train->tokens == (int64_t)((double)ids * 0.9) && s.end == 7 && s.begin == -1);
        CHECK(t, train->tokens + held->tokens == ids, "%lld ids", (long long)held->tokens);
        int32_t last, next;
        shard *tail = train->shards + train->n_shards - 1;
        CHECK_OK(t, cx, shard_read(tail, tail->ids - 1, 1, &last));
        CHECK_OK(t, cx, shard_read(held->shards, 0, 1, &next));
        CHECK(t, next == last + 1 || next % SPAN == 0, "%d after %d", next, last);
        token_set_close(&s);
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* One bit of any part of a shard turned over: named with its file and hash, before any id comes. */
static void corrupt(test *t) {
    context *cx = context_new();
    char path[2 * ROOM];
    const char *folder = set_folder(t, "set");
    const loader_options o = {.tokens = 900, .longest = 128};
    loader *l;
    token_set s;
    CHECK_OK(t, cx, make_set(cx, folder, SPAN * DOCUMENTS));
    snprintf(path, sizeof path, "%s/train-00001.tok", folder);
    FILE *file = fopen(path, "r+b");
    CHECK(t, file && !fseek(file, 0, SEEK_END));
    long size = ftell(file);
    const long places[] = {0,         size / 2,  size - 100, size - 49, size - 40,
                           size - 30, size - 20, size - 16,  size - 1};
    for (int64_t i = 0; i < COUNT_OF(places); i++) {
        fseek(file, places[i], SEEK_SET);
        int byte = fgetc(file);
        fseek(file, places[i], SEEK_SET);
        fputc(byte ^ 16, file);
        fflush(file);
        CHECK_FAILS(t, cx, loader_open(cx, folder, &o, &l), STATUS_BAD_DATA, "train-00001.tok'");
        fseek(file, places[i], SEEK_SET);
        fputc(byte, file);
        fflush(file);
    }
    CHECK_OK(t, cx, loader_open(cx, folder, &o, &l));
    loader_close(l);
    CHECK_OK(t, cx, token_set_open(cx, folder, &s));
    fseek(file, 10, SEEK_SET);
    fputc(99, file);
    fclose(file);
    CHECK_FAILS(t, cx, token_set_verify(&s), STATUS_BAD_DATA, "its SHA-256 is");
    int32_t id;
    CHECK_FAILS(t, cx, shard_read(s.part[0].shards + 1, 3, 1, &id), STATUS_BAD_DATA,
                "XXH64 of bytes 0..");
    token_set_close(&s);
    CHECK(t, truncate(path, size - 8) == 0);
    CHECK_FAILS(t, cx, token_set_open(cx, folder, &s), STATUS_BAD_DATA, "no whole token shard");
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void folders(test *t) {
    context *cx = context_new();
    const char *folder = set_folder(t, "set");
    char path[2 * ROOM];
    token_set_writer w;
    token_set s;
    CHECK_OK(t, cx, token_set_create(cx, folder, 9, 1 << 20, &w));
    const int32_t ids[] = {1, 2, 9};
    CHECK_FAILS(t, cx, token_set_add(&w, TOKENS_TRAIN, ids, 3), STATUS_BUG, "outside");
    CHECK_OK(t, cx, token_set_add(&w, TOKENS_TRAIN, ids, 2));
    token_set_abandon(&w);
    CHECK(t, !file_exists(folder), "what failed is removed");
    snprintf(path, sizeof path, "mkdir '%s' && touch '%s/train-00000.tok.tmp-1'", folder, folder);
    CHECK(t, system(path) == 0);
    CHECK_FAILS(t, cx, token_set_open(cx, folder, &s), STATUS_BAD_DATA, "no manifest.json");
    CHECK_OK(t, cx, make_set(cx, folder, SPAN * DOCUMENTS));
    CHECK_FAILS(t, cx, make_set(cx, folder, SPAN * DOCUMENTS), STATUS_BAD_ARGUMENT,
                "nothing is overwritten");
    static const char *const manifests[][2] = {
        {"{\"format\": \"x\"}", "expected 'hone-tokens-1'"},
        {"{\"format\": \"hone-tokens-1\"}", "is missing"},
        {"{\"splits\": {\"test\": {}}}", "no split 'test'"},
        {"{\"splits\": {\"train\": {\"shards\": [{\"file\": \"../x\"}]}}}", "beside the manifest"},
        {"{\"tokenizer\": {\"sha256\": \"12\"}}", "64 digits"},
        {"{\"vocabulary\": 5, \"end\": 5}", "outside the vocabulary"},
    };
    snprintf(path, sizeof path, "%s/manifest.json", folder);
    for (int64_t i = 0; i < COUNT_OF(manifests); i++) {
        CHECK_OK(t, cx,
                 file_write_whole(cx, path, manifests[i][0], (int64_t)strlen(manifests[i][0])));
        context_clear(cx);
        CHECK(t, token_set_open(cx, folder, &s) != STATUS_OK, "%s", manifests[i][0]);
        CHECK(t, strstr(context_error(cx), manifests[i][1]), "%s", context_error(cx));
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* The thread is ahead of a step that takes a while; of one that takes nothing it may be behind. */
static void no_stall(test *t) {
    context *cx = context_new();
    const char *folder = set_folder(t, "set");
    loader *l;
    loader_batch b;
    CHECK_OK(t, cx, make_set(cx, folder, SPAN * DOCUMENTS));
    const loader_options o = {.tokens = 4096, .longest = 128};
    CHECK_OK(t, cx, loader_open(cx, folder, &o, &l));
    int64_t from = time_ns();
    for (int i = 0; i < 40; i++) {
        CHECK_OK(t, cx, loader_next(l, &b));
        time_sleep_ns(2000000);
    }
    double share = loader_stall_seconds(l) / ((double)(time_ns() - from) * 1e-9);
    CHECK(t, share < 0.5, "%.3f of the time was waiting for data", share);
    loader_close(l);
    context_free(cx);
}

const test_case suite_loader[] = {{"every_pair_once", every_pair_once},
                                  {"resumes", resumes},
                                  {"windows", windows},
                                  {"split_at_end", split_at_end},
                                  {"corrupt", corrupt},
                                  {"folders", folders},
                                  {"no_stall", no_stall},
                                  {0}};
