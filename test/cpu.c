/* Facts of the machine: plausible here, and right for made-up cgroup trees of both versions and made-up caches. */
#include "test.h"
#include "base/cpu.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void facts(test *t) {
    const cpu_facts *f = cpu_get();
    CHECK(t, f == cpu_get() && f->cpus >= 1 && f->usable >= 1 && f->usable <= f->cpus);
    for (int i = 1; i < f->cpus; i++) CHECK(t, f->cpu_id[i] > f->cpu_id[i - 1]);
    CHECK(t, f->memory_bytes > 1 << 20, "%lld", (long long)f->memory_bytes);
    printf("  %s, %s, %d CPUs, %d usable, %.1f GiB\n", f->model, cpu_isa_name(f->isa), f->cpus,
           f->usable, (double)f->memory_bytes / (1 << 30));
}

static void isa_limit(test *t) {
    context *cx = context_new();
    unsetenv("HONE_ISA");
    CHECK_OK(t, cx, cpu_take_environment(cx));
    cpu_isa best = cpu_get()->isa;
    CHECK(t, cpu_isa_best() == best && cpu_isa_allowed("scalar") && !cpu_isa_allowed("sse9"));
    CHECK(t, cpu_isa_allowed(cpu_isa_name(best)));
    setenv("HONE_ISA", "scalar", 1);
    CHECK_OK(t, cx, cpu_take_environment(cx));
    CHECK(t, cpu_isa_best() == ISA_SCALAR && !cpu_isa_allowed("avx2"));
    setenv("HONE_ISA", "sse9", 1);
    CHECK_FAILS(t, cx, cpu_take_environment(cx), STATUS_BAD_ARGUMENT,
                "HONE_ISA: instruction set 'sse9'");
    CHECK_FAILS(t, cx, cpu_limit_isa(cx, "mmx"), STATUS_BAD_ARGUMENT,
                "scalar, avx2, avx512 or amx");
    CHECK_OK(t, cx, cpu_limit_isa(cx, "scalar"));
    CHECK(t, cpu_isa_best() == ISA_SCALAR);
    if (best < ISA_AMX) {
        CHECK_FAILS(t, cx, cpu_limit_isa(cx, "amx"), STATUS_UNSUPPORTED, "at most");
    }
    CHECK_OK(t, cx, cpu_limit_isa(cx, NULL));
    CHECK(t, cpu_isa_best() == best, "the option goes before the environment");
    context_free(cx);
}

static void put(test *t, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", test_folder(t), name);
    for (char *slash = path + strlen(test_folder(t)) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    if (!file) return;
    fputs(text, file);
    fclose(file);
}

static cpu_limits limits_here(test *t) {
    char membership[512];
    snprintf(membership, sizeof membership, "%s/self", test_folder(t));
    cpu_limits limits;
    cpu_read_limits(membership, test_folder(t), &limits);
    return limits;
}

static void cgroup_v2(test *t) {
    put(t, "self", "0::/outer/inner\n");
    put(t, "outer/inner/cpu.max", "max 100000\n");
    put(t, "outer/inner/memory.max", "max\n");
    cpu_limits l = limits_here(t);
    CHECK(t, l.cpus == 0 && l.memory_bytes == 0);
    put(t, "outer/cpu.max", "150000 100000\n");
    put(t, "outer/memory.max", "1073741824\n");
    put(t, "outer/inner/memory.high", "2147483648\n");
    l = limits_here(t);
    CHECK(t, l.cpus == 1.5 && l.memory_bytes == 1 << 30, "%f", l.cpus);
    put(t, "cpu.max", "50000 100000\n");
    CHECK(t, limits_here(t).cpus == 0.5, "the group at the mount counts too");
}

static void cgroup_v1(test *t) {
    put(t, "self", "5:cpu,cpuacct:/box\n4:memory:/box\n9:name=systemd:/\n");
    put(t, "cpu/box/cpu.cfs_quota_us", "-1\n");
    put(t, "cpu/box/cpu.cfs_period_us", "100000\n");
    put(t, "memory/box/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK(t, limits_here(t).cpus == 0);
    put(t, "cpu/box/cpu.cfs_quota_us", "300000\n");
    put(t, "memory/memory.limit_in_bytes", "4096\n");
    cpu_limits l = limits_here(t);
    CHECK(t, l.cpus == 3 && l.memory_bytes == 4096, "%f %lld", l.cpus, (long long)l.memory_bytes);
}

static void put_l3(test *t, int cpu, const char *size, const char *list) {
    char name[64];
    const char *const files[][2] = {
        {"index0/level", "1\n"}, {"index0/size", "48K\n"},         {"index1/level", "3\n"},
        {"index1/size", size},   {"index1/shared_cpu_list", list},
    };
    for (int i = 0; i < COUNT_OF(files); i++) {
        snprintf(name, sizeof name, "cpu%d/cache/%s", cpu, files[i][0]);
        put(t, name, files[i][1]);
    }
}

/* Two caches of 32 MiB and one of 16; a CPU without any. */
static void caches(test *t) {
    put_l3(t, 0, "32768K\n", "0-1,8-9\n");
    put_l3(t, 1, "32768K\n", "0-1,8-9\n");
    put_l3(t, 2, "32768K\n", "2\n");
    put_l3(t, 3, "16384K\n", "3\n");
    put(t, "cpu4/cache/index0/level", "1\n");
    const char *folder = test_folder(t);
    CHECK(t, cpu_read_l3(folder, (int32_t[]){0, 1}, 2) == 32 << 20, "shared: counted once");
    CHECK(t, cpu_read_l3(folder, (int32_t[]){1, 2, 3, 4}, 4) == 80 << 20);
    CHECK(t, cpu_read_l3(folder, (int32_t[]){4, 5}, 2) == 0);
}

const test_case suite_cpu[] = {{"facts", facts},         {"isa_limit", isa_limit},
                               {"cgroup_v2", cgroup_v2}, {"cgroup_v1", cgroup_v1},
                               {"caches", caches},       {0}};
