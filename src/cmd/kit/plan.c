/* The shared parts of `hone plan` (cmd/kit/plan.h). */
#include "cmd/kit/plan.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/time.h"
#include "plan/calibrate.h"
#include <math.h>
#include <string.h>

const char *const plan_tag_names[TAG_COUNT] = {[TAG_PARAMETER] = "weights",
                                               [TAG_PACKED] = "packed",
                                               [TAG_GRADIENT] = "gradients",
                                               [TAG_OPTIMISER] = "optimiser",
                                               [TAG_ACTIVATION] = "activations",
                                               [TAG_KV] = "kv",
                                               [TAG_COMMUNICATION] = "communication",
                                               [TAG_TIER] = "tier",
                                               [TAG_INPUT] = "inputs",
                                               [TAG_SCRATCH] = "scratch"};

/* ---- the model ---- */

static status read_config(const verb_call *call, const char *path, model_config *out) {
    file_map map;
    TRY(file_map_open(call->cx, path, &map));
    status st = model_config_read(call->cx, path, map.bytes, map.size_bytes, out);
    file_map_close(&map);
    return st;
}

static bool is_description(const char *name) {
    size_t length = strlen(name);
    return length > 5 && !strcmp(name + length - 5, ".json");
}

static bool is_preset(const char *name) {
    for (int64_t i = 0; model_preset_names[i]; i++)
        if (!strcmp(model_preset_names[i], name)) return true;
    return false;
}

status plan_find_model(const verb_call *call, const char *preset, model_config *out) {
    const char *name = preset ? preset : call->n_args ? call->args[0] : NULL;
    if (!name) FAIL(call->cx, STATUS_BAD_ARGUMENT, "which model? give MODEL, or --preset");
    if (preset && call->n_args)
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "which model, '%s' or --preset %s? give one of them",
             call->args[0], preset);
    if (is_preset(name)) return model_preset(call->cx, name, out);
    if (is_description(name)) return read_config(call, name, out);
    if (file_is_folder(name)) {
        const char *path = arena_printf(call->memory, "%s/config.json", name);
        return path ? read_config(call, path, out) : STATUS_NO_MEMORY;
    }
    if (file_exists(name)) {
        model *m;
        TRY(model_open(call->cx, name, &m));
        *out = m->config;
        model_close(m);
        return STATUS_OK;
    }
    int64_t n = 0;
    while (model_preset_names[n]) n++;
    const char *nearest = options_nearest(name, model_preset_names, n);
    FAIL(call->cx, STATUS_BAD_ARGUMENT,
         "'%s' is neither a preset, a model folder, a config.json nor a GGUF file%s%s%s", name,
         nearest ? "; did you mean the preset '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

const char *plan_model_path(const verb_call *call) {
    const char *name = call->n_args ? call->args[0] : NULL;
    bool files = name && !is_preset(name) && !is_description(name) && file_exists(name);
    return files ? name : NULL;
}

const char *plan_main_format(const model *m) {
    const num_format *best = NULL;
    int64_t most = 0;
    for (int64_t i = 0; i < m->file.n_tensors; i++) {
        int64_t values = 0;
        for (int64_t k = 0; k < m->file.n_tensors; k++)
            if (m->file.tensors[k].format == m->file.tensors[i].format)
                values += modelfile_elems(&m->file.tensors[k]);
        if (values <= most) continue;
        most = values;
        best = m->file.tensors[i].format;
    }
    return best ? best->name : "bf16";
}

const char *plan_own_format(const verb_call *call) {
    model *m;
    const char *format = "bf16", *path = plan_model_path(call);
    if (path && model_open(call->cx, path, &m) == STATUS_OK) {
        format = plan_main_format(m);
        model_close(m);
    }
    context_clear(call->cx);
    return format;
}

/* ---- the machine ---- */

/* No machine tells what it draws: a CPU is taken to draw what the published 500 W of 128 cores are a core. */
static const double watts_of_core = 3.9;

void plan_rate_machine(bench *b, machine *out) {
    static const roof_kind kinds[] = {ROOF_F32, ROOF_BF16, ROOF_INT8, ROOF_READ, ROOF_COPY};
    double rate[COUNT_OF(kinds)];
    progress shown;
    progress_begin(&shown, "measuring this machine", COUNT_OF(kinds));
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        rate[i] = bench_roof_rate(b, kinds[i]);
        progress_show(&shown, i + 1, NULL);
    }
    progress_end(&shown);
    *out = (machine){.name = "this machine",
                     .f32 = rate[0],
                     .bf16 = rate[1],
                     .int8 = rate[2],
                     .bandwidth = fmax(rate[3], rate[4]),
                     .memory = cpu_get()->memory_bytes,
                     .devices = 1,
                     .reached = 0.7,
                     .carried = 0.8,
                     .threads = b->threads,
                     .watts = watts_of_core * b->threads,
                     .source = "measured now, its energy by published watts of a core"};
}

status plan_measure_machine(context *cx, int64_t threads, machine *out) {
    bench b;
    TRY(bench_open(cx, threads, &b));
    plan_rate_machine(&b, out);
    bench_close(&b);
    return STATUS_OK;
}

