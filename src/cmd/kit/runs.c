#include "cmd/kit/runs.h"
#include <math.h>
#include <string.h>

status runs_named(const verb_call *call, run_row **out) {
    runs *store;
    *out = ARENA_NEW(call->memory, run_row, call->n_args + 1);
    if (!*out) return STATUS_NO_MEMORY;
    TRY(runs_open(call->cx, NULL, &store));
    status st = STATUS_OK;
    for (int64_t i = 0; i < call->n_args && st == STATUS_OK; i++)
        st = runs_find(store, call->args[i], call->memory, &(*out)[i]);
    runs_close(store);
    return st;
}

static const void *field(const run_row *row, const run_column *c) {
    return (const char *)row + c->offset;
}

void runs_write_json(json_writer *w, const run_row *row) {
    json_write_object(w);
    json_write_integer_field(w, "run", row->id);
    for (const run_column *c = run_columns; c->name; c++) {
        const char *text;
        double number;
        json_write_key(w, c->name);
        switch (c->kind) {
        case RUN_TEXT:
            memcpy(&text, field(row, c), sizeof text);
            text ? json_write_string(w, text) : json_write_null(w);
            break;
        case RUN_INTEGER:
            json_write_integer(w, *(const int64_t *)field(row, c));
            break;
        case RUN_NUMBER:
            memcpy(&number, field(row, c), sizeof number);
            isfinite(number) ? json_write_number(w, number) : json_write_null(w);
            break;
        }
    }
    json_write_object_end(w);
}

void runs_column_text(const run_row *row, const run_column *c, char *out, size_t size) {
    const char *text;
    double number;
    *out = 0;
    switch (c->kind) {
    case RUN_TEXT:
        memcpy(&text, field(row, c), sizeof text);
        if (text) snprintf(out, size, "%s", text);
        break;
    case RUN_INTEGER:
        snprintf(out, size, "%lld", (long long)*(const int64_t *)field(row, c));
        break;
    case RUN_NUMBER:
        memcpy(&number, field(row, c), sizeof number);
        if (isfinite(number)) snprintf(out, size, "%.4g", number);
        break;
    }
}
