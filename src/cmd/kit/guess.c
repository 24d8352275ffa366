/* Opening a draft (cmd/kit/guess.h). */
#include "cmd/kit/guess.h"
#include "infer/fits.h"
#include <string.h>

const char *const guess_ways[] = {"auto", "off", "ngram", "draft", NULL};
const char *const guess_accepts[] = {"exact", "rejection", NULL};

status guess_open(context *cx, const guess_options *o, guess_draft *out, engine_options *e) {
    const char *way = guess_ways[o->speculate];
    *out = (guess_draft){0};
    if (!strcmp(way, "auto")) way = o->draft ? "draft" : "off";
    if (o->draft && strcmp(way, "draft"))
        FAIL(cx, STATUS_BAD_ARGUMENT, "--draft '%s' with --speculate %s: leave one of them out",
             o->draft, way);
    e->speculate = strcmp(way, "off") ? way : NULL;
    e->guesses = o->guesses;
    e->rejects = !strcmp(guess_accepts[o->accept], "rejection");
    if (!o->draft) return STATUS_OK;
    TRY(model_open(cx, o->draft, &out->file));
    out->m = engine_model_of(out->file, NULL);
    e->draft = &out->m;
    engine_options own = *e;
    own.speculate = NULL;
    own.draft = NULL;
    own.context = 0;
    return engine_fits(cx, o->draft, &out->m, &own);
}

void guess_close(guess_draft *d) {
    model_close(d->file);
}
