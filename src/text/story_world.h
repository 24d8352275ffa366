/* The world of one story while it is told, and the telling. Ways of saying a thing stand in one text, parted by
 * '|'; braces name what goes in:
 *
 *     {X} {Y} {Z}                 the people's names
 *     {X.he} {X.He} {X.him} {X.his} {X.child}
 *     {O} {Q}                     the two things: "the ball"
 *     {O.a} {O.A}                 "a red ball", "A red ball"
 *     {P} {R} {S}                 the three places: "the garden"
 *     {P.in} {P.In}               "in the garden"
 *     {W}                         the weather: "sunny" */
#ifndef TEXT_STORY_WORLD_H
#define TEXT_STORY_WORLD_H

#include "base/rng.h"
#include "text/stories.h"
#include <stdbool.h>

enum { WORLD_PEOPLE = 3, WORLD_THINGS = 2, WORLD_PLACES = 3, NOWHERE = -1 };
enum { X, Y, Z };
enum { O, Q };
enum { P, R, S };

typedef struct story_world {
    rng r;
    text_buffer *out;
    status st; /* sticks */
    int32_t person[WORLD_PEOPLE], thing[WORLD_THINGS], place[WORLD_PLACES];
    int32_t adjective[WORLD_THINGS], weather;
    /* What the story says of them at its end; NOWHERE, NULL: nothing. */
    int32_t person_at[WORLD_PEOPLE], holder[WORLD_THINGS], thing_at[WORLD_THINGS];
    const char *feels[WORLD_PEOPLE];
    bool told[WORLD_PEOPLE], told_weather;
} story_world;

typedef struct story_thing {
    const char *name;
    const char *adjectives[6];
} story_thing;

typedef struct story_place {
    const char *in, *name;
    bool indoors;
} story_place;

enum {
    STORY_PEOPLE = 16,
    STORY_THINGS = 16,
    STORY_PLACES = 12,
    STORY_WEATHERS = 6,
    STORY_FEELINGS = 6
};
extern const char *const story_people[STORY_PEOPLE]; /* boys in even places */
extern const story_thing story_things[STORY_THINGS];
extern const story_place story_places[STORY_PLACES];
extern const char *const story_weathers[STORY_WEATHERS];
extern const char *const story_feelings[STORY_FEELINGS];

/* Draws people, things, places and weather, all different. */
void world_draw(story_world *w);
/* Draws again so that a storm can come: P lies outdoors, R does not, and the day begins dry. */
void world_draw_storm(story_world *w);
/* One of the ways, as a sentence or several behind what is there. */
void world_say(story_world *w, const char *ways);
/* The same in one case out of `in`. */
void world_maybe(story_world *w, int64_t in, const char *ways);
bool world_chance(story_world *w, int64_t in);

/* ---- what happens, and what is then so ---- */

void world_go(story_world *w, int person, int place);
void world_have(story_world *w, int person, int thing); /* nobody else has it then */
void world_leave(story_world *w, int thing, int place);
void world_feel(story_world *w, int person, const char *feeling);

/* Tells one story. */
typedef void story_plot(story_world *w);
extern story_plot *const story_plots[]; /* closed by NULL */

#endif
