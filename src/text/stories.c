/* Telling a story, and asking for what is so at its end. */
#include "text/stories.h"
#include "text/story_world.h"
#include <stdio.h>

/* A choice of a question: the right one first, then others that are not yet among them. */
static void add_choice(story_question *q, const char *text) {
    if (q->choices == STORY_MOST_CHOICES) return;
    for (int i = 0; i < q->choices; i++)
        if (!strcmp(q->choice[i], text)) return;
    snprintf(q->choice[q->choices++], STORY_WORD_BYTES, "%s", text);
}

static void place_text(int32_t place, char out[STORY_WORD_BYTES]) {
    snprintf(out, STORY_WORD_BYTES, "%s %s", story_places[place].in, story_places[place].name);
}

/* Moves the right choice to a random place. */
static void finish(story_world *w, story_questions *all, story_question *q) {
    q->answer = (int32_t)rng_below(&w->r, (uint64_t)q->choices);
    char right[STORY_WORD_BYTES];
    memcpy(right, q->choice[0], sizeof right);
    memmove(q->choice[0], q->choice[q->answer], sizeof right);
    memcpy(q->choice[q->answer], right, sizeof right);
    if (all->count < STORY_MOST_QUESTIONS) all->list[all->count++] = *q;
}

/* The people of the story are what one can choose from; of two, a third who is not in it. */
static void ask_who(story_world *w, story_questions *all, int thing) {
    story_question q = {0};
    snprintf(q.question, sizeof q.question, "Who has the %s?", story_things[w->thing[thing]].name);
    add_choice(&q, story_people[w->person[w->holder[thing]]]);
    for (int i = 0; i < WORLD_PEOPLE; i++) add_choice(&q, story_people[w->person[i]]);
    finish(w, all, &q);
}

static void ask_where(story_world *w, story_questions *all, const char *subject, int32_t at) {
    story_question q = {0};
    char text[STORY_WORD_BYTES];
    snprintf(q.question, sizeof q.question, "Where is %s?", subject);
    place_text(w->place[at], text);
    add_choice(&q, text);
    for (int i = 0; i < WORLD_PLACES; i++) {
        place_text(w->place[i], text);
        add_choice(&q, text);
    }
    while (q.choices < STORY_MOST_CHOICES) {
        place_text((int32_t)rng_below(&w->r, STORY_PLACES), text);
        add_choice(&q, text);
    }
    finish(w, all, &q);
}

static void ask_what(story_world *w, story_questions *all, int person, int thing) {
    story_question q = {0};
    char text[STORY_WORD_BYTES];
    snprintf(q.question, sizeof q.question, "What does %s have?", story_people[w->person[person]]);
    for (int i = 0; q.choices < STORY_MOST_CHOICES; i++) {
        int32_t which = i < WORLD_THINGS ? w->thing[(thing + i) % WORLD_THINGS]
                                         : (int32_t)rng_below(&w->r, STORY_THINGS);
        snprintf(text, sizeof text, "the %s", story_things[which].name);
        add_choice(&q, text);
    }
    finish(w, all, &q);
}

static void ask_from(story_world *w, story_questions *all, const char *question, const char *right,
                     const char *const *words, int32_t count) {
    story_question q = {0};
    snprintf(q.question, sizeof q.question, "%s", question);
    add_choice(&q, right);
    while (q.choices < STORY_MOST_CHOICES) add_choice(&q, words[rng_below(&w->r, (uint64_t)count)]);
    finish(w, all, &q);
}

static void ask_about_people(story_world *w, story_questions *all) {
    char text[STORY_WORD_BYTES];
    for (int i = 0; i < WORLD_PEOPLE; i++) {
        const char *name = story_people[w->person[i]];
        if (!w->told[i]) continue;
        if (w->person_at[i] != NOWHERE) ask_where(w, all, name, w->person_at[i]);
        snprintf(text, sizeof text, "How does %s feel?", name);
        if (w->feels[i]) ask_from(w, all, text, w->feels[i], story_feelings, STORY_FEELINGS);
        bool first = w->holder[O] == i, second = w->holder[Q] == i;
        if (first != second) ask_what(w, all, i, first ? O : Q);
    }
}

static void ask(story_world *w, story_questions *all) {
    char text[STORY_WORD_BYTES];
    for (int i = 0; i < WORLD_THINGS; i++) {
        snprintf(text, sizeof text, "the %s", story_things[w->thing[i]].name);
        if (w->holder[i] != NOWHERE) ask_who(w, all, i);
        if (w->thing_at[i] != NOWHERE) ask_where(w, all, text, w->thing_at[i]);
    }
    ask_about_people(w, all);
    const char *weather = story_weathers[w->weather];
    if (w->told_weather)
        ask_from(w, all, "How was the weather?", weather, story_weathers, STORY_WEATHERS);
    for (int i = all->count - 1; i > 0; i--) {
        int k = (int)rng_below(&w->r, (uint64_t)i + 1);
        story_question kept = all->list[i];
        all->list[i] = all->list[k];
        all->list[k] = kept;
    }
}

status story_tell(uint64_t seed, story_use use, int64_t index, text_buffer *out,
                  story_questions *questions) {
    int64_t plots = 0;
    while (story_plots[plots]) plots++;
    uint64_t stream = rng_stream(use == STORY_TO_LEARN ? "stories to learn" : "stories to ask");
    story_world w = {.r = rng_make(seed, stream ^ (uint64_t)index << 1), .out = out};
    world_draw(&w);
    story_plots[rng_below(&w.r, (uint64_t)plots)](&w);
    *questions = (story_questions){0};
    ask(&w, questions);
    return w.st;
}

status story_append_answers(const story_questions *questions, int64_t most, text_buffer *out) {
    for (int64_t i = 0; i < MIN_OF(most, questions->count); i++) {
        char line[4 * STORY_WORD_BYTES];
        const story_question *q = questions->list + i;
        int n = snprintf(line, sizeof line, "\n%s %s.", q->question, q->choice[q->answer]);
        TRY(text_append(out, line, n));
    }
    return STATUS_OK;
}
