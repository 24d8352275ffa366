/* `hone ops`: what ops there are; of one, its equation, parameters, gradient and kernels. */
#include "base/json_write.h"
#include "base/options.h"
#include "dev/kernel.h"
#include <string.h>

typedef struct ops_options {
    bool json;
} ops_options;

static const option_def options[] = {
    OPTION(ops_options, json, OPTION_BOOL, .help = "print one JSON object a line"), {0}};

static const char *gradient_of(const op_def *op) {
    if (op->no_grad) return "none";
    return op->grad_once ? "once" : "yes";
}

static int32_t count_kernels(const op_def *op, const char *isa) {
    int32_t count = 0;
    for (int32_t f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++)
            count += (*k)->op == op && !strcmp((*k)->isa, isa);
    return count;
}

static const char *const isas[] = {"scalar", "avx2", "avx512", "amx"};

static const char *const field_words[] = {
    [FIELD_INT32] = "whole number", [FIELD_INT64] = "whole number",
    [FIELD_DOUBLE] = "number",      [FIELD_BOOL] = "yes or no",
    [FIELD_FORMAT] = "format",      [FIELD_INT64S] = "whole numbers"};

static status put_json(const verb_call *call, const op_def *op) {
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_string_field(&w, "name", op->name);
    json_write_string_field(&w, "help", op->help ? op->help : "");
    json_write_integer_field(&w, "operands", op->n_in);
    json_write_integer_field(&w, "outputs", op->n_out);
    json_write_string_field(&w, "gradient", gradient_of(op));
    json_write_bool_field(&w, "expands", op->expand != NULL);
    json_write_key(&w, "parameters");
    json_write_object(&w);
    for (const field *f = op->fields; f && f->name; f++)
        json_write_string_field(&w, f->name, field_words[f->kind]);
    json_write_object_end(&w);
    json_write_key(&w, "kernels");
    json_write_array(&w);
    for (int32_t f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++)
            if ((*k)->op == op) json_write_string(&w, (*k)->name);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static void put_line(const verb_call *call, const op_def *op) {
    fprintf(call->out, "%-16s %-8s", op->name, gradient_of(op));
    for (int32_t i = 0; i < COUNT_OF(isas); i++) {
        int32_t count = count_kernels(op, isas[i]);
        if (count)
            fprintf(call->out, " %6d", count);
        else
            fprintf(call->out, " %6s", "-");
    }
    fprintf(call->out, "  %s\n", op->help ? op->help : "");
}

static void put_one(const verb_call *call, const op_def *op) {
    fprintf(call->out, "%s: %s\n", op->name, op->help ? op->help : "");
    if (op->n_in < 0)
        fprintf(call->out, "operands: one or more\n");
    else
        fprintf(call->out, "operands: %d\n", op->n_in);
    for (int32_t i = 0; i < op->n_in; i++)
        if (op->optional >> i & 1) fprintf(call->out, "  operand %d may be absent\n", i);
    fprintf(call->out, "outputs: %d\ngradient: %s%s\n", op->n_out, gradient_of(op),
            op->expand ? "; expands into plainer ops" : "");
    for (const field *f = op->fields; f && f->name; f++)
        fprintf(call->out, "  parameter %s: %s\n", f->name, field_words[f->kind]);
    fprintf(call->out, "kernels, beside the reference:\n");
    for (int32_t f = 0; registry_kernel[f]; f++)
        for (const kernel_def *const *k = registry_kernel[f]; *k; k++)
            if ((*k)->op == op) fprintf(call->out, "  %s (order %u)\n", (*k)->name, (*k)->order);
}

static status ops_run(const verb_call *call) {
    const ops_options *o = call->options;
    if (call->n_args) {
        const op_def *op = op_find(call->args[0]);
        if (!op)
            FAIL(call->cx, STATUS_BAD_ARGUMENT, "there is no op '%s'; `hone ops` lists them",
                 call->args[0]);
        if (o->json) return put_json(call, op);
        put_one(call, op);
        return STATUS_OK;
    }
    if (!o->json)
        fprintf(call->out, "%-16s %-8s %6s %6s %6s %6s\n", "op", "gradient", "scalar", "avx2",
                "avx512", "amx");
    for (int32_t i = 0; registry_op[i]; i++) {
        if (o->json)
            TRY(put_json(call, registry_op[i]));
        else
            put_line(call, registry_op[i]);
    }
    return STATUS_OK;
}

extern const verb_def verb_ops;
const verb_def verb_ops = {
    .name = "ops",
    .summary = "list the ops: gradient, and kernels for each instruction set",
    .example = "hone ops matmul",
    .help = "Every op also runs through its scalar reference. With the name of an op: its "
            "equation, operands, "
            "parameters and kernels.",
    .positional = "[OP]",
    .max_args = 1,
    .options_bytes = sizeof(ops_options),
    .options = options,
    .run = ops_run,
};
