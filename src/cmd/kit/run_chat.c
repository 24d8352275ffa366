/* A conversation. Each turn renders what was said so far by the model's template. Lines are edited on a terminal;
 * Ctrl-C stops the answer that is coming, and nothing else.
 *   /clear   forgets what was said       /system TEXT   sets the system message and forgets
 *   /undo    takes the last turn back    /again         asks the last question again
 *   /exit    or Ctrl-D leaves */
#include "base/log.h"
#include "base/time.h"
#include "cmd/kit/line_edit.h"
#include "cmd/kit/run.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_TURNS = 4096, LEAST_ROOM = 64 };

/* The handler of a signal reaches nothing else. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

typedef struct talk {
    run_session *s;
    arena mem; /* what was said */
    const char *role[MOST_TURNS], *text[MOST_TURNS];
    int32_t n;
    const char *system;
    line_editor *editor; /* NULL: no terminal */
    char *read;          /* from malloc: the line of other input */
    size_t room;
    bool colours;
    uint64_t answers; /* so far; each has noise of its own */
} talk;

static status say(talk *k, const char *role, const char *text, int64_t length) {
    if (k->n == MOST_TURNS)
        FAIL(k->s->cx, STATUS_BAD_ARGUMENT, "more than %d messages: /clear to go on", MOST_TURNS);
    k->role[k->n] = role;
    k->text[k->n] = arena_strndup(&k->mem, text, (size_t)length);
    return k->text[k->n++] ? STATUS_OK : STATUS_NO_MEMORY;
}

/* The ids of the conversation from message `from` on. */
static status encode_from(talk *k, int32_t from, token_list *ids) {
    arena a = arena_make(k->s->cx);
    template_input input = {.add_generation_prompt = true};
    ids->count = 0;
    status st = template_list_new(&a, TEMPLATE_PLAIN_LIST, &input.messages);
    if (st == STATUS_OK && k->system)
        st = chat_message(&a, input.messages, "system", k->system, (int64_t)strlen(k->system));
    for (int32_t i = from; st == STATUS_OK && i < k->n; i++)
        st = chat_message(&a, input.messages, k->role[i], k->text[i], (int64_t)strlen(k->text[i]));
    if (st == STATUS_OK) st = chat_encode(k->s->chat, &input, ids);
    arena_free(&a);
    return st;
}

/* The same within the context: refused, or with --roll without the oldest turns. */
static status encode_talk(talk *k, token_list *ids) {
    int64_t most = engine_context(k->s->e) - LEAST_ROOM;
    int32_t from = 0;
    TRY(encode_from(k, 0, ids));
    while (ids->count > most && k->s->o->roll && from + 2 < k->n)
        TRY(encode_from(k, from += 2, ids));
    if (from) log_warning("the first %d messages are out of the context now", from);
    if (ids->count <= most) return STATUS_OK;
    FAIL(k->s->cx, STATUS_BAD_ARGUMENT,
         "the conversation has %lld tokens and the context is %lld: /clear starts anew, and hone "
         "run --roll drops the oldest turns by itself",
         (long long)ids->count, (long long)engine_context(k->s->e));
}

static status answer(talk *k) {
    run_session *s = k->s;
    run_answer a = {.shows = true};
    token_list ids = {.cx = s->cx};
    status st;
    TRY_GOTO(done, encode_talk(k, &ids));
    s->ask.sampling.seed += k->answers++ > 0;
    TRY_GOTO(done, run_submit(s, ids.ids, ids.count, &a));
    interrupted = 0;
    if (k->colours) fputs("\033[36m", s->call->out);
    while (engine_busy(s->e)) {
        if (interrupted) engine_cancel(s->e, a.id);
        TRY_GOTO(done, engine_step(s->e));
    }
    TRY_GOTO(done, a.st);
    TRY_GOTO(done, say(k, "assistant", a.text.bytes ? a.text.bytes : "", a.text.length));
done:
    if (k->colours) fputs("\033[0m", s->call->out);
    fputc('\n', s->call->out);
    if (st == STATUS_OK && a.finish == ENGINE_FULL)
        log_warning("the context of %lld tokens is full", (long long)engine_context(s->e));
    if (k->editor && st == STATUS_OK) run_say_speed(&a);
    token_free(&ids);
    run_answer_free(&a);
    return st;
}

