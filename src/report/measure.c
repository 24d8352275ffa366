/* One model's row: its files, its quality beside the reference's, its engine's speed, its lineage. */
#include "base/log.h"
#include "eval/choice.h"
#include "eval/divergence.h"
#include "eval/document_text.h"
#include "report/report.h"
#include "report/speed.h"
#include <math.h>
#include <string.h>

/* ---- size ---- */

static int64_t stored_bytes(const modelfile *m) {
    int64_t bytes = 0;
    if (m->kind == MODELFILE_GGUF)
        for (int64_t i = 0; i < m->gguf.n_tensors; i++) bytes += m->gguf.tensors[i].size_bytes;
    else
        for (int64_t i = 0; i < m->safetensors.n_tensors; i++)
            bytes += m->safetensors.tensors[i].size_bytes;
    return bytes;
}

static void measure_size(const modelfile *m, report_row *out) {
    for (int64_t i = 0; i < m->n_tensors; i++) out->parameters += modelfile_elems(&m->tensors[i]);
    for (int32_t i = 0; i < m->n_files; i++)
        out->bytes += m->kind == MODELFILE_GGUF ? m->gguf.files[i].map.size_bytes
                                                : m->safetensors.files[i].map.size_bytes;
    out->bits_per_weight = 8 * (double)stored_bytes(m) / (double)MAX_OF(out->parameters, 1);
}

/* ---- quality ---- */

static status measure_perplexity(likelihood *l, const report_options *o, const document_text *text,
                                 report_row *out) {
    perplexity_options how = {.begin = o->begin, .ends = text->ends, .documents = text->documents};
    perplexity_result r;
    TRY(perplexity_run(l, text->bytes, text->size_bytes, &how, &r));
    out->perplexity = r.perplexity;
    out->perplexity_error = r.standard_error;
    return STATUS_OK;
}

/* Beside the reference; where that has another tokenizer, the perplexity alone. */
static status measure_divergence(likelihood *l, const report_options *o, const document_text *text,
                                 report_row *out) {
    likelihood reference;
    divergence_result r;
    perplexity_options how = {.begin = o->begin, .ends = text->ends, .documents = text->documents};
    TRY(likelihood_open(l->cx, o->reference, o->tokenizer, &l->options, &reference));
    status st = divergence_check(l, &reference, text->bytes, text->size_bytes);
    if (st == STATUS_BAD_ARGUMENT) {
        log_warning("%s", context_error(l->cx));
        context_clear(l->cx);
        st = measure_perplexity(l, o, text, out);
    } else if (st == STATUS_OK) {
        st = divergence_run(l, &reference, text->bytes, text->size_bytes, &how, &r);
        if (st == STATUS_OK) {
            out->perplexity = r.model.perplexity;
            out->perplexity_error = r.model.standard_error;
            out->kl = r.kl, out->kl_error = r.kl_error, out->top1 = r.top1;
        }
    }
    likelihood_close(&reference);
    return st;
}

static status measure_tasks(likelihood *l, const report_options *o, report_row *out) {
    file_map text;
    choice_result r;
    TRY(file_map_open(l->cx, o->tasks, &text));
    status st = choice_run(l, o->tasks, text.bytes, text.size_bytes,
                           &(choice_options){.begin = o->begin}, &r);
    file_map_close(&text);
    TRY(st);
    out->accuracy = r.accuracy;
    out->accuracy_error = r.accuracy_error;
    return STATUS_OK;
}

static status measure_quality(context *cx, const report_options *o, report_row *out) {
    likelihood l;
    document_text text;
    likelihood_options how = o->how;
    bool itself = o->reference && !strcmp(o->reference, out->model);
    how.keeps_logits = o->reference && !itself;
    TRY(document_text_open(cx, o->text, &text));
    status st = likelihood_open(cx, out->model, o->tokenizer, &how, &l);
    if (st == STATUS_OK) {
        st = how.keeps_logits ? measure_divergence(&l, o, &text, out)
                              : measure_perplexity(&l, o, &text, out);
        if (itself) out->kl = out->kl_error = 0, out->top1 = 1;
        if (st == STATUS_OK && o->tasks) st = measure_tasks(&l, o, out);
        likelihood_close(&l);
    }
    document_text_close(&text);
    return st;
}

/* ---- making ---- */

static int64_t most_memory(const lineage *l) {
    int64_t most = l->peak_bytes;
    for (int64_t i = 0; i < l->n_parents; i++) most = MAX_OF(most, most_memory(&l->parents[i]));
    return most;
}

status report_measure(arena *mem, const report_options *o, const char *name, report_row *out) {
    context *cx = mem->cx;
    model *m;
    *out = (report_row){.model = name,
                        .perplexity = NAN,
                        .perplexity_error = NAN,
                        .kl = NAN,
                        .kl_error = NAN,
                        .top1 = NAN,
                        .accuracy = NAN,
                        .accuracy_error = NAN};
    TRY(lineage_read(mem, name, &out->lineage, &out->has_lineage));
    out->cost_flops = lineage_flops(&out->lineage);
    out->cost_seconds = lineage_seconds(&out->lineage);
    out->cost_peak_bytes = most_memory(&out->lineage);
    TRY(measure_quality(cx, o, out));
    TRY(model_open(cx, name, &m));
    measure_size(&m->file, out);
    status st = STATUS_OK;
    speed_figures s = {.prefill_rate = NAN, .decode_rate = NAN};
    const char *act = o->how.w8a8 ? o->how.w8a8->name : o->how.act_bf16 ? "bf16" : "int8";
    if (!o->skips_speed) st = speed_measure(m, act, o->how.threads, &s);
    out->prefill_rate = s.prefill_rate, out->decode_rate = s.decode_rate;
    out->resident_bytes = s.resident_bytes, out->peak_bytes = s.peak_bytes;
    model_close(m);
    return st;
}
