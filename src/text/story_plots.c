/* The plots. Each says what happens and, beside it, what is then so. */
#include "text/story_world.h"

static void begin(story_world *w) {
    world_say(w, "One {W} day, {X} went to {P}.|It was a {W} day. {X} was {P.in}.|Once upon a time "
                 "there was "
                 "a little {X.child} named {X}. One {W} day, {X.he} went to {P}.|{X} was a little "
                 "{X.child}. "
                 "It was a {W} day, and {X} was {P.in}.|There was a {X.child} named {X}. It was "
                 "{W}, and {X} "
                 "played {P.in}.");
    world_go(w, X, P);
}

static void meet(story_world *w) {
    world_say(
        w,
        "There {X.he} met {Y}.|Then {Y} came to {P} too.|{X.His} friend {Y} was there too.|{Y} was "
        "{P.in} too.|Soon {Y} came to play.");
    world_go(w, Y, P);
}

/* By name: there may be another he or she by now. */
static void own(story_world *w, int64_t find) {
    if (world_chance(w, find))
        world_say(w,
                  "{X} found {O.a} there.|{X} saw {O.a} and picked it up.|On the ground {X} found "
                  "{O.a}.");
    else
        world_say(w,
                  "{X} had {O.a}.|{X} had {O.a} with {X.him}.|{X} held {O.a} in {X.his} hands.|Mom "
                  "had given {X} {O.a}.");
    world_have(w, X, O);
}

static void give(story_world *w) {
    world_say(w, "{X} gave {O} to {Y}.|\"You can have {O},\" said {X}. {X.He} gave it to {Y}.|So "
                 "{X} gave {O} "
                 "to {Y}.|\"This is for you,\" {X} said and gave {O} to {Y}.");
    world_have(w, Y, O);
}

static void thank(story_world *w) {
    world_say(
        w,
        "\"Thank you!\" said {Y}. {Y} was happy.|{Y} smiled. {Y} was very happy.|{Y} was happy and "
        "said thank you.|\"Thank you, {X}!\" said {Y}. Now {Y} was happy.");
    world_feel(w, Y, "happy");
}

static void go_home(story_world *w) {
    world_maybe(
        w, 2,
        "They played until it was dark.|They laughed and played all day.|It was a good day.|They "
        "were friends forever.|Then they sang a song.");
}

/* X has a thing, and Y is sad; X gives it. */
static void plot_gift(story_world *w) {
    begin(w);
    own(w, 2);
    meet(w);
    world_say(
        w,
        "{Y} was sad because {Y.he} had no toys.|{Y} was sad. {Y.He} had nothing to play with.|But "
        "{Y} was sad and did not smile.");
    world_maybe(w, 2,
                "\"Why are you sad?\" asked {X}.|\"Do not be sad,\" said {X}.|{X} wanted to help.");
    give(w);
    thank(w);
    if (world_chance(w, 2)) {
        world_say(
            w,
            "{X} was proud of it.|{X} had helped a friend, and {X} was proud.|And {X} was proud.");
        world_feel(w, X, "proud");
    }
    go_home(w);
}

/* X loses a thing; Y finds it and gives it back or not. */
static void plot_lost(story_world *w) {
    begin(w);
    own(w, 3);
    world_say(w, "But then {X} lost {O}.|Then {O} was gone!|{X} put {O} down and forgot where it "
                 "was.|When {X} "
                 "looked again, {O} was gone.");
    world_say(w, "{X} was sad and looked everywhere.|{X} was sad. \"Where is it?\" {X.he} "
                 "cried.|{X} was very "
                 "sad.");
    world_feel(w, X, "sad");
    world_say(w, "{Y} was {R.in}, and there {Y.he} found {O}.|{Y} went to {R} and saw {O} there. "
                 "{Y.He} picked "
                 "it up.|{Y} looked {R.in} and found {O}.");
    world_go(w, Y, R);
    world_have(w, Y, O);
    if (world_chance(w, 3)) {
        world_say(w, "{Y} did not know that it was lost. {Y.He} kept {O}.|\"How nice,\" said {Y} "
                     "and kept {O}.");
        return;
    }
    world_say(w, "{Y} ran to {X} and gave {O} back to {X.him}.|{Y} went to {P} and gave {O} back "
                 "to {X}.|{Y} "
                 "brought {O} back to {X}.");
    world_go(w, Y, P);
    world_have(w, X, O);
    world_say(
        w,
        "{X} was happy again.|\"You found it!\" said {X}. {X} was happy.|{X} hugged {Y}. {X} was "
        "happy.");
    world_feel(w, X, "happy");
    go_home(w);
}

/* Y takes a thing of X; sometimes gives it back. */
static void plot_quarrel(story_world *w) {
    begin(w);
    own(w, 4);
    meet(w);
    world_say(w, "{Y} wanted {O} too.|{Y} liked {O} very much.|\"I want {O},\" said {Y}.");
    world_say(w, "{Y} took {O} from {X}.|{Y} took {O} and ran.|So {Y} took {O} away from {X}.");
    world_have(w, Y, O);
    world_say(
        w,
        "{X} was angry.|\"Stop! That is mine!\" said {X}. {X} was angry.|Now {X} was very angry.");
    world_feel(w, X, "angry");
    if (world_chance(w, 3)) {
        world_say(w, "But {Y} ran away to {R}.|{Y} did not stop. {Y.He} ran to {R}.");
        world_go(w, Y, R);
        return;
    }
    world_say(w, "Then {Y} was sorry. {Y.He} gave {O} back to {X}.|\"I am sorry,\" said {Y} and "
                 "gave {O} back "
                 "to {X}.|{Y} said sorry and gave {O} back to {X}.");
    world_have(w, X, O);
    world_say(w,
              "{X} was happy again.|\"Thank you,\" said {X}. {X} was happy.|Then {X} was happy.");
    world_feel(w, X, "happy");
    go_home(w);
}