status plan_calibrate_train(const verb_call *call, machine *m) {
    progress shown;
    calibration c = {.m = m, .shown = &shown};
    progress_begin(&shown, "what training reaches of it", 2 * CALIBRATE_TRAIN_PIECES);
    status st = calibrate_train(call->cx, &c, num_find("f32"));
    if (st == STATUS_OK) st = calibrate_train(call->cx, &c, num_find("bf16"));
    progress_end(&shown);
    return st == STATUS_OK ? calibrate_end(&c, call->memory) : st;
}

status plan_calibrate_serve(const verb_call *call, machine *m, const char *weights,
                            const char *act) {
    progress shown;
    calibration c = {.m = m, .shown = &shown};
    progress_begin(&shown, "what serving reaches of it", CALIBRATE_SERVE_PIECES);
    status st = calibrate_serve(call->cx, &c, weights, act);
    progress_end(&shown);
    return st == STATUS_OK ? calibrate_end(&c, call->memory) : st;
}

bool plan_is_here(const char *hardware) {
    return !strcmp(hardware, "this");
}

status plan_find_machine(const verb_call *call, const char *name, int64_t devices, machine *out) {
    TRY(plan_is_here(name) ? plan_measure_machine(call->cx, 0, out)
                           : machine_find(call->memory, name, out));
    if (devices) out->devices = devices;
    return STATUS_OK;
}

/* ---- amounts ---- */

plan_text plan_count(double n) {
    static const char *const names[] = {"", " thousand", " million", " billion", " trillion"};
    plan_text t;
    int k = 0;
    while (k < COUNT_OF(names) - 1 && fabs(n) >= 1000) n /= 1000, k++;
    if (fabs(n) >= 1000)
        snprintf(t.text, sizeof t.text, "%.3g", n * pow(1000, k));
    else
        snprintf(t.text, sizeof t.text, k ? "%.2f%s" : "%.0f%s", n, names[k]);
    return t;
}

plan_text plan_bytes(double bytes) {
    plan_text t;
    double mib = bytes / (1 << 20);
    if (mib < 1)
        snprintf(t.text, sizeof t.text, "%.1f KiB", mib * 1024);
    else if (mib < 1024)
        snprintf(t.text, sizeof t.text, "%.1f MiB", mib);
    else
        snprintf(t.text, sizeof t.text, "%.2f GiB", mib / 1024);
    return t;
}

plan_text plan_span(double seconds) {
    plan_text t;
    if (seconds < 1)
        snprintf(t.text, sizeof t.text, "%.1f ms", 1e3 * seconds);
    else if (seconds > 3e9)
        snprintf(t.text, sizeof t.text, "%.3g years", seconds / 31557600);
    else
        time_span_text(seconds, t.text, sizeof t.text);
    return t;
}

void plan_put_machine(FILE *out, const machine *m) {
    fprintf(out, "machine        %s (%s)", m->name, m->source);
    if (m->devices > 1) fprintf(out, " x %lld", (long long)m->devices);
    fprintf(out, ": f32 %s, bf16 %s, int8 %s operations/s, %.3g GB/s, %s\n",
            plan_count(m->f32).text, plan_count(m->bf16).text, plan_count(m->int8).text,
            1e-9 * m->bandwidth, plan_bytes((double)m->memory).text);
    fprintf(out,
            "               of which real work reaches %.0f%% of the arithmetic and %.0f%% of the "
            "bandwidth\n",
            100 * m->reached, 100 * m->carried);
}

void plan_put_bytes(FILE *out, const estimate_bytes *b) {
    for (int t = 0; t < TAG_COUNT; t++)
        if (b->tag[t])
            fprintf(out, "  %-12s %s\n", plan_tag_names[t], plan_bytes((double)b->tag[t]).text);
    fprintf(out, "  %-12s %s\n", "tables", plan_bytes((double)b->tables).text);
    fprintf(out, "  %-12s %s\n", "together", plan_bytes((double)b->total).text);
}

void plan_json_bytes(json_writer *w, const estimate_bytes *b) {
    json_write_key(w, "bytes");
    json_write_object(w);
    for (int t = 0; t < TAG_COUNT; t++) json_write_integer_field(w, plan_tag_names[t], b->tag[t]);
    json_write_integer_field(w, "tables", b->tables);
    json_write_integer_field(w, "total", b->total);
    json_write_object_end(w);
}

void plan_json_machine(json_writer *w, const machine *m) {
    json_write_key(w, "machine");
    json_write_object(w);
    json_write_string_field(w, "name", m->name);
    json_write_string_field(w, "source", m->source);
    json_write_integer_field(w, "devices", m->devices);
    json_write_number_field(w, "f32", m->f32);
    json_write_number_field(w, "bf16", m->bf16);
    json_write_number_field(w, "int8", m->int8);
    json_write_number_field(w, "bandwidth", m->bandwidth);
    json_write_integer_field(w, "memory", m->memory);
    json_write_object_end(w);
}
