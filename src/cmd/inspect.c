/* `hone inspect`: what is in a model's files, and what of it Hone would refuse. */
#include "base/json_write.h"
#include "base/options.h"
#include "cmd/kit/inspect.h"
#include <string.h>

typedef struct inspect_options {
    bool json;
} inspect_options;

static const option_def options[] = {
    OPTION(inspect_options, json, OPTION_BOOL, .help = "print one JSON object"), {0}};

static const char *container_of(const inspection *in) {
    return in->file.kind == MODELFILE_GGUF ? "GGUF" : "safetensors";
}

/* Text of a file, kept from steering the terminal. */
static void put_text(FILE *out, const char *text) {
    for (; *text; text++) fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
}

static void put_tensors(FILE *out, const inspection *in) {
    for (int64_t i = 0; i < in->file.n_tensors; i++) {
        const modelfile_tensor *t = &in->file.tensors[i];
        put_text(out, t->name);
        fprintf(out, " %s [", t->format_name);
        for (int32_t d = 0; d < t->n_dims; d++)
            fprintf(out, d ? ", %lld" : "%lld", (long long)t->shape[d]);
        fprintf(out, "] %lld bytes\n", (long long)t->size_bytes);
    }
    fprintf(out, "container: %s, %lld files, %lld tensors\n", container_of(in),
            (long long)in->file.n_files, (long long)in->file.n_tensors);
    for (const inspect_total *f = in->totals; f; f = f->next)
        fprintf(out, "  %s: %lld tensors, %lld elements, %lld bytes%s\n", f->first->format_name,
                (long long)f->n_tensors, (long long)f->elems, (long long)f->size_bytes,
                f->first->format ? "" : " (unknown)");
}

static void put_config(FILE *out, const model_config *c) {
    fprintf(out,
            "config: %s, %lld layers, width %lld, %lld heads (%lld of keys) of %lld, "
            "intermediate %lld, vocabulary %lld, positions %lld",
            c->model_type, (long long)c->layers, (long long)c->hidden, (long long)c->heads,
            (long long)c->kv_heads, (long long)c->head_size, (long long)c->intermediate,
            (long long)c->vocabulary, (long long)c->positions);
    if (c->experts)
        fprintf(out, ", %lld of %lld experts", (long long)c->experts_per_token,
                (long long)c->experts);
    if (c->window) fprintf(out, ", window %lld", (long long)c->window);
    fprintf(out, "%s\n", c->tied ? ", tied embeddings" : "");
}

static void put_report(FILE *out, const inspection *in) {
    if (in->is_open) put_tensors(out, in);
    if (in->has_config)
        put_config(out, &in->config);
    else
        fprintf(out, "config: none\n");
    if (in->tokenizer)
        fprintf(out, "tokenizer: %s, %lld ids\n", in->tokenizer, (long long)in->tokenizer_size);
    else
        fprintf(out, "tokenizer: none\n");
    fprintf(out, "chat template: %s\n", in->has_template ? "yes" : "no");
    for (const inspect_refusal *r = in->refusals; r; r = r->next) {
        fprintf(out, "refused: %s: ", r->part);
        put_text(out, r->why);
        fputc('\n', out);
    }
}

static void json_weights(json_writer *w, const inspection *in) {
    json_write_string_field(w, "container", container_of(in));
    json_write_integer_field(w, "files", in->file.n_files);
    json_write_key(w, "tensors");
    json_write_array(w);
    for (int64_t i = 0; i < in->file.n_tensors; i++) {
        const modelfile_tensor *t = &in->file.tensors[i];
        json_write_object(w);
        json_write_string_field(w, "name", t->name);
        json_write_string_field(w, "format", t->format_name);
        json_write_key(w, "shape");
        json_write_array(w);
        for (int32_t d = 0; d < t->n_dims; d++) json_write_integer(w, t->shape[d]);
        json_write_array_end(w);
        json_write_integer_field(w, "bytes", t->size_bytes);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_key(w, "formats");
    json_write_array(w);
    for (const inspect_total *f = in->totals; f; f = f->next) {
        json_write_object(w);
        json_write_string_field(w, "format", f->first->format_name);
        json_write_bool_field(w, "known", f->first->format != NULL);
        json_write_integer_field(w, "tensors", f->n_tensors);
        json_write_integer_field(w, "elements", f->elems);
        json_write_integer_field(w, "bytes", f->size_bytes);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static void json_config(json_writer *w, const model_config *c) {
    const struct {
        const char *key;
        int64_t value;
    } sizes[] = {{"layers", c->layers},         {"hidden", c->hidden},
                 {"heads", c->heads},           {"kv_heads", c->kv_heads},
                 {"head_size", c->head_size},   {"intermediate", c->intermediate},
                 {"vocabulary", c->vocabulary}, {"positions", c->positions},
                 {"experts", c->experts},       {"experts_per_token", c->experts_per_token},
                 {"window", c->window}};
    json_write_key(w, "config");
    json_write_object(w);
    json_write_string_field(w, "model_type", c->model_type);
    for (int64_t i = 0; i < COUNT_OF(sizes); i++)
        json_write_integer_field(w, sizes[i].key, sizes[i].value);
    json_write_bool_field(w, "tied", c->tied);
    json_write_object_end(w);
}

static status put_json(FILE *out, const inspection *in) {
    json_writer w = json_writer_to_file(in->cx, out, 0);
    json_write_object(&w);
    json_write_string_field(&w, "path", in->path);
    if (in->is_open) json_weights(&w, in);
    if (in->has_config) json_config(&w, &in->config);
    if (in->tokenizer) {
        json_write_key(&w, "tokenizer");
        json_write_object(&w);
        json_write_string_field(&w, "kind", in->tokenizer);
        json_write_integer_field(&w, "size", in->tokenizer_size);
        json_write_object_end(&w);
    }
    json_write_bool_field(&w, "chat_template", in->has_template);
    json_write_key(&w, "refused");
    json_write_array(&w);
    for (const inspect_refusal *r = in->refusals; r; r = r->next) {
        json_write_object(&w);
        json_write_string_field(&w, "part", r->part);
        json_write_string_field(&w, "why", r->why);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status inspect_run(const verb_call *call) {
    const inspect_options *o = call->options;
    inspection in;
    status st;
    TRY_GOTO(done, inspect_read(call->cx, call->memory, call->args[0], &in));
    if (o->json)
        TRY_GOTO(done, put_json(call->out, &in));
    else
        put_report(call->out, &in);
    if (in.refusals)
        st = context_fail(call->cx, in.refusals->code, "not understood: %s: %s", in.refusals->part,
                          in.refusals->why);
done:
    inspect_close(&in);
    return st;
}

extern const verb_def verb_inspect;
const verb_def verb_inspect = {
    .name = "inspect",
    .summary = "show a model's tensors, configuration, tokenizer and what Hone would refuse",
    .example = "hone inspect storyteller",
    .help = "MODEL is a folder with safetensors, one safetensors file or index, or a GGUF file.\n"
            "Succeeds only when everything in it was understood.",
    .positional = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(inspect_options),
    .options = options,
    .run = inspect_run,
};
