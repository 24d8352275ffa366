/* oneDNN 2 as a peer for matrix products, loaded through its C API when it is installed. Descriptors are opaque here:
 * room that is more than large enough. Where the case packs its weight beforehand, oneDNN may choose the weight's
 * layout too. */
#include "base/time.h"
#include "cmd/kit/bench.h"
#include <dlfcn.h>
#include <string.h>

enum { DESC_BYTES = 4096, TYPE_BF16 = 2, TYPE_F32 = 3, TYPE_S32 = 4, TYPE_S8 = 5, TAG_ANY = 1 };
enum { ARG_SRC = 1, ARG_DST = 17, ARG_WEIGHTS = 33, QUERY_WEIGHTS = 131, ENGINE_CPU = 1 };

typedef struct desc {
    ALIGNED(64) char opaque[DESC_BYTES];
} desc;
typedef struct argument {
    int which;
    void *memory;
} argument;

typedef struct library {
    void *handle;
    void (*set_threads)(int);
    int (*engine_create)(void **, int, size_t);
    int (*engine_destroy)(void *);
    int (*stream_create)(void **, void *, unsigned);
    int (*stream_destroy)(void *);
    int (*stream_wait)(void *);
    int (*by_strides)(desc *, int, const int64_t *, int, const int64_t *);
    int (*by_tag)(desc *, int, const int64_t *, int, int);
    int (*matmul_init)(desc *, const desc *, const desc *, const desc *, const desc *);
    int (*pd_create)(void **, const desc *, const void *, void *, const void *);
    int (*pd_destroy)(void *);
    const desc *(*pd_query)(const void *, int, int);
    size_t (*desc_bytes)(const desc *);
    int (*primitive_create)(void **, const void *);
    int (*primitive_destroy)(void *);
    int (*memory_create)(void **, const desc *, void *, void *);
    int (*memory_destroy)(void *);
    int (*execute)(const void *, void *, int, const argument *);
} library;

struct bench_peer {
    context *cx;
    library lib;
    void *engine, *stream, *pd, *primitive;
    void *memory[3], *data[3];
    desc md[3], op;
    int64_t repeat;
};

static void *find(library *l, const char *name, bool *ok) {
    void *at = dlsym(l->handle, name);
    *ok &= at != NULL;
    return at;
}

/* A function pointer from dlsym's object pointer, as POSIX has it. */
#define GET(member, name)                                                                          \
    do {                                                                                           \
        void *at_ = find(l, name, &ok);                                                            \
        memcpy(&l->member, &at_, sizeof at_);                                                      \
    } while (0)

static bool load(library *l) {
    bool ok = true, threads = true;
    l->handle = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!l->handle) return false;
    GET(engine_create, "dnnl_engine_create");
    GET(engine_destroy, "dnnl_engine_destroy");
    GET(stream_create, "dnnl_stream_create");
    GET(stream_destroy, "dnnl_stream_destroy");
    GET(stream_wait, "dnnl_stream_wait");
    GET(by_strides, "dnnl_memory_desc_init_by_strides");
    GET(by_tag, "dnnl_memory_desc_init_by_tag");
    GET(matmul_init, "dnnl_matmul_desc_init");
    GET(pd_create, "dnnl_primitive_desc_create");
    GET(pd_destroy, "dnnl_primitive_desc_destroy");
    GET(pd_query, "dnnl_primitive_desc_query_md");
    GET(desc_bytes, "dnnl_memory_desc_get_size");
    GET(primitive_create, "dnnl_primitive_create");
    GET(primitive_destroy, "dnnl_primitive_destroy");
    GET(memory_create, "dnnl_memory_create");
    GET(memory_destroy, "dnnl_memory_destroy");
    GET(execute, "dnnl_primitive_execute");
    void *at = find(l, "omp_set_num_threads", &threads); /* through what the library is linked to */
    memcpy(&l->set_threads, &at, sizeof at);
    return ok;
}

