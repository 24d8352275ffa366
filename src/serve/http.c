/* The HTTP thread: libwebsockets' callbacks for one connection after another. */
#include "base/file.h"
#include "base/rng.h"
#include "serve/http_queue.h"
#include <libwebsockets.h>
#include <net/if.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { WRITE_BYTES = 16 << 10, HEADER_BYTES = 16 << 10, ADDRESS_BYTES = 64 };

struct http_server {
    context *cx;
    http_options options;
    struct lws_context *lws;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    char address[ADDRESS_BYTES]; /* to listen on; empty: all */
    pthread_mutex_t lock;        /* of `ready` */
    http_exchange *ready;        /* have something to write, newest first; held */
    atomic_bool stopping, poked;
    _Atomic int64_t connections, pending;
    unsigned char out[LWS_PRE + WRITE_BYTES];
};

/* What libwebsockets keeps for each connection. */
typedef struct connection {
    http_exchange *x; /* of the request that is going on, or NULL */
} connection;

int64_t http_most_unread(const http_server *s) {
    return s->options.most_unread_bytes;
}
const char *http_cors(const http_server *s) {
    return s->options.cors;
}

int64_t http_pending(const http_server *s) {
    return atomic_load(&s->pending);
}

void http_poke(http_server *s) {
    atomic_store(&s->poked, true);
    lws_cancel_service(s->lws);
}

void http_wake(http_server *s, http_exchange *x) {
    pthread_mutex_lock(&s->lock);
    bool is_new = !x->listed;
    if (is_new) {
        x->listed = true;
        x->next = s->ready;
        s->ready = x;
    }
    pthread_mutex_unlock(&s->lock);
    if (!is_new) return;
    http_hold(x);
    lws_cancel_service(s->lws);
}

/* Asks for a turn to write for every exchange that has something. */
static void take_ready(http_server *s) {
    for (;;) {
        pthread_mutex_lock(&s->lock);
        http_exchange *x = s->ready;
        if (x) {
            s->ready = x->next;
            x->listed = false;
        }
        pthread_mutex_unlock(&s->lock);
        if (!x) return;
        if (x->wsi) lws_callback_on_writable(x->wsi);
        http_release(x);
    }
}

/* ---- reading a request ---- */

static const char *header(http_exchange *x, struct lws *wsi, enum lws_token_indexes which) {
    int length = lws_hdr_total_length(wsi, which);
    char *text = context_zalloc(x->cx, (size_t)MAX_OF(length, 0) + 1);
    if (text && length > 0) lws_hdr_copy(wsi, text, length + 1, which);
    return text;
}

static char *custom_header(http_exchange *x, struct lws *wsi, const char *name) {
    int name_length = (int)strlen(name);
    int length = lws_hdr_custom_length(wsi, name, name_length);
    char *text = context_zalloc(x->cx, (size_t)MAX_OF(length, 0) + 1);
    if (text && length > 0) lws_hdr_custom_copy(wsi, text, length + 1, name, name_length);
    return text;
}

static http_method method_of(struct lws *wsi) {
    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI)) return HTTP_GET;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI)) return HTTP_POST;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_OPTIONS_URI)) return HTTP_OPTIONS;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI)) return HTTP_HEAD;
    return HTTP_OTHER;
}

/* Ids go back in a header: only letters that cannot end one. */
static void clean(char *text) {
    for (; text && *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~') *text = '?';
}

/* What the client calls its request, or else a name of our own; the exchange releases it. */
static const char *request_id(http_exchange *x, struct lws *wsi) {
    enum { MOST = 128, OWN = 32 };
    char *id = custom_header(x, wsi, "x-request-id:");
    clean(id);
    if (id && strlen(id) > MOST) id[MOST] = 0;
    if (!id || *id) return id;
    context_release(x->cx, id);
    id = context_zalloc(x->cx, OWN);
    if (id) snprintf(id, OWN, "req-%016llx", (unsigned long long)rng_fresh());
    return id;
}

static http_exchange *begin(http_server *s, struct lws *wsi, const char *path) {
    http_exchange *x = http_exchange_new(s);
    if (!x) return NULL;
    x->wsi = wsi;
    char *copy = context_zalloc(x->cx, strlen(path) + 1);
    if (copy) memcpy(copy, path, strlen(path));
    x->request = (http_request){.method = method_of(wsi),
                                .path = copy,
                                .authorization = header(x, wsi, WSI_TOKEN_HTTP_AUTHORIZATION),
                                .origin = header(x, wsi, WSI_TOKEN_ORIGIN),
                                .content_type = header(x, wsi, WSI_TOKEN_HTTP_CONTENT_TYPE),
                                .request_id = request_id(x, wsi)};
    const http_request *r = &x->request;
    if (!r->path || !r->authorization || !r->origin || !r->content_type || !r->request_id) {
        http_release(x);
        return NULL;
    }
    x->is_head = r->method == HTTP_HEAD;
    return x;
}

static void refuse(http_exchange *x, int code, const char *words) {
    x->refused = code;
    char body[256];
    int n = snprintf(body, sizeof body,
                     "{\"error\": {\"message\": \"%s\", \"type\": \"invalid_request_error\", "
                     "\"param\": null, \"code\": null}}",
                     words);
    http_reply(x, code, "application/json", "connection: close\r\n", body, n);
}

/* The length that the client announced: -1 for none, -2 for one that is no number. */
static int64_t announced_bytes(struct lws *wsi) {
    char text[32];
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH)) return -1;
    int n = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (n <= 0 || n > 15 || (int)strspn(text, "0123456789") != n) return -2;
    return strtoll(text, NULL, 10);
}

