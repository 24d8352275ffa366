/* Rows as a table, as comma-separated values, as JSON: all from one list of columns. */
#include "report/report.h"
#include <math.h>
#include <string.h>

#define MIB 9.5367431640625e-07

static double known(int64_t bytes) {
    return bytes > 0 ? (double)bytes : NAN;
}

#define OF(member)                                                                                 \
    static double of_##member(const report_row *r) {                                               \
        return r->member;                                                                          \
    }
#define OF_COUNT(member)                                                                           \
    static double of_##member(const report_row *r) {                                               \
        return known(r->member);                                                                   \
    }
OF_COUNT(parameters)
OF_COUNT(bytes)
OF(bits_per_weight)
OF(perplexity)
OF(perplexity_error)
OF(kl)
OF(kl_error)
OF(top1)
OF(accuracy)
OF(accuracy_error)
OF(prefill_rate)
OF(decode_rate)
OF_COUNT(resident_bytes)
OF_COUNT(peak_bytes)
OF(cost_flops)
OF(cost_seconds)
OF_COUNT(cost_peak_bytes)

const report_column report_columns[] = {
    {"parameters", "M weights", 2, 1e-6, of_parameters},
    {"bytes", "MiB", 2, MIB, of_bytes},
    {"bits_per_weight", "bits/weight", 2, 1, of_bits_per_weight},
    {"perplexity", "perplexity", 3, 1, of_perplexity},
    {"perplexity_error", NULL, 0, 1, of_perplexity_error},
    {"kl", "KL", 5, 1, of_kl},
    {"kl_error", NULL, 0, 1, of_kl_error},
    {"top1", "same top-1", 4, 1, of_top1},
    {"accuracy", "accuracy", 4, 1, of_accuracy},
    {"accuracy_error", NULL, 0, 1, of_accuracy_error},
    {"prefill_tokens_per_second", "prefill/s", 0, 1, of_prefill_rate},
    {"decode_tokens_per_second", "decode/s", 1, 1, of_decode_rate},
    {"resident_bytes", "resident MiB", 1, MIB, of_resident_bytes},
    {"peak_bytes", "peak MiB", 1, MIB, of_peak_bytes},
    {"cost_flops", "PFLOP made", 3, 1e-15, of_cost_flops},
    {"cost_seconds", "s made", 0, 1, of_cost_seconds},
    {"cost_peak_bytes", "peak made", 1, MIB, of_cost_peak_bytes},
    {0}};

void report_cell(const report_row *r, const report_column *c, char *out, size_t size) {
    double v = c->value(r);
    if (isfinite(v))
        snprintf(out, size, "%.*f", c->digits, v * c->scale);
    else
        snprintf(out, size, "-");
}

bool report_knows(const report_row *rows, int64_t n, const report_column *c) {
    for (int64_t i = 0; i < n; i++)
        if (isfinite(c->value(&rows[i]))) return true;
    return false;
}

/* ---- JSON ---- */

void report_json(json_writer *w, const report_row *r) {
    json_write_object(w);
    json_write_string_field(w, "model", r->model);
    for (const report_column *c = report_columns; c->name; c++) {
        double v = c->value(r);
        json_write_key(w, c->name);
        if (!isfinite(v))
            json_write_null(w);
        else if (v == floor(v) && strstr(c->name, "bytes"))
            json_write_integer(w, (int64_t)v);
        else
            json_write_number(w, v);
    }
    json_write_key(w, "lineage");
    if (r->has_lineage)
        lineage_json(w, &r->lineage);
    else
        json_write_null(w);
    json_write_object_end(w);
}

/* ---- text ---- */

enum { NAME = 28, CELL = 32 };

/* Bytes of the folders that all names begin with. */
static size_t shared_folders(const report_row *rows, int64_t n) {
    const char *first = n ? rows[0].model : "";
    size_t shared = 0;
    for (size_t at = 0; first[at]; at++) {
        for (int64_t i = 1; i < n; i++)
            if (strncmp(rows[i].model, first, at + 1) != 0 || !rows[i].model[at + 1]) return shared;
        if (first[at] == '/' && first[at + 1]) shared = at + 1;
    }
    return n > 1 ? shared : 0;
}

/* The end of a long path tells more than its begin. */
static const char *tail(const char *name) {
    size_t n = strlen(name);
    return n > NAME ? name + n - NAME : name;
}

static int width_of(const report_row *rows, int64_t n, const report_column *c) {
    char cell[CELL];
    size_t most = strlen(c->title);
    for (int64_t i = 0; i < n; i++) {
        report_cell(&rows[i], c, cell, sizeof cell);
        most = MAX_OF(most, strlen(cell));
    }
    return (int)most;
}

status report_table(const report_row *rows, int64_t n, text_buffer *out) {
    char cell[CELL];
    size_t shared = shared_folders(rows, n);
    TRY(text_print(out, "%-*s", NAME, "model"));
    for (const report_column *c = report_columns; c->name; c++)
        if (c->title && report_knows(rows, n, c))
            TRY(text_print(out, "  %*s", width_of(rows, n, c), c->title));
    TRY(text_print(out, "\n"));
    for (int64_t i = 0; i < n; i++) {
        TRY(text_print(out, "%-*s", NAME, tail(rows[i].model + shared)));
        for (const report_column *c = report_columns; c->name; c++) {
            if (!c->title || !report_knows(rows, n, c)) continue;
            report_cell(&rows[i], c, cell, sizeof cell);
            TRY(text_print(out, "  %*s", width_of(rows, n, c), cell));
        }
        TRY(text_print(out, "\n"));
    }
    return STATUS_OK;
}

/* A field in quotes, which are doubled inside (RFC 4180). */
static status put_quoted(text_buffer *b, const char *text) {
    TRY(text_print(b, "\""));
    for (; *text; text++) {
        if (*text == '"') TRY(text_append(b, "\"", 1));
        TRY(text_append(b, text, 1));
    }
    return text_print(b, "\"");
}

status report_csv(const report_row *rows, int64_t n, text_buffer *out) {
    char number[CELL];
    TRY(text_print(out, "model"));
    for (const report_column *c = report_columns; c->name; c++)
        TRY(text_print(out, ",%s", c->name));
    TRY(text_print(out, ",recipe\n"));
    for (int64_t i = 0; i < n; i++) {
        TRY(put_quoted(out, rows[i].model));
        for (const report_column *c = report_columns; c->name; c++) {
            double v = c->value(&rows[i]);
            int length = isfinite(v) ? json_format_number(v, number) : 0;
            TRY(text_print(out, ",%.*s", length, number));
        }
        TRY(text_print(out, ","));
        TRY(put_quoted(out, rows[i].lineage.recipe ? rows[i].lineage.recipe : ""));
        TRY(text_print(out, "\n"));
    }
    return STATUS_OK;
}
