/* The process, its pipes and its messages (test/kit/browser.h). */
#include "kit/browser.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/time.h"
#include "text/grow.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MS = 60000, COMPLAINTS = 2048 };

struct browser {
    context *cx;
    pid_t id;
    int to, from;
    int64_t asked;
    char session[64], origin[64], complaints[COMPLAINTS];
    text_buffer held, answer;
    char *value; /* of the last expression */
};

/* ---- messages ---- */

/* The text of a member of members, as "result.result.value"; false where there is none. */
static bool dig(browser *b, const char *path, char *out, size_t size) {
    json j = json_make(b->cx, "a message", b->answer.bytes, b->answer.length, NULL);
    json_text key, text = {0};
    bool more = true, found = false;
    status st = json_enter_object(&j);
    while (st == STATUS_OK && (st = json_next_key(&j, &more, &key)) == STATUS_OK && more) {
        size_t n = strcspn(path, ".");
        json_kind kind;
        if ((size_t)key.length != n || memcmp(key.bytes, path, n)) {
            st = json_skip(&j);
            continue;
        }
        st = json_peek(&j, &kind);
        if (path[n] && kind == JSON_OBJECT) {
            path += n + 1;
            st = json_enter_object(&j);
            continue;
        }
        if (st == STATUS_OK && !path[n] && kind == JSON_STRING) st = json_string(&j, &text);
        found = st == STATUS_OK && !path[n];
        if (found) snprintf(out, size, "%.*s", (int)text.length, text.length ? text.bytes : "");
        break;
    }
    json_free(&j);
    context_clear(b->cx);
    return found;
}

static void complain(browser *b, const char *what) {
    size_t used = strlen(b->complaints);
    snprintf(b->complaints + used, sizeof b->complaints - used, "%s\n", what);
}

static void take_event(browser *b, const char *method) {
    char text[512] = "";
    if (!strcmp(method, "Runtime.exceptionThrown")) {
        (void)dig(b, "params.exceptionDetails.exception.description", text, sizeof text);
        complain(b, text);
    } else if (!strcmp(method, "Log.entryAdded")) {
        if (dig(b, "params.entry.level", text, sizeof text) && strcmp(text, "error")) return;
        (void)dig(b, "params.entry.text", text, sizeof text);
        complain(b, text);
    } else if (!strcmp(method, "Runtime.consoleAPICalled")) {
        (void)dig(b, "params.type", text, sizeof text);
        complain(b, text);
    } else if (!strcmp(method, "Network.requestWillBeSent")) {
        (void)dig(b, "params.request.url", text, sizeof text);
        bool own = !strncmp(text, b->origin, strlen(b->origin)) || !strncmp(text, "data:", 5);
        if (!own) complain(b, text);
    }
}

/* The next message into `answer`. */
static bool receive(browser *b) {
    for (;;) {
        char piece[65536],
            *end = b->held.length ? memchr(b->held.bytes, 0, (size_t)b->held.length) : NULL;
        if (end) {
            int64_t n = end - b->held.bytes;
            b->answer.length = 0;
            if (text_append(&b->answer, b->held.bytes, n) != STATUS_OK) return false;
            b->held.length -= n + 1;
            memmove(b->held.bytes, end + 1, (size_t)b->held.length);
            return true;
        }
        struct pollfd ready = {.fd = b->from, .events = POLLIN};
        if (poll(&ready, 1, ANSWER_MS) <= 0) return false;
        ssize_t n = read(b->from, piece, sizeof piece);
        if (n <= 0 || text_append(&b->held, piece, n) != STATUS_OK) return false;
    }
}

/* Sends a command with parameters that are JSON and waits for its answer; events meanwhile are noted. */
static bool command(browser *b, const char *method, const char *params) {
    char head[256], id[64];
    int n = snprintf(head, sizeof head, "{\"id\": %lld, \"method\": \"%s\", ",
                     (long long)++b->asked, method);
    if (b->session[0])
        n += snprintf(head + n, sizeof head - (size_t)n, "\"sessionId\": \"%s\", ", b->session);
    snprintf(head + n, sizeof head - (size_t)n, "\"params\": ");
    text_buffer all = {.cx = b->cx};
    status st = text_append(&all, head, (int64_t)strlen(head));
    if (st == STATUS_OK) st = text_append(&all, params, (int64_t)strlen(params));
    if (st == STATUS_OK) st = text_append(&all, "}", 2);
    bool sent = st == STATUS_OK && write(b->to, all.bytes, (size_t)all.length) == all.length;
    text_free(&all);
    snprintf(id, sizeof id, "{\"id\":%lld,", (long long)b->asked);
    while (sent && receive(b)) {
        char method_of[64];
        if (b->answer.length > (int64_t)strlen(id) && !memcmp(b->answer.bytes, id, strlen(id)))
            return !dig(b, "error.message", head, sizeof head);
        if (dig(b, "method", method_of, sizeof method_of)) take_event(b, method_of);
    }
    return false;
}

