/* Facts come from CPUID (with XGETBV, because a register file that the system does not save is not
 * there), from sched_getaffinity, sysconf, sysfs and the cgroup files. An instruction set counts as present only
 * when every extension is there that its folder is compiled with. AMX state must be asked for from Linux
 * once per process (arch_prctl, ARCH_REQ_XCOMP_PERM), before a thread first touches a tile. */
#include "base/cpu.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARCH_REQ_XCOMP_PERM_ = 0x1023, XFEATURE_TILE_DATA = 18, PATH_BYTES = 1024 };

static cpu_facts facts;
static pthread_once_t facts_once = PTHREAD_ONCE_INIT;
static atomic_int isa_limit = ISA_AMX;

static const char *const isa_names[ISA_COUNT] = {"scalar", "avx2", "avx512", "amx"};

const char *cpu_isa_name(cpu_isa isa) {
    return isa_names[isa];
}

bool cpu_isa_find(const char *name, cpu_isa *out) {
    for (int i = 0; i < ISA_COUNT; i++) {
        if (!strcmp(name, isa_names[i])) {
            *out = (cpu_isa)i;
            return true;
        }
    }
    return false;
}

static bool has(uint32_t word, uint32_t bits) {
    return (word & bits) == bits;
}

static bool request_tiles(void) {
#if defined(__linux__) && defined(SYS_arch_prctl)
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_, XFEATURE_TILE_DATA) == 0;
#else
    return false;
#endif
}

static cpu_isa detect_isa(void) {
    uint32_t leaf0[4], leaf1[4], leaf7[4], leaf7_1[4];
    cpu_id(0, 0, leaf0);
    if (leaf0[0] < 7) return ISA_SCALAR;
    cpu_id(1, 0, leaf1);
    cpu_id(7, 0, leaf7);
    cpu_id(7, 1, leaf7_1);
    if (!has(leaf1[2], 1u << 27)) return ISA_SCALAR; /* OSXSAVE: XGETBV exists */
    uint64_t saved = cpu_saved_states();
    bool avx2 = (saved & 0x6) == 0x6 &&
                has(leaf1[2], 1u << 12 | 1u << 28 | 1u << 29) && /* FMA AVX F16C */
                has(leaf7[1], 1u << 5);
    if (!avx2) return ISA_SCALAR;
    bool avx512 = (saved & 0xe6) == 0xe6 &&
                  has(leaf7[1], 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31) && /* F DQ BW VL */
                  has(leaf7[2], 1u << 11) && has(leaf7_1[0], 1u << 5);        /* VNNI, BF16 */
    if (!avx512) return ISA_AVX2;
    bool amx = (saved & 0x60000) == 0x60000 &&
               has(leaf7[3], 1u << 22 | 1u << 24 | 1u << 25) && /* BF16 TILE INT8 */
               request_tiles();
    return amx ? ISA_AMX : ISA_AVX512;
}

static void read_brand(cpu_facts *f) {
    uint32_t r[4];
    cpu_id(0, 0, r);
    memcpy(f->vendor, &r[1], 4);
    memcpy(f->vendor + 4, &r[3], 4);
    memcpy(f->vendor + 8, &r[2], 4);
    cpu_id(0x80000000u, 0, r);
    if (r[0] < 0x80000004u) return;
    for (uint32_t i = 0; i < 3; i++) {
        cpu_id(0x80000002u + i, 0, r);
        memcpy(f->model + 16 * i, r, 16);
    }
    size_t lead = strspn(f->model, " ");
    memmove(f->model, f->model + lead, strlen(f->model + lead) + 1);
}

static bool read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool ok = fgets(line, (int)size, file) != NULL;
    fclose(file);
    return ok;
}

static void lower_to(int64_t *limit, int64_t n) {
    if (n > 0 && (*limit == 0 || n < *limit)) *limit = n;
}

static void read_group(const char *folder, cpu_limits *out) {
    char path[PATH_BYTES + 64], line[128];
    double quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (!read_line(path, line, sizeof line) || sscanf(line, "%lf %lf", &quota, &period) != 2) {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (read_line(path, line, sizeof line)) quota = strtod(line, NULL);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (read_line(path, line, sizeof line)) period = strtod(line, NULL);
    }
    if (quota > 0 && period > 0 && (out->cpus == 0 || quota / period < out->cpus))
        out->cpus = quota / period;
    const char *const memory[] = {"memory.max", "memory.high", "memory.limit_in_bytes"};
    for (int i = 0; i < COUNT_OF(memory); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, memory[i]);
        if (read_line(path, line, sizeof line))
            lower_to(&out->memory_bytes, strtoll(line, NULL, 10));
    }
}

/* The group and every group above it, up to the mount itself, which is all that a container may
 * see. */
static void read_groups(const char *mount, const char *group, cpu_limits *out) {
    char folder[PATH_BYTES];
    size_t root = strlen(mount);
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", mount, group) >= sizeof folder) return;
    for (;;) {
        read_group(folder, out);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < root) return;
        *slash = 0;
    }
}