/* Each has a thing, and they swap. */
static void plot_swap(story_world *w) {
    begin(w);
    own(w, 4);
    meet(w);
    world_say(w, "{Y} had {Q.a}.|{Y} held {Q.a}.|{Y} came with {Q.a}.");
    world_have(w, Y, Q);
    world_maybe(w, 2,
                "{X} liked {Q}, and {Y} liked {O}.|\"Let us swap,\" said {X}.|\"What a nice thing "
                "you have,\" said {Y}.");
    world_say(w, "{X} gave {O} to {Y}.|So {X} gave {O} to {Y}.|First {X} gave {O} to {Y}.");
    world_have(w, Y, O);
    world_say(w, "And {Y} gave {Q} to {X}.|Then {Y} gave {Q} to {X}.|{Y} gave {Q} to {X} for it.");
    world_have(w, X, Q);
    world_say(w, "{X} was happy.|{X} was very happy with it.|Now {X} was happy.");
    world_feel(w, X, "happy");
    go_home(w);
}

/* Rain: they go elsewhere, and a thing stays behind. */
static void plot_left_behind(story_world *w) {
    world_draw_storm(w);
    begin(w);
    meet(w);
    own(w, 5);
    world_say(w, "They played with {O} for a long time.|{X} and {Y} played with {O}.|They had fun "
                 "with {O}.");
    world_say(w, "Then a big storm came.|Then it began to rain.|Then it got cold and dark.");
    world_say(w, "{X} and {Y} ran to {R}.|They ran to {R}, {X} first and then {Y}.|\"Run!\" said "
                 "{Y}, and they "
                 "ran to {R}.");
    world_go(w, X, R);
    world_go(w, Y, R);
    if (world_chance(w, 2)) {
        world_say(
            w,
            "But {O} was still {P.in}.|{X} forgot {O}. It was still {P.in}.|They left {O} {P.in}.");
        world_leave(w, O, P);
        world_say(w, "{X} was sad.|\"Oh no!\" said {X}. {X} was sad.");
        world_feel(w, X, "sad");
    } else {
        world_say(
            w, "{Y} took {O} along.|{Y} did not forget {O}. {Y.He} carried it.|{Y} held {O} under "
               "{Y.his} coat.");
        world_have(w, Y, O);
        world_say(
            w, "{X} was tired after the run.|{X} sat down and was tired.|{X} was tired and slept.");
        world_feel(w, X, "tired");
    }
}

/* They part: each goes somewhere. */
static void plot_parting(story_world *w) {
    begin(w);
    meet(w);
    own(w, 4);
    if (world_chance(w, 2)) {
        give(w);
        thank(w);
    } else {
        world_say(w, "{Y} looked at {O}.|\"What do you have?\" asked {Y}.|{X} showed {O} to {Y}.");
    }
    world_say(w, "Then {X} went to {R}.|In the evening {X} walked to {R}.|\"I must go,\" said {X} "
                 "and went to {R}.");
    world_go(w, X, R);
    if (world_chance(w, 2)) {
        world_say(w, "{Y} stayed {P.in}.|But {Y} stayed {P.in}.");
    } else {
        world_say(w, "{Y} went to {S}.|And {Y} went to {S}.|But {Y} went to {S}.");
        world_go(w, Y, S);
    }
    world_maybe(w, 2,
                "\"See you soon!\" they called.|They waved at each other.|It was a good day.");
}

/* A thing goes from hand to hand. */
static void plot_chain(story_world *w) {
    begin(w);
    own(w, 3);
    meet(w);
    give(w);
    thank(w);
    world_say(w, "Then {Z} came.|Later {Z} came to {P}.|Then they saw {Z}.");
    world_go(w, Z, P);
    if (world_chance(w, 2)) {
        world_say(w, "{Z} was scared of the dark.|{Z} was scared of a big dog.|{Z} was scared.");
        world_feel(w, Z, "scared");
    }
    world_say(w, "{Y} gave {O} to {Z}.|\"Take this,\" said {Y} and gave {O} to {Z}.|So {Y} gave "
                 "{O} to {Z}.");
    world_have(w, Z, O);
    go_home(w);
}

/* X puts a thing away; Y comes for it, or not. */
static void plot_hide(story_world *w) {
    begin(w);
    own(w, 3);
    world_say(w, "{X} wanted to hide it.|\"I will hide it,\" said {X}.|{X} had a plan.");
    world_say(w, "{X.He} went to {R} and hid {O} there.|{X} hid {O} {R.in}.|{X.He} took {O} to {R} "
                 "and left it "
                 "there.");
    world_go(w, X, R);
    world_leave(w, O, R);
    if (world_chance(w, 2)) {
        world_say(w, "Then {X} went to {S}.|{X.He} walked on to {S}.|After that {X} went to {S}.");
        world_go(w, X, S);
        world_say(w, "{Y} looked for {O} but did not find it.|{Y} asked where {O} was, but {X} "
                     "only smiled.");
    } else {
        world_say(w, "But {Y} saw it. {Y.He} went to {R} and took {O}.|{Y} came to {R} and found "
                     "{O}. {Y.He} "
                     "took it.|Then {Y} went to {R} and took {O}.");
        world_go(w, Y, R);
        world_have(w, Y, O);
        world_say(w, "{Y} was proud.|{Y} laughed and was proud.");
        world_feel(w, Y, "proud");
    }
}

story_plot *const story_plots[] = {plot_gift,  plot_lost,        plot_quarrel,
                                   plot_swap,  plot_left_behind, plot_parting,
                                   plot_chain, plot_hide,        NULL};
