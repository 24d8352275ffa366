/* Entries from outside: a shared library that brings ops and kernels of its own (another device, another
 * instruction set) beside those that the build has listed. It exports one function,
 *     const plugin_table *hone_plugin(const plugin_host *host);
 * which gets what it needs of Hone through `host` and answers with its table, or NULL if it cannot serve here. */
#ifndef DEV_PLUGIN_H
#define DEV_PLUGIN_H

#include "dev/kernel.h"

enum { PLUGIN_ABI = 1 }; /* changes whenever a struct that crosses the border does */

typedef struct plugin_host {
    uint32_t abi;
    const op_def *(*op_find)(const char *name);
    const num_format *(*num_find)(const char *name);
    bool (*refuse)(reason *why, const char *fmt, ...);
} plugin_host;

typedef struct plugin_table {
    uint32_t abi;
    const char *name;
    const op_def *const *ops;         /* closed by NULL, or NULL */
    const kernel_def *const *kernels; /* closed by NULL, or NULL; tried before those of the build */
} plugin_table;

typedef struct plugin plugin;
/* Refuses by name what is no plugin, has another ABI or cannot serve here. */
status plugin_open(context *cx, const char *path, plugin **out);
/* After every plan that uses it. NULL is fine. */
void plugin_close(plugin *p);
const plugin_table *plugin_get(const plugin *p);

#endif
