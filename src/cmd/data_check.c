/* `hone data check`: whether every byte of a token set is as it was written, and what it holds. */
#include "base/json_write.h"
#include "base/options.h"
#include "store/token_set.h"

typedef struct data_check_options {
    bool json;
} data_check_options;

static const option_def options[] = {
    OPTION(data_check_options, json, OPTION_BOOL, .help = "print what the set holds as JSON"), {0}};

static void print_json(json_writer *j, const token_set *s) {
    json_write_object(j);
    json_write_string_field(j, "folder", s->folder);
    json_write_string_field(j, "sha256", s->sha256);
    json_write_integer_field(j, "vocabulary", s->vocabulary);
    for (int i = 0; i < TOKEN_SPLITS; i++) {
        const token_part *p = s->part + i;
        json_write_key(j, token_split_names[i]);
        json_write_object(j);
        json_write_integer_field(j, "shards", p->n_shards);
        json_write_integer_field(j, "documents", p->documents);
        json_write_integer_field(j, "tokens", p->tokens);
        json_write_object_end(j);
    }
    json_write_object_end(j);
}

static status print(const verb_call *call, const token_set *s) {
    const data_check_options *o = call->options;
    if (o->json) {
        json_writer j = json_writer_to_file(call->cx, call->out, 0);
        print_json(&j, s);
        return json_writer_finish(&j);
    }
    fprintf(call->out, "%s: whole; a vocabulary of %lld\n", s->folder, (long long)s->vocabulary);
    for (int i = 0; i < TOKEN_SPLITS; i++) {
        const token_part *p = s->part + i;
        fprintf(call->out, "  %-10s  %lld tokens in %lld documents, %lld shards\n",
                token_split_names[i], (long long)p->tokens, (long long)p->documents,
                (long long)p->n_shards);
    }
    return STATUS_OK;
}

static status run(const verb_call *call) {
    token_set s;
    TRY(token_set_open(call->cx, call->args[0], &s));
    status st = token_set_verify(&s);
    if (st == STATUS_OK) st = print(call, &s);
    token_set_close(&s);
    return st;
}

const verb_def verb_data_check = {
    .name = "data check",
    .summary = "check a prepared token set against its hashes, and say what it holds",
    .example = "hone data check tokens",
    .help = "Reads every file that the manifest names and compares its SHA-256. Training checks "
            "what it "
            "reads by itself; this is for after a copy or a doubtful disk.",
    .positional = "DIR",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(data_check_options),
    .options = options,
    .run = run,
};
