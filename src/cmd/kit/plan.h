/* What the verbs of `hone plan` share: the model and the machine that are meant, and how amounts are written. */
#ifndef CMD_KIT_PLAN_H
#define CMD_KIT_PLAN_H

#include "base/json_write.h"
#include "base/options.h"
#include "cmd/kit/bench.h"
#include "plan/estimate.h"

/* The verb's MODEL (a preset, a model folder, a GGUF file or a config.json) or its --preset; one of them. */
status plan_find_model(const verb_call *call, const char *preset, model_config *out) MUST_USE;
/* The verb's MODEL where it is files, which hold weights; NULL: it is only described. */
const char *plan_model_path(const verb_call *call);
/* The format that most of the model's values have. */
const char *plan_main_format(const model *m);
/* Of the verb's MODEL where that has weights; else bf16. */
const char *plan_own_format(const verb_call *call);
/* The rates of this machine with the bench's threads, or with so many, 0 for all (some seconds). */
void plan_rate_machine(bench *b, machine *out);
status plan_measure_machine(context *cx, int64_t threads, machine *out) MUST_USE;
/* What ops reach of these rates when they train, in f32 and bf16; or serve weights of that format (some seconds). */
status plan_calibrate_train(const verb_call *call, machine *m) MUST_USE;
status plan_calibrate_serve(const verb_call *call, machine *m, const char *weights,
                            const char *act) MUST_USE;
bool plan_is_here(const char *hardware);
/* "this" is measured; else a profile or its file. */
status plan_find_machine(const verb_call *call, const char *name, int64_t devices,
                         machine *out) MUST_USE;

/* "1.24 billion", "3.2 GiB", "4.1e+20", "2 h 5 min", for people. */
typedef struct plan_text {
    char text[40];
} plan_text;
plan_text plan_count(double n);
plan_text plan_bytes(double bytes);
plan_text plan_span(double seconds);

void plan_put_machine(FILE *out, const machine *m);
/* The bytes by tag, those that are there. */
void plan_put_bytes(FILE *out, const estimate_bytes *b);
void plan_json_bytes(json_writer *w, const estimate_bytes *b);
void plan_json_machine(json_writer *w, const machine *m);
extern const char *const plan_tag_names[TAG_COUNT];

#endif
