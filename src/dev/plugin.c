#include "dev/plugin.h"
#include <dlfcn.h>
#include <string.h>

struct plugin {
    context *cx;
    void *library;
    const plugin_table *table;
};

typedef const plugin_table *plugin_entry(const plugin_host *host);

static status ask(context *cx, const char *path, void *library, const plugin_table **table) {
    static const plugin_host host = {PLUGIN_ABI, op_find, num_find, refuse};
    void *symbol = dlsym(library, "hone_plugin");
    plugin_entry *entry;
    if (!symbol) FAIL(cx, STATUS_BAD_DATA, "'%s' is no plugin of Hone: it lacks hone_plugin", path);
    memcpy(&entry, &symbol, sizeof entry);
    *table = entry(&host);
    if (!*table) FAIL(cx, STATUS_UNSUPPORTED, "plugin '%s' cannot serve on this machine", path);
    if ((*table)->abi != PLUGIN_ABI)
        FAIL(cx, STATUS_UNSUPPORTED, "plugin '%s' was built for interface %u, this is %u", path,
             (*table)->abi, (uint32_t)PLUGIN_ABI);
    return STATUS_OK;
}

status plugin_open(context *cx, const char *path, plugin **out) {
    *out = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) FAIL(cx, STATUS_IO, "plugin '%s' cannot be loaded: %s", path, dlerror());
    const plugin_table *table;
    status st = ask(cx, path, library, &table);
    plugin *p = st == STATUS_OK ? context_alloc(cx, sizeof *p) : NULL;
    if (!p) {
        dlclose(library);
        return st == STATUS_OK ? STATUS_NO_MEMORY : st;
    }
    *p = (plugin){cx, library, table};
    *out = p;
    return STATUS_OK;
}

void plugin_close(plugin *p) {
    if (!p) return;
    dlclose(p->library);
    context_release(p->cx, p);
}

const plugin_table *plugin_get(const plugin *p) {
    return p->table;
}
