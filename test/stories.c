/* Stories: the same for the same seed, other for another, never those that are asked about; every question can be
 * answered from its story, and not by guessing. */
#include "kit/shell.h"
#include "test.h"
#include "text/stories.h"
#include <stdlib.h>

enum { STORIES = 3000 };

static int by_hash(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t hash_of(const text_buffer *text) {
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < text->length; i++) h = (h ^ (uint8_t)text->bytes[i]) * 0x100000001b3u;
    return h;
}

/* "" when the words are whole: sentences, no braces, no doubled spaces. */
static const char *fault(const text_buffer *t) {
    const char *s = t->bytes;
    if (t->length < 60 || t->length > 900) return "its length";
    for (int64_t i = 0; i < t->length; i++) {
        if (strchr("{}|\n", s[i]) || !s[i]) return "a character of the grammar";
        if (i && s[i] == ' ' && s[i - 1] == ' ') return "two spaces";
    }
    char last = s[t->length - 1];
    return last == '.' || last == '!' || last == '"' ? "" : "its end";
}

static void every_story(test *t) {
    context *cx = context_new();
    text_buffer text = {.cx = cx}, again = {.cx = cx};
    static uint64_t seen[2 * STORIES];
    for (int64_t i = 0; i < 2 * STORIES; i++) {
        story_questions q, same;
        text.length = again.length = 0;
        story_use use = i % 2 ? STORY_TO_ASK : STORY_TO_LEARN;
        CHECK_OK(t, cx, story_tell(7, use, i / 2, &text, &q));
        CHECK_OK(t, cx, story_tell(7, use, i / 2, &again, &same));
        CHECK(t, hash_of(&text) == hash_of(&again) && !memcmp(&q, &same, sizeof q));
        CHECK(t, !*fault(&text), "%s: %.*s", fault(&text), (int)text.length, text.bytes);
        seen[i] = hash_of(&text);
    }
    text.length = 0;
    story_questions q;
    CHECK_OK(t, cx, story_tell(8, STORY_TO_LEARN, 0, &text, &q));
    CHECK(t, hash_of(&text) != seen[0], "another seed tells the same");
    qsort(seen, COUNT_OF(seen), sizeof *seen, by_hash);
    for (int64_t i = 1; i < COUNT_OF(seen); i++) CHECK(t, seen[i] != seen[i - 1], "told twice");
    text_free(&text);
    text_free(&again);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static bool holds(const text_buffer *text, const char *choice) {
    const char *word = strrchr(choice, ' ');
    word = word ? word + 1 : choice;
    return memmem(text->bytes, (size_t)text->length, word, strlen(word)) != NULL;
}

/* Where the choice's last word is mentioned first, for a reader who does not understand. */
static int first_mentioned(const text_buffer *text, const story_question *q) {
    int best = 0;
    const char *first = NULL;
    for (int i = 0; i < q->choices; i++) {
        const char *at =
            memmem(text->bytes, (size_t)text->length, q->choice[i], strlen(q->choice[i]));
        if (at && (!first || at < first)) first = at, best = i;
    }
    return best;
}

static void every_question(test *t) {
    context *cx = context_new();
    text_buffer text = {.cx = cx};
    int64_t asked = 0, at[STORY_MOST_CHOICES] = {0}, guessed = 0;
    double chance = 0;
    for (int64_t i = 0; i < STORIES; i++) {
        story_questions all;
        text.length = 0;
        CHECK_OK(t, cx, story_tell(3, STORY_TO_ASK, i, &text, &all));
        CHECK(t, all.count >= 2, "%d questions", all.count);
        for (int k = 0; k < all.count; k++) {
            const story_question *q = all.list + k;
            CHECK(t, q->choices >= 3 && q->answer >= 0 && q->answer < q->choices);
            CHECK(t, holds(&text, q->choice[q->answer]), "%s %s: %.*s", q->question,
                  q->choice[q->answer], (int)text.length, text.bytes);
            for (int a = 0; a < q->choices; a++)
                for (int b = 0; b < a; b++)
                    CHECK(t, strcmp(q->choice[a], q->choice[b]) != 0, "%s", q->question);
            asked++;
            at[q->answer]++;
            chance += 1.0 / q->choices;
            guessed += first_mentioned(&text, q) == q->answer;
        }
        int64_t before = text.length;
        CHECK_OK(t, cx, story_append_answers(&all, 1, &text));
        CHECK(t, text.bytes[before] == '\n' && text.bytes[text.length - 1] == '.');
    }
    CHECK(t, chance / (double)asked > 0.25 && chance / (double)asked < 0.34);
    CHECK(t, (double)guessed / (double)asked < 0.75, "%lld of %lld without understanding",
          (long long)guessed, (long long)asked);
    for (int i = 0; i < 3; i++) CHECK(t, at[i] * 5 > asked, "choice %d is right too rarely", i);
    text_free(&text);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* Nothing that is there is written over: not the file, not one of a folder's, and then neither. */
static void keeps_files(test *t) {
    static char text[SHELL_TEXT_BYTES];
    int code = shell(text,
                     "cd '%s' && rm -rf kept && mkdir kept && cd kept && export PATH='%s':$PATH && "
                     "tell() { hone data synth stories --count 2 --seed $1 --out $2; } && "
                     "tell 1 a.txt && tell 2 b.txt && ! cmp -s a.txt b.txt && tell 1 d && "
                     "! tell 2 a.txt && rm d/stories.jsonl && ! tell 2 d && "
                     "[ ! -e d/stories.jsonl ] && tell 1 c.txt && cmp a.txt c.txt",
                     test_folder(t), shell_build_folder());
    CHECK(t, code == 0 && strstr(text, "'a.txt' is there already: remove it"), "%d, %s", code, text);
    CHECK(t, strstr(text, "'d/questions.jsonl' is there already"), "%s", text);
}

const test_case suite_stories[] = {
    {"every_story", every_story}, {"every_question", every_question},
    {"keeps_files", keeps_files}, {0}};