bool browser_do(browser *b, const char *method, const char *fmt, ...) {
    char params[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(params, sizeof params, fmt, args);
    va_end(args);
    return command(b, method, params);
}

/* ---- opening and closing ---- */

static pid_t start(const char *folder, int *to, int *from) {
    int in[2], out[2];
    char profile[1024];
    if (pipe(in) || pipe(out)) return -1;
    pid_t id = fork();
    if (id == 0) { /* Chromium reads commands from 3 and writes to 4 */
        int silent = open("/dev/null", O_RDWR), a = fcntl(in[0], F_DUPFD, 10),
            b = fcntl(out[1], F_DUPFD, 10);
        setpgid(0, 0);
        snprintf(profile, sizeof profile, "--user-data-dir=%s/profile", folder);
        dup2(silent, STDIN_FILENO);
        dup2(silent, STDOUT_FILENO);
        dup2(silent, STDERR_FILENO);
        dup2(a, 3);
        dup2(b, 4);
        for (int fd = 5; fd < 256; fd++) close(fd);
        static const char *const names[] = {"chromium", "chromium-browser", "google-chrome"};
        for (int i = 0; i < COUNT_OF(names); i++)
            execlp(names[i], names[i], "--headless=new", "--no-sandbox", "--disable-gpu",
                   "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
                   profile, "about:blank", NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    *to = in[1], *from = out[0];
    return id;
}

browser *browser_open(context *cx, const char *folder, const char **why) {
    char target[64] = "";
    browser *b = calloc(1, sizeof *b);
    *b = (browser){.cx = cx, .held.cx = cx, .answer.cx = cx, .value = calloc(1, 1)};
    *why = "no chromium on the PATH that starts";
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    b->id = start(folder, &b->to, &b->from);
    bool open = b->id > 0 && browser_do(b, "Target.createTarget", "{\"url\": \"about:blank\"}") &&
                dig(b, "result.targetId", target, sizeof target) &&
                browser_do(b, "Target.attachToTarget", "{\"targetId\": \"%s\", \"flatten\": true}",
                           target) &&
                dig(b, "result.sessionId", b->session, sizeof b->session) &&
                browser_do(b, "Runtime.enable", "{}") && browser_do(b, "Log.enable", "{}") &&
                browser_do(b, "Network.enable", "{}") && browser_do(b, "Page.enable", "{}");
    signal(SIGPIPE, old);
    if (open) return b;
    browser_close(b);
    return NULL;
}

void browser_close(browser *b) {
    int state;
    if (!b) return;
    if (b->id > 0) {
        b->session[0] = 0;
        void (*old)(int) = signal(SIGPIPE, SIG_IGN);
        (void)browser_do(b, "Browser.close", "{}");
        signal(SIGPIPE, old);
        close(b->to);
        close(b->from);
        for (int i = 0; i < 100 && waitpid(b->id, &state, WNOHANG) == 0; i++)
            time_sleep_ns(50000000);
        kill(-b->id, SIGKILL);
        (void)waitpid(b->id, &state, WNOHANG);
    }
    text_free(&b->held);
    text_free(&b->answer);
    free(b->value);
    free(b);
}

/* ---- a user's doings ---- */

bool browser_visit(browser *b, const char *origin) {
    snprintf(b->origin, sizeof b->origin, "%s", origin);
    return browser_do(b, "Page.navigate", "{\"url\": \"%s\"}", origin) &&
           browser_until(b, "document.readyState === 'complete'");
}

const char *browser_eval(browser *b, const char *expression) {
    json_writer w = json_writer_to_buffer(b->cx, 0);
    text_buffer source = {.cx = b->cx};
    size_t size = 0;
    b->value[0] = 0;
    status st = text_print(&source, "(async () => String(await (%s)))()", expression);
    if (st == STATUS_OK) {
        json_write_object(&w);
        json_write_key(&w, "expression");
        json_write_text(&w, source.bytes, source.length);
        json_write_bool_field(&w, "awaitPromise", true);
        json_write_bool_field(&w, "returnByValue", true);
        json_write_bool_field(&w, "userGesture", true);
        json_write_object_end(&w);
        st = json_writer_finish(&w);
    }
    text_free(&source);
    char *params = st == STATUS_OK ? strndup(w.bytes, (size_t)w.size) : NULL;
    json_writer_free(&w);
    if (params && command(b, "Runtime.evaluate", params)) {
        size = (size_t)b->answer.length + 1;
        free(b->value);
        b->value = calloc(1, size);
        (void)dig(b, "result.result.value", b->value, size);
    }
    free(params);
    return b->value;
}

bool browser_until(browser *b, const char *expression) {
    for (int left = 1500; left > 0; left--, time_sleep_ns(20000000))
        if (!strcmp(browser_eval(b, expression), "true")) return true;
    return false;
}

void browser_press(browser *b, const char *key, bool alt) {
    static const struct {
        const char *key;
        int code;
    } codes[] = {{"Enter", 13}, {"Tab", 9}, {"Escape", 27}, {"ArrowUp", 38}};
    int code = key[0] - 32;
    bool types = !strcmp(key, "Enter");
    for (int i = 0; i < COUNT_OF(codes); i++)
        if (!strcmp(codes[i].key, key)) code = codes[i].code;
    (void)browser_do(b, "Input.dispatchKeyEvent",
                     "{\"type\": \"%s\", \"key\": \"%s\", \"windowsVirtualKeyCode\": %d, "
                     "\"modifiers\": %d%s}",
                     types ? "keyDown" : "rawKeyDown", key, code, alt ? 1 : 0,
                     types ? ", \"text\": \"\\r\"" : "");
    (void)browser_do(b, "Input.dispatchKeyEvent",
                     "{\"type\": \"keyUp\", \"key\": \"%s\", \"windowsVirtualKeyCode\": %d}", key,
                     code);
}

void browser_type(browser *b, const char *text) {
    (void)browser_do(b, "Input.insertText", "{\"text\": \"%s\"}", text);
}

const char *browser_complaints(browser *b) {
    (void)browser_eval(b, "1"); /* what was on its way is here now */
    return b->complaints;
}