static bool describe(bench_peer *p, const bench_case *c, const char *kind) {
    int type = !strcmp(c->format, "f32")    ? TYPE_F32
               : !strcmp(c->format, "bf16") ? TYPE_BF16
                                            : TYPE_S8;
    int64_t m = c->m, n = c->n, k = c->k;
    bool dw = !strcmp(kind, "dw"), dx = !strcmp(kind, "dx");
    /* the case's extents are MxNxK of the forward product; its other layouts permute them */
    const int64_t a[] = {m, k}, b[] = {k, n}, y[] = {m, n};
    const int64_t a_step[] = {dw ? 1 : k, dw ? m : 1},
                  b_step[] = {dx || dw ? n : 1, dx || dw ? 1 : k};
    const int64_t y_step[] = {n, 1};
    library *l = &p->lib;
    if (l->by_strides(&p->md[0], 2, a, type, a_step)) return false;
    if (strcmp(kind, "packed") ? l->by_strides(&p->md[1], 2, b, type, b_step)
                               : l->by_tag(&p->md[1], 2, b, type, TAG_ANY))
        return false;
    if (l->by_strides(&p->md[2], 2, y, type == TYPE_S8 ? TYPE_S32 : type, y_step)) return false;
    if (l->matmul_init(&p->op, &p->md[0], &p->md[1], NULL, &p->md[2])) return false;
    if (l->pd_create(&p->pd, &p->op, NULL, p->engine, NULL)) return false;
    return !l->primitive_create(&p->primitive, p->pd);
}

static bool give_memory(bench_peer *p) {
    for (int i = 0; i < 3; i++) {
        const desc *md = i == 1 ? p->lib.pd_query(p->pd, QUERY_WEIGHTS, 0) : &p->md[i];
        if (!md) return false;
        p->data[i] = context_zalloc(p->cx, p->lib.desc_bytes(md) + CACHE_LINE);
        if (!p->data[i] || p->lib.memory_create(&p->memory[i], md, p->engine, p->data[i]))
            return false;
    }
    return true;
}

bench_peer *bench_peer_open(bench *b, const bench_case *c, const char **why) {
    const char *kind = strrchr(c->name, '.');
    *why = NULL; /* there is none for such a case */
    if (strncmp(c->name, "matmul.", 7) || !kind || kind[1] == 'm') return NULL;
    bench_peer *p = context_zalloc(b->cx, sizeof *p);
    if (!p) return NULL;
    p->cx = b->cx;
    *why = "none: libdnnl.so.2 is not installed";
    bool ok = load(&p->lib);
    if (ok && p->lib.set_threads) p->lib.set_threads(b->threads);
    if (ok) *why = "none: oneDNN refused";
    ok = ok && !p->lib.engine_create(&p->engine, ENGINE_CPU, 0) &&
         !p->lib.stream_create(&p->stream, p->engine, 1) && describe(p, c, kind + 1) &&
         give_memory(p);
    if (ok) {
        *why = "oneDNN";
        return p;
    }
    bench_peer_close(p);
    return NULL;
}

static bool run(bench_peer *p, int64_t repeat) {
    const argument args[] = {
        {ARG_SRC, p->memory[0]}, {ARG_WEIGHTS, p->memory[1]}, {ARG_DST, p->memory[2]}};
    for (int64_t i = 0; i < repeat; i++)
        if (p->lib.execute(p->primitive, p->stream, 3, args)) return false;
    return !p->lib.stream_wait(p->stream);
}

double bench_peer_sample(bench_peer *p) {
    if (!run(p, 1)) return -1;
    double begin = time_seconds();
    if (!p->repeat) {
        if (!run(p, 1)) return -1;
        p->repeat = MAX_OF(1, (int64_t)(2e-3 / (time_seconds() - begin + 1e-9)));
        begin = time_seconds();
    }
    if (!run(p, p->repeat)) return -1;
    return (time_seconds() - begin) / (double)p->repeat;
}

void bench_peer_close(bench_peer *p) {
    library *l = &p->lib;
    for (int i = 0; i < 3; i++) {
        if (p->memory[i]) l->memory_destroy(p->memory[i]);
        context_release(p->cx, p->data[i]);
    }
    if (p->primitive) l->primitive_destroy(p->primitive);
    if (p->pd) l->pd_destroy(p->pd);
    if (p->stream) l->stream_destroy(p->stream);
    if (p->engine) l->engine_destroy(p->engine);
    if (l->handle) dlclose(l->handle);
    context_release(p->cx, p);
}
