/* Words, drawing them, and putting them into sentences. */
#include "text/story_world.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>

const char *const story_people[STORY_PEOPLE] = {"Tom", "Lily", "Ben",  "Anna", "Sam",  "Mia",
                                                "Max", "Lucy", "Tim",  "Sara", "Jack", "Emma",
                                                "Leo", "Rose", "Finn", "Nora"};
#define TOYS                                                                                       \
    { "red", "blue", "green", "yellow", "big", "small" }
#define THINGS                                                                                     \
    { "new", "old", "shiny", "small", "pretty", "blue" }
#define FOOD                                                                                       \
    { "big", "small", "sweet", "red", "green", "fresh" }
const story_thing story_things[STORY_THINGS] = {
    {"ball", TOYS},   {"kite", TOYS},  {"doll", TOYS},   {"car", TOYS},
    {"drum", TOYS},   {"boat", TOYS},  {"hat", TOYS},    {"book", THINGS},
    {"cup", THINGS},  {"key", THINGS}, {"lamp", THINGS}, {"shell", THINGS},
    {"flower", TOYS}, {"apple", FOOD}, {"pear", FOOD},   {"cake", FOOD},
};
const story_place story_places[STORY_PLACES] = {
    {"in", "the garden"},       {"at", "the park"},       {"in", "the kitchen", true},
    {"at", "the school", true}, {"at", "the beach"},      {"in", "the forest"},
    {"on", "the farm"},         {"by", "the lake"},       {"on", "the hill"},
    {"in", "the shop", true},   {"in", "the barn", true}, {"in", "the library", true},
};
const char *const story_weathers[STORY_WEATHERS] = {
    "rainy", "sunny", "windy", "cloudy", "warm", "snowy"}; /* the first and the last are wet */
const char *const story_feelings[STORY_FEELINGS] = {"happy", "sad",   "angry",
                                                    "proud", "tired", "scared"};

/* `count` different numbers below `below`. */
static void draw_different(rng *r, int32_t below, int32_t *out, int count) {
    for (int i = 0; i < count; i++) {
        bool again = true;
        while (again) {
            out[i] = (int32_t)rng_below(r, (uint64_t)below);
            again = false;
            for (int k = 0; k < i; k++) again |= out[k] == out[i];
        }
    }
}

void world_draw(story_world *w) {
    draw_different(&w->r, STORY_PEOPLE, w->person, WORLD_PEOPLE);
    draw_different(&w->r, STORY_THINGS, w->thing, WORLD_THINGS);
    draw_different(&w->r, STORY_PLACES, w->place, WORLD_PLACES);
    for (int i = 0; i < WORLD_THINGS; i++) {
        w->adjective[i] = (int32_t)rng_below(&w->r, 6);
        w->holder[i] = w->thing_at[i] = NOWHERE;
    }
    for (int i = 0; i < WORLD_PEOPLE; i++) w->person_at[i] = NOWHERE;
    w->weather = (int32_t)rng_below(&w->r, STORY_WEATHERS);
}

void world_draw_storm(story_world *w) {
    while (story_places[w->place[P]].indoors || !story_places[w->place[R]].indoors)
        draw_different(&w->r, STORY_PLACES, w->place, WORLD_PLACES);
    w->weather = 1 + (int32_t)rng_below(&w->r, STORY_WEATHERS - 2); /* neither rainy nor snowy */
}

bool world_chance(story_world *w, int64_t in) {
    return rng_below(&w->r, (uint64_t)in) == 0;
}

static void put(story_world *w, const char *text, bool capital) {
    char first = (char)(capital ? toupper((unsigned char)*text) : *text);
    if (w->st == STATUS_OK) w->st = text_append(w->out, &first, 1);
    if (w->st == STATUS_OK) w->st = text_append(w->out, text + 1, (int64_t)strlen(text + 1));
}

static void put_person(story_world *w, int who, const char *form) {
    static const char *const forms[][3] = {{"he", "he", "she"},
                                           {"him", "him", "her"},
                                           {"his", "his", "her"},
                                           {"child", "boy", "girl"}};
    bool girl = w->person[who] % 2;
    w->told[who] = true;
    if (!*form) {
        put(w, story_people[w->person[who]], false);
        return;
    }
    bool capital = isupper((unsigned char)*form);
    for (int i = 0; i < COUNT_OF(forms); i++)
        if (!strcmp(form + 1, forms[i][0] + 1)) put(w, forms[i][1 + girl], capital);
}

static void put_thing(story_world *w, int which, const char *form) {
    const story_thing *t = story_things + w->thing[which];
    char text[STORY_WORD_BYTES];
    const char *adjective = t->adjectives[w->adjective[which]];
    if (*form)
        snprintf(text, sizeof text, "%s %s %s", strchr("aeiou", *adjective) ? "an" : "a", adjective,
                 t->name);
    else
        snprintf(text, sizeof text, "the %s", t->name);
    put(w, text, *form == 'A');
}

static void put_place(story_world *w, int which, const char *form) {
    const story_place *p = story_places + w->place[which];
    if (*form) {
        put(w, p->in, *form == 'I');
        put(w, " ", false);
    }
    put(w, p->name, false);
}

/* What stands between braces. */
static void put_slot(story_world *w, const char *slot, int length) {
    static const char people[] = "XYZ", things[] = "OQ", places[] = "PRS";
    char form[8] = "";
    if (length > 2) snprintf(form, sizeof form, "%.*s", length - 2, slot + 2);
    const char *found;
    if ((found = strchr(people, *slot))) {
        put_person(w, (int)(found - people), form);
    } else if ((found = strchr(things, *slot))) {
        put_thing(w, (int)(found - things), form);
    } else if ((found = strchr(places, *slot))) {
        put_place(w, (int)(found - places), form);
    } else {
        assert(*slot == 'W');
        w->told_weather = true;
        put(w, story_weathers[w->weather], false);
    }
}

void world_say(story_world *w, const char *ways) {
    int64_t count = 1;
    for (const char *c = ways; *c; c++) count += *c == '|';
    for (int64_t skip = (int64_t)rng_below(&w->r, (uint64_t)count); skip; skip--)
        ways = strchr(ways, '|') + 1;
    if (w->out->length && w->out->bytes[w->out->length - 1] != '\n') put(w, " ", false);
    while (*ways && *ways != '|') {
        int plain = (int)strcspn(ways, "{|");
        if (w->st == STATUS_OK) w->st = text_append(w->out, ways, plain);
        ways += plain;
        if (*ways != '{') continue;
        int length = (int)strcspn(ways, "}") - 1;
        put_slot(w, ways + 1, length);
        ways += length + 2;
    }
}

void world_maybe(story_world *w, int64_t in, const char *ways) {
    if (world_chance(w, in)) world_say(w, ways);
}

void world_go(story_world *w, int person, int place) {
    w->person_at[person] = place;
}

void world_have(story_world *w, int person, int thing) {
    w->holder[thing] = person;
    w->thing_at[thing] = NOWHERE;
}

void world_leave(story_world *w, int thing, int place) {
    w->holder[thing] = NOWHERE;
    w->thing_at[thing] = place;
}

void world_feel(story_world *w, int person, const char *feeling) {
    w->feels[person] = feeling;
}
