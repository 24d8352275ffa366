/* The board: what models are worth and what they cost, one row each.
 *   quality    perplexity of a text; KL divergence and agreement with a reference on it; questions answered right
 *   size       bytes of the weights' files, bits for each weight
 *   running    memory once ready, prefill and decode speed of one sequence, by the engine that serves
 *   making     operations, seconds and memory that training and compressing took, from the model's lineage
 * What could not be measured is NAN (or 0 bytes), and null where it is written. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "eval/likelihood.h"
#include "store/lineage.h"
#include "text/grow.h"

typedef struct report_options {
    const char *text, *tasks; /* files; tasks NULL: none */
    const char *reference;    /* NULL: none */
    const char *tokenizer;    /* NULL: each model's own */
    likelihood_options how;
    likelihood_begin begin;
    bool skips_speed;
} report_options;

typedef struct report_row {
    const char *model;
    int64_t parameters, bytes;
    double bits_per_weight;
    double perplexity, perplexity_error, kl, kl_error, top1, accuracy, accuracy_error;
    double prefill_rate, decode_rate;   /* tokens a second */
    int64_t resident_bytes, peak_bytes; /* ready to answer; at most, loading and answering */
    double cost_flops, cost_seconds;    /* of all its ancestors' making too */
    int64_t cost_peak_bytes;            /* the most of any of these */
    lineage lineage;
    bool has_lineage;
} report_row;

/* Texts are the arena's. */
status report_measure(arena *mem, const report_options *o, const char *model,
                      report_row *out) MUST_USE;

/* A row as one JSON object, under its contract's names. */
void report_json(json_writer *w, const report_row *r);
/* For people; all rows as comma-separated values, with a line of names. */
status report_table(const report_row *rows, int64_t n, text_buffer *out) MUST_USE;
status report_csv(const report_row *rows, int64_t n, text_buffer *out) MUST_USE;
/* report.json, report.csv, pareto.svg, pareto.png and report.html, which stands alone, into a folder. */
status report_write(context *cx, const char *folder, const report_row *rows, int64_t n) MUST_USE;

/* ---- inside ---- */

/* What a row shows as a number; the name is its key. */
typedef struct report_column {
    const char *name, *title; /* title: what people read above it */
    int32_t digits;           /* behind the point, for people */
    double scale;             /* for people, as 1 / MiB */
    double (*value)(const report_row *r);
} report_column;
extern const report_column report_columns[]; /* closed by a NULL name */
/* For people, "-" where it is not known. */
void report_cell(const report_row *r, const report_column *c, char *out, size_t size);
/* Whether any row knows it. */
bool report_knows(const report_row *rows, int64_t n, const report_column *c);

#endif
