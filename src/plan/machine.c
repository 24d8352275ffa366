/* Built-in profiles: dense peaks without sparsity, from the makers' data sheets; of CPUs cores x base clock x
 * operations a cycle, and channels x transfer rate. What real work reaches of a published peak is taken as 0.5 of the
 * arithmetic and 0.8 of the bandwidth, about what published training runs report (PaLM 0.46, Llama 3 0.38 to 0.43,
 * MLPerf entries up to 0.6 of the peak). */
#include "plan/machine.h"
#include "base/file.h"
#include "base/options.h"
#include <stdio.h>
#include <string.h>

enum { GIB = 1 << 30 };
#define PUBLISHED .devices = 1, .reached = 0.5, .carried = 0.8, .source = "published peaks"
const machine machine_profiles[] = {
    {"a100-80g", 19.5e12, 312e12, 624e12, 2039e9, 80ll * GIB, .watts = 400, PUBLISHED},
    {"h100-sxm", 67e12, 989e12, 1979e12, 3350e9, 80ll * GIB, .watts = 700, PUBLISHED},
    {"h200", 67e12, 989e12, 1979e12, 4800e9, 141ll * GIB, .watts = 700, PUBLISHED},
    {"mi300x", 163.4e12, 1307e12, 2615e12, 5300e9, 192ll * GIB, .watts = 750, PUBLISHED},
    {"l4", 30.3e12, 121e12, 242e12, 300e9, 24ll * GIB, .watts = 72, PUBLISHED},
    {"rtx-4090", 82.6e12, 165e12, 661e12, 1008e9, 24ll * GIB, .watts = 450, PUBLISHED},
    {"epyc-9654", 7.37e12, 14.7e12, 29.5e12, 460e9, 768ll * GIB, .watts = 360, PUBLISHED},
    {"epyc-9755", 22.1e12, 44.2e12, 88.5e12, 614e9, 768ll * GIB, .watts = 500, PUBLISHED},
    {"xeon-8480", 7.17e12, 114e12, 229e12, 307e9, 512ll * GIB, .watts = 350, PUBLISHED},
    {0}};

/* The keys of a profile's file. */
typedef struct profile_file {
    const char *name;
    double f32_gflops, bf16_gflops, int8_gops, bandwidth_gbs, watts, price_per_hour, reached,
        carried;
    int64_t memory, devices;
} profile_file;
static const option_def file_options[] = {
    OPTION(profile_file, name, OPTION_STRING, .help = "what the machine is called"),
    OPTION(profile_file, f32_gflops, OPTION_DOUBLE, RANGE_ABOVE(0, 1e9), .required = true,
           .help = "billions of f32 operations a second"),
    OPTION(profile_file, bf16_gflops, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e9),
           .help = "the same for bf16; 0: as f32"),
    OPTION(profile_file, int8_gops, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e9),
           .help = "the same for int8; 0: as bf16"),
    OPTION(profile_file, bandwidth_gbs, OPTION_DOUBLE, RANGE_ABOVE(0, 1e6), .required = true,
           .help = "memory bandwidth in GB/s"),
    OPTION(profile_file, memory, OPTION_SIZE, RANGE_ABOVE(0, 1e18), .required = true,
           .help = "memory of a device"),
    OPTION(profile_file, devices, OPTION_INT, .initial = "1", RANGE(1, 1e6),
           .help = "how many work together"),
    OPTION(profile_file, watts, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e6),
           .help = "of a device under load"),
    OPTION(profile_file, price_per_hour, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e6),
           .help = "of a device"),
    OPTION(profile_file, reached, OPTION_DOUBLE, .initial = "0.5", RANGE_ABOVE(0, 1),
           .help = "share of the arithmetic that real work reaches"),
    OPTION(profile_file, carried, OPTION_DOUBLE, .initial = "0.8", RANGE_ABOVE(0, 1),
           .help = "share of the bandwidth that real work reaches"),
    {0}};
static const verb_def file_verb = {.name = "hardware profile",
                                   .summary = "a machine",
                                   .options_bytes = sizeof(profile_file),
                                   .options = file_options};

static status read_file(arena *mem, const char *path, machine *out) {
    file_map map;
    verb_call call;
    TRY(file_map_open(mem->cx, path, &map));
    status st = options_read_job(mem, &file_verb, path, map.bytes, (size_t)map.size_bytes, &call);
    file_map_close(&map);
    TRY(st);
    const profile_file *f = call.options;
    *out = (machine){.name = f->name ? f->name : path,
                     .f32 = 1e9 * f->f32_gflops,
                     .bf16 = 1e9 * f->bf16_gflops,
                     .int8 = 1e9 * f->int8_gops,
                     .bandwidth = 1e9 * f->bandwidth_gbs,
                     .memory = f->memory,
                     .devices = f->devices,
                     .watts = f->watts,
                     .price = f->price_per_hour,
                     .reached = f->reached,
                     .carried = f->carried,
                     .source = path};
    return STATUS_OK;
}

status machine_find(arena *mem, const char *name, machine *out) {
    const char *names[COUNT_OF(machine_profiles)];
    int64_t n = 0;
    for (const machine *m = machine_profiles; m->name; m++) {
        names[n++] = m->name;
        if (strcmp(m->name, name)) continue;
        *out = *m;
        return STATUS_OK;
    }
    if (file_exists(name)) return read_file(mem, name, out);
    char list[512] = "";
    for (int64_t i = 0; i < n; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = options_nearest(name, names, n);
    FAIL(mem->cx, STATUS_BAD_ARGUMENT,
         "--hardware '%s' is neither 'this', a file, nor a known machine (%s)%s%s%s", name, list,
         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

double machine_rate(const machine *m, machine_type type) {
    double bf16 = m->bf16 > 0 ? m->bf16 : m->f32;
    if (type == MACHINE_F32) return m->f32;
    return type == MACHINE_BF16 || !(m->int8 > 0) ? bf16 : m->int8;
}
