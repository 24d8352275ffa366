/* What this machine lets this process use: instruction sets, caches, CPUs, memory. Read once, on
 * first use; afterwards only the instruction-set limit can change. The numbers are what the process
 * may have (affinity mask, cgroup v1 and v2 limits of its group and every group above), not what
 * the host has. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include "base/status.h"
#include <stdbool.h>

/* Each needs all before it. The names are the folders below src/kern. */
typedef enum cpu_isa { ISA_SCALAR, ISA_AVX2, ISA_AVX512, ISA_AMX, ISA_COUNT } cpu_isa;

enum { CPU_MAX = 1024 };

typedef struct cpu_facts {
    char vendor[16], model[64];
    cpu_isa isa;             /* the best that both CPU and operating system support */
    int32_t cpus;            /* in the affinity mask */
    int32_t cpu_id[CPU_MAX]; /* their numbers, ascending */
    double quota;            /* CPUs' worth of time by cgroup; 0: no limit */
    int32_t usable;          /* threads that can run at once: cpus, or the quota rounded up */
    int64_t l3_bytes;        /* of all third-level caches that these CPUs reach; 0: not known */
    int64_t memory_bytes;    /* RAM, or the cgroup's limit where that is less */
} cpu_facts;

/* Of that much in one piece, little is still in a cache that one core reaches when it is read next. */
enum { CPU_FAR_BYTES = 64 << 20 };

const cpu_facts *cpu_get(void);

const char *cpu_isa_name(cpu_isa isa);
/* True and *out set when `name` is an instruction set. */
bool cpu_isa_find(const char *name, cpu_isa *out);
/* The best instruction set to use now: what there is, limited by the last of the two functions below or, until one was
 * called, by the environment's HONE_ISA as it was at first. */
cpu_isa cpu_isa_best(void);
/* Whether kernels of the folder `name` may run now. */
bool cpu_isa_allowed(const char *name);
/* Uses nothing above `name`; refuses a name that is unknown or that this CPU lacks. NULL: no limit.
 * Call it before plans are made, from one thread. */
status cpu_limit_isa(context *cx, const char *name);
/* The same with what the environment's HONE_ISA names now. */
status cpu_take_environment(context *cx);

/* The limits of the cgroups named in `membership` (the form of /proc/self/cgroup) below `mount`; 0:
 * none. */
typedef struct cpu_limits {
    double cpus;
    int64_t memory_bytes;
} cpu_limits;
void cpu_read_limits(const char *membership, const char *mount, cpu_limits *out);

/* The bytes of the third-level caches that these CPUs reach, each counted once, below `folder` (the form of
 * /sys/devices/system/cpu); 0: not known. */
int64_t cpu_read_l3(const char *folder, const int32_t *cpu_id, int32_t cpus);

#endif
