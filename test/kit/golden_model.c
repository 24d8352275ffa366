#include "kit/golden_model.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

void each_golden(test *t, void (*check)(test *, const char *name)) {
    struct dirent **names;
    int n = scandir(GOLDENS, &names, NULL, alphasort), seen = 0;
    for (int i = 0; i < n; i++) {
        char *end = strstr(names[i]->d_name, ".json");
        if (end) {
            *end = 0;
            check(t, names[i]->d_name);
            seen++;
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
    CHECK(t, seen > 0, "no goldens in " GOLDENS);
}

status open_golden(test *t, const char *name, opened *o) {
    char path[400];
    o->cx = context_new();
    snprintf(path, sizeof path, "%s/%s.json", GOLDENS, name);
    snprintf(o->folder, sizeof o->folder, "%s/%s", test_folder(t), name);
    TRY(model_case_read(o->cx, path, &o->golden));
    TRY(model_case_folder(o->cx, &o->golden, o->folder));
    TRY(model_open(o->cx, o->folder, &o->m));
    o->m->config.context = o->golden.context;
    return STATUS_OK;
}

void close_golden(test *t, opened *o) {
    model_close(o->m);
    model_case_free(&o->golden);
    CHECK(t, context_live_allocations(o->cx) == 0, "leak");
    context_free(o->cx);
}
