/* `hone version`: this build, and what it may use of this machine. */
#include "base/cpu.h"
#include "base/options.h"
#include "hone/version.h"

typedef struct version_options {
    bool json;
} version_options;

static const option_def options[] = {
    OPTION(version_options, json, OPTION_BOOL, .help = "print one JSON object"), {0}};

static status version_run(const verb_call *call) {
    const version_options *o = call->options;
    const cpu_facts *f = cpu_get();
    const char *format =
        o->json ? "{\"version\":\"%s\",\"isa\":\"%s\",\"cpus\":%d,\"memory_bytes\":%lld}\n"
                : "hone %s (%s, %d CPUs, %lld bytes of memory)\n";
    fprintf(call->out, format, hone_version(), cpu_isa_name(cpu_isa_best()), (int)f->usable,
            (long long)f->memory_bytes);
    return STATUS_OK;
}

extern const verb_def verb_version;
const verb_def verb_version = {
    .name = "version",
    .summary = "print the version and what it can use of this machine",
    .example = "hone version",
    .options_bytes = sizeof(version_options),
    .options = options,
    .run = version_run,
};