static void handle(http_server *s, http_exchange *x) {
    if (x->refused || x->handled) return;
    x->handled = true;
    atomic_fetch_add(&s->pending, 1);
    x->request.body = x->body ? x->body : "";
    x->request.body_bytes = x->body_bytes;
    s->options.handlers.handle(s->options.handlers.user, x);
}

/* Headers are complete. */
static int on_request(http_server *s, struct lws *wsi, connection *c, const char *path) {
    http_release(c->x);
    c->x = begin(s, wsi, path);
    if (!c->x) return -1;
    int64_t length = announced_bytes(wsi);
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
        refuse(c->x, 411, "a body must come with its content-length, not in chunks");
    else if (length == -2)
        refuse(c->x, 400, "content-length is not a number");
    else if (length > s->options.most_body_bytes)
        refuse(c->x, 413, "the body is larger than this server takes");
    else if (c->x->request.method == HTTP_POST && length < 0)
        refuse(c->x, 411, "a POST must come with its content-length");
    else if (length <= 0)
        handle(s, c->x);
    return 0;
}

static int on_body(http_server *s, connection *c, const void *bytes, size_t size_bytes) {
    http_exchange *x = c->x;
    if (!x || x->refused) return 0;
    if (x->body_bytes + (int64_t)size_bytes > s->options.most_body_bytes) return -1;
    return http_exchange_body(x, bytes, (int64_t)size_bytes) ? 0 : -1;
}

/* ---- writing ---- */

static void drop(http_server *s, connection *c) {
    http_exchange *x = c->x;
    c->x = NULL;
    if (!x) return;
    pthread_mutex_lock(&x->lock);
    bool early = x->stage != HTTP_COMPLETE || x->sent < x->queued;
    x->gone = true;
    pthread_mutex_unlock(&x->lock);
    x->wsi = NULL;
    if (x->handled) atomic_fetch_sub(&s->pending, 1);
    if (early && x->handled && s->options.handlers.gone)
        s->options.handlers.gone(s->options.handlers.user, x);
    http_release(x);
}

static int on_writable(http_server *s, struct lws *wsi, connection *c) {
    http_exchange *x = c->x;
    if (!x) return 0;
    pthread_mutex_lock(&x->lock);
    int64_t bytes = MIN_OF(x->queued - x->sent, WRITE_BYTES);
    if (bytes) memcpy(s->out + LWS_PRE, x->queue + x->sent, (size_t)bytes);
    x->sent += bytes;
    bool more = x->sent < x->queued, all = !more && x->stage == HTTP_COMPLETE;
    bool gone = x->gone;
    pthread_mutex_unlock(&x->lock);
    if (gone) return -1;
    if (bytes && lws_write(wsi, s->out + LWS_PRE, (size_t)bytes, LWS_WRITE_HTTP) < 0) return -1;
    if (more) lws_callback_on_writable(wsi);
    if (!all) return 0;
    bool close = x->refused;
    drop(s, c);
    return close || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t length) {
    connection *c = user;
    http_server *s = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        take_ready(s);
        if (atomic_exchange(&s->poked, false) && s->options.handlers.poke)
            s->options.handlers.poke(s->options.handlers.user);
        return 0;
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
        return atomic_load(&s->connections) >= s->options.most_connections;
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        atomic_fetch_add(&s->connections, 1);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (atomic_load(&s->connections) > 0) atomic_fetch_sub(&s->connections, 1);
        return 0;
    case LWS_CALLBACK_HTTP:
        return on_request(s, wsi, c, in);
    case LWS_CALLBACK_HTTP_BODY:
        return on_body(s, c, in, length);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        if (c->x) handle(s, c->x);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_writable(s, wsi, c);
    case LWS_CALLBACK_CLOSED_HTTP:
        if (c) drop(s, c);
        return 0;
    default:
        return 0;
    }
}

/* ---- the server ---- */

static status check_readable(context *cx, const char *path) {
    file_map map;
    TRY(file_map_open(cx, path, &map));
    file_map_close(&map);
    return STATUS_OK;
}

/* `host` in figures, or the interface of this name. Where libwebsockets knows neither, or is told an IPv4 address
 * without LWS_SERVER_OPTION_DISABLE_IPV6, it listens on all addresses. */
