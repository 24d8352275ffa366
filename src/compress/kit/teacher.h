/* What a teacher makes of windows of a text, kept for the windows that come again: for each token the likeliest next
 * ids with their probabilities at a temperature, among themselves; and the rows of its last layer where those are asked
 * for. Few are enough: what is left out is small, and a file of whole distributions would be a thousand times the
 * text. */
#ifndef COMPRESS_KIT_TEACHER_H
#define COMPRESS_KIT_TEACHER_H

#include "compress/kit/compress.h"
#include "exec/plan.h"

typedef struct teacher_options {
    const char *path; /* NULL: the parent */
    int64_t length;   /* of a window */
    int64_t top;      /* ids a token */
    double temperature;
    bool hidden;
} teacher_options;

/* Of one window; [length, top], and [length, width] or NULL. */
typedef struct lesson {
    const int32_t *ids;
    const float *odds, *hidden;
} lesson;

typedef struct teacher teacher;

/* A teacher of another vocabulary is refused. */
status teacher_open(compress *c, const teacher_options *o, teacher **out) MUST_USE;
void teacher_close(teacher *t); /* NULL is fine */
const model_config *teacher_config(const teacher *t);
/* `ids`: the window's, which is known by its number. */
status teacher_ask(teacher *t, int64_t window, const int32_t *ids, lesson *out) MUST_USE;
/* In a dry run: that many windows are asked of, and kept. */
void teacher_foresee(teacher *t, double windows);

#endif
