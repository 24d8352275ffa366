/* The JSON of the API's answers. */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include "base/json_write.h"
#include "serve/job.h"

/* {"error": {...}} with the type and code that go with the HTTP status. */
void reply_error(http_exchange *x, const api_problem *problem);
/* A writer's text as an answer; frees the writer. */
void reply_json(http_exchange *x, int code, json_writer *w);

/* ---- answers in pieces ---- */
/* A piece of a choice's content or reasoning. */
void reply_piece(job_choice *c, answer_part part, const char *bytes, int64_t length);
void reply_call(job_choice *c, const char *name, int64_t name_length, const char *arguments,
                int64_t length);
/* The token of this event with its logprob, where asked for. */
void reply_logprobs(job_choice *c, const engine_event *event);
void reply_finish(job_choice *c);
/* The last events: usage, and [DONE]. */
void reply_end_stream(job *j);

/* ---- the whole answer at once ---- */
void reply_whole(job *j);
/* Of a job whose choices hold vectors of `width` floats as their content. */
void reply_vectors(job *j, int64_t width);

#endif
