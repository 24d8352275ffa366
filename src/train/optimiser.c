#include "train/optimiser.h"
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 320 };

const optimiser_def *optimiser_find(const char *name) {
    for (int32_t i = 0; registry_optimiser[i]; i++)
        if (!strcmp(registry_optimiser[i]->name, name)) return registry_optimiser[i];
    return NULL;
}

status optimiser_unknown(context *cx, const char *name) {
    char list[NAME_BYTES] = "";
    for (int32_t i = 0; registry_optimiser[i]; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                 registry_optimiser[i]->name);
    }
    return context_fail(cx, STATUS_BAD_ARGUMENT, "there is no optimiser '%s'; there are %s", name,
                        list);
}

double update_decay(const update *u) {
    return value_type(u->g, u->w)->rank < 2 ? 0 : u->options->decay;
}

value update_moment(const update *u, const char *suffix) {
    char name[NAME_BYTES];
    const node *w = value_node(u->g, u->w);
    type t = w->out[0];
    t.format = num_find("f32");
    int length = snprintf(name, sizeof name, "%s.%s", w->name, suffix);
    if (length >= (int)sizeof name)
        return graph_fail(u->g, STATUS_UNSUPPORTED, "the name of parameter '%s' is too long",
                          w->name);
    return graph_state(u->g, name, t, TAG_OPTIMISER);
}

value update_mark(const update *u, value at, value of) {
    if (graph_status(u->g) == STATUS_OK) graph_mark(u->g, MARK_NEXT, NULL, at, of);
    return at;
}