static status find_address(context *cx, const char *host, char *out, size_t size) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *all = NULL;
    bool found = false;
    if (if_nametoindex(host)) {
        snprintf(out, size, "%s", host);
        return STATUS_OK;
    }
    if (getaddrinfo(host, NULL, &hints, &all)) all = NULL;
    for (struct addrinfo *a = all; a && !found; a = a->ai_next) {
        int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        found =
            fd >= 0 && !bind(fd, a->ai_addr, a->ai_addrlen) &&
            !getnameinfo(a->ai_addr, a->ai_addrlen, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST);
        if (fd >= 0) close(fd);
    }
    if (all) freeaddrinfo(all);
    if (!found)
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "cannot listen on '%s': it is no address of this machine; 0.0.0.0 is all of them",
             host);
    return STATUS_OK;
}

/* A host as libwebsockets has it, with its certificate; NULL: it could not be had. */
static struct lws_vhost *add_host(http_server *s, int port, const char *name) {
    const http_options *o = &s->options;
    struct lws_context_creation_info info = {
        .port = port,
        .vhost_name = name,
        .iface = s->address[0] ? s->address : NULL,
        .protocols = s->protocols,
        .alpn = "http/1.1",
        .ssl_cert_filepath = o->certificate,
        .ssl_private_key_filepath = o->key,
        .options = (o->certificate ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0) |
                   (strchr(s->address, '.') ? LWS_SERVER_OPTION_DISABLE_IPV6 : 0),
        .timeout_secs = (unsigned)o->idle_seconds,
        .keepalive_timeout = o->idle_seconds};
    return lws_create_vhost(s->lws, &info);
}

status http_open(context *cx, const http_options *options, http_server **out) {
    if (options->certificate) {
        TRY(check_readable(cx, options->certificate));
        TRY(check_readable(cx, options->key));
    }
    char address[ADDRESS_BYTES] = "";
    if (options->host) TRY(find_address(cx, options->host, address, sizeof address));
    http_server *s = context_zalloc(cx, sizeof *s);
    if (!s) return STATUS_NO_MEMORY;
    s->cx = cx;
    s->options = *options;
    memcpy(s->address, address, sizeof address);
    pthread_mutex_init(&s->lock, NULL);
    s->protocols[0] = (struct lws_protocols){
        .name = "http", .callback = callback, .per_session_data_size = sizeof(connection)};
    lws_set_log_level(0, NULL);
    bool tls = options->certificate != NULL;
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options =
            LWS_SERVER_OPTION_EXPLICIT_VHOSTS | (tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
        .max_http_header_data = HEADER_BYTES,
        .max_http_header_pool = (unsigned short)MIN_OF(options->most_connections + 1, 60000),
        .user = s};
    s->lws = lws_create_context(&info);
    s->vhost = s->lws ? add_host(s, options->port, NULL) : NULL;
    if (!s->vhost || lws_get_vhost_listen_port(s->vhost) <= 0) {
        const char *host = options->host ? options->host : "any address";
        http_close(s);
        if (!tls)
            FAIL(cx, STATUS_IO,
                 "cannot listen on %s, port %d: is the port in use? Port 0 takes one that is free",
                 host, options->port);
        FAIL(cx, STATUS_IO,
             "cannot listen on %s, port %d with TLS: is the port in use, and are '%s' and '%s' a "
             "certificate and its key, as PEM?",
             host, options->port, options->certificate, options->key);
    }
    *out = s;
    return STATUS_OK;
}

void http_close(http_server *s) {
    if (!s) return;
    if (s->lws) lws_context_destroy(s->lws);
    while (s->ready) {
        http_exchange *x = s->ready;
        s->ready = x->next;
        http_release(x);
    }
    pthread_mutex_destroy(&s->lock);
    context_release(s->cx, s);
}

int http_port(const http_server *s) {
    return lws_get_vhost_listen_port(s->vhost);
}

void http_run(http_server *s) {
    while (!atomic_load(&s->stopping) && lws_service(s->lws, 0) >= 0) take_ready(s);
}

void http_stop(http_server *s) {
    atomic_store(&s->stopping, true);
    lws_cancel_service(s->lws);
}

status http_reload_certificate(http_server *s, context *cx) {
    const http_options *o = &s->options;
    if (!o->certificate) return STATUS_OK;
    /* lws_tls_cert_updated says nothing of files that are no certificate and its key; a host that nobody can reach
     * cannot be had with them. */
    struct lws_vhost *trial = add_host(s, CONTEXT_PORT_NO_LISTEN_SERVER, "trial");
    if (trial) lws_vhost_destroy(trial);
    if (!trial || lws_tls_cert_updated(s->lws, o->certificate, o->key, NULL, 0, NULL, 0))
        FAIL(cx, STATUS_BAD_DATA, "'%s' and '%s' are no certificate and its key, as PEM",
             o->certificate, o->key);
    return STATUS_OK;
}