/* ---- reading lines ---- */

/* The next line, valid until the next one. */
static status next_line(talk *k, line_end *end, const char **line) {
    if (k->editor) return line_edit(k->editor, end, line);
    ssize_t length = getline(&k->read, &k->room, stdin);
    *end = length < 0 ? LINE_CLOSED : LINE_WHOLE;
    if (length > 0 && k->read[length - 1] == '\n') k->read[length - 1] = 0;
    *line = k->read;
    return STATUS_OK;
}

static const char *after(const char *line, const char *command) {
    size_t n = strlen(command);
    if (strncmp(line, command, n) || (line[n] && line[n] != ' ')) return NULL;
    return line + n + (line[n] == ' ');
}

/* Takes back the last answer, and the question too. */
static void take_back(talk *k, bool question) {
    if (k->n && !strcmp(k->role[k->n - 1], "assistant")) k->n--;
    if (question && k->n) k->n--;
}

/* True where the line was a command; *asks: an answer is wanted. */
static bool command(talk *k, const char *line, bool *asks, bool *leaves) {
    const char *text;
    if (line[0] != '/') return false;
    if (after(line, "/exit") || after(line, "/quit")) {
        *leaves = true;
    } else if (after(line, "/clear")) {
        k->n = 0;
    } else if (after(line, "/undo")) {
        take_back(k, true);
    } else if (after(line, "/again")) {
        take_back(k, false);
        *asks = k->n > 0;
    } else if ((text = after(line, "/system"))) {
        k->system = *text ? arena_strdup(&k->mem, text) : NULL;
        k->n = 0;
    } else {
        log_warning("there is no %s; there are /clear, /undo, /again, /system TEXT, /exit", line);
    }
    return true;
}

/* What is typed is a command or a question; *leaves: it was the last. */
static status take_line(talk *k, const char *line, bool *leaves) {
    bool asks = false;
    if (*line && !command(k, line, &asks, leaves)) {
        TRY(say(k, "user", line, (int64_t)strlen(line)));
        asks = true;
    }
    return asks ? answer(k) : STATUS_OK;
}

static status converse(talk *k) {
    for (bool leaves = false; !leaves;) {
        line_end end;
        const char *line;
        TRY(next_line(k, &end, &line));
        if (end != LINE_WHOLE && k->editor) fputc('\n', k->s->call->out); /* behind ^C or ^D */
        if (end == LINE_DROPPED) continue;
        if (end == LINE_CLOSED) return STATUS_OK;
        status st = take_line(k, line, &leaves);
        if (st == STATUS_BAD_ARGUMENT) { /* the question, not the session */
            log_error("%s", context_error(k->s->cx));
            context_clear(k->s->cx);
            take_back(k, true);
            st = STATUS_OK;
        }
        TRY(st);
    }
    return STATUS_OK;
}

status run_chat(run_session *s) {
    if (!s->chat->parsed)
        FAIL(s->cx, STATUS_UNSUPPORTED,
             "'%s' has no chat template, so there is no conversation: give a text to continue with "
             "-p, -f or --batch",
             s->m->path);
    talk *k = context_zalloc(s->cx, sizeof *k);
    if (!k) return STATUS_NO_MEMORY;
    *k = (talk){.s = s, .mem = arena_make(s->cx), .system = s->o->system};
    status st = STATUS_OK;
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        st = line_editor_new(s->cx, "hone", "> ", &k->editor);
    k->colours = k->editor && log_may_colour(STDOUT_FILENO);
    struct sigaction now = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART}, before;
    sigaction(SIGINT, &now, &before);
    if (k->editor) log_info("Ctrl-C stops an answer, Ctrl-D leaves, /clear forgets");
    if (st == STATUS_OK) st = converse(k);
    sigaction(SIGINT, &before, NULL);
    line_editor_free(k->editor);
    free(k->read);
    arena_free(&k->mem);
    context_release(s->cx, k);
    return st;
}