void cpu_read_limits(const char *membership, const char *mount, cpu_limits *out) {
    *out = (cpu_limits){0};
    FILE *file = fopen(membership, "re");
    if (!file) return;
    char line[PATH_BYTES], root[PATH_BYTES];
    while (fgets(line, sizeof line, file)) { /* NUMBER:CONTROLLERS:PATH */
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        controllers++;
        *group++ = 0;
        if (!*controllers) {
            read_groups(mount, group, out);
            snprintf(root, sizeof root, "%s/unified", mount);
            read_groups(root, group, out);
            continue;
        }
        char *rest = NULL;
        for (char *name = strtok_r(controllers, ",", &rest); name;
             name = strtok_r(NULL, ",", &rest)) {
            if (strcmp(name, "cpu") != 0 && strcmp(name, "memory") != 0) continue;
            if ((size_t)snprintf(root, sizeof root, "%s/%s", mount, name) < sizeof root)
                read_groups(root, group, out);
        }
    }
    fclose(file);
}

static void read_cpus(cpu_facts *f) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int i = 0; i < CPU_SETSIZE && i < CPU_MAX; i++) {
            if (CPU_ISSET(i, &set)) f->cpu_id[f->cpus++] = i;
        }
    }
    if (f->cpus == 0) f->cpus = 1;
    f->usable = f->cpus;
    if (f->quota > 0 && f->quota < f->cpus)
        f->usable = (int32_t)f->quota + (f->quota > (int32_t)f->quota);
}

static int64_t positive(long n) {
    return n > 0 ? n : 0;
}

/* Adds the CPUs of a list such as 0-3,8. */
static void read_list(const char *list, cpu_set_t *out) {
    for (const char *at = list; *at >= '0' && *at <= '9';) {
        char *end;
        long first = strtol(at, &end, 10);
        long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long i = first; i <= last && i < CPU_SETSIZE; i++) CPU_SET((size_t)i, out);
        at = *end == ',' ? end + 1 : end;
    }
}

/* The third-level cache of one CPU; those who share it are added to `seen`. */
static int64_t read_l3_of(const char *folder, int cpu, cpu_set_t *seen) {
    char cache[PATH_BYTES], path[PATH_BYTES + 32], line[PATH_BYTES];
    for (int index = 0;; index++) {
        snprintf(cache, sizeof cache, "%s/cpu%d/cache/index%d", folder, cpu, index);
        snprintf(path, sizeof path, "%s/level", cache);
        if (!read_line(path, line, sizeof line)) return 0;
        if (strtol(line, NULL, 10) != 3) continue;
        snprintf(path, sizeof path, "%s/shared_cpu_list", cache);
        if (read_line(path, line, sizeof line)) read_list(line, seen);
        snprintf(path, sizeof path, "%s/size", cache);
        return read_line(path, line, sizeof line) ? positive(strtol(line, NULL, 10)) << 10 : 0;
    }
}

int64_t cpu_read_l3(const char *folder, const int32_t *cpu_id, int32_t cpus) {
    cpu_set_t seen;
    int64_t bytes = 0;
    CPU_ZERO(&seen);
    for (int32_t i = 0; i < cpus; i++)
        if (!CPU_ISSET((size_t)cpu_id[i], &seen)) bytes += read_l3_of(folder, cpu_id[i], &seen);
    return bytes;
}

static void read_facts(void) {
    cpu_facts *f = &facts;
    f->isa = detect_isa();
    read_brand(f);
    cpu_limits limits;
    cpu_read_limits("/proc/self/cgroup", "/sys/fs/cgroup", &limits);
    f->quota = limits.cpus;
    read_cpus(f);
    f->l3_bytes = cpu_read_l3("/sys/devices/system/cpu", f->cpu_id, f->cpus);
#ifdef _SC_LEVEL3_CACHE_SIZE /* in a virtual machine, often of the whole socket that it has a part of */
    if (!f->l3_bytes) f->l3_bytes = positive(sysconf(_SC_LEVEL3_CACHE_SIZE));
#endif
    f->memory_bytes = positive(sysconf(_SC_PHYS_PAGES)) * positive(sysconf(_SC_PAGESIZE));
    lower_to(&f->memory_bytes, limits.memory_bytes);
    cpu_isa wanted;
    const char *environment = getenv("HONE_ISA");
    if (environment && cpu_isa_find(environment, &wanted)) atomic_store(&isa_limit, (int)wanted);
}

const cpu_facts *cpu_get(void) {
    pthread_once(&facts_once, read_facts);
    return &facts;
}

cpu_isa cpu_isa_best(void) {
    cpu_isa there = cpu_get()->isa;
    return MIN_OF(there, (cpu_isa)atomic_load_explicit(&isa_limit, memory_order_relaxed));
}

bool cpu_isa_allowed(const char *name) {
    cpu_isa isa;
    return cpu_isa_find(name, &isa) && isa <= cpu_isa_best();
}

static status check_isa(context *cx, const char *name, cpu_isa *isa) {
    if (!cpu_isa_find(name, isa))
        FAIL(cx, STATUS_BAD_ARGUMENT, "instruction set '%s': must be scalar, avx2, avx512 or amx",
             name);
    if (*isa > cpu_get()->isa)
        FAIL(cx, STATUS_UNSUPPORTED, "instruction set %s: this machine has %s at most", name,
             cpu_isa_name(cpu_get()->isa));
    return STATUS_OK;
}

status cpu_limit_isa(context *cx, const char *name) {
    cpu_isa isa = ISA_AMX;
    cpu_get(); /* reads the environment, over which this goes */
    if (name) TRY(check_isa(cx, name, &isa));
    atomic_store(&isa_limit, (int)isa);
    return STATUS_OK;
}

status cpu_take_environment(context *cx) {
    const char *name = getenv("HONE_ISA");
    TRY_NOTE(cx, cpu_limit_isa(cx, name && *name ? name : NULL), "environment variable HONE_ISA");
    return STATUS_OK;
}
