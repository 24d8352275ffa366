/* libedit's. Ctrl-C is a key while a line is edited: as a signal it would be lost whenever it came between two reads,
 * and the kernel would throw away keys beside it. Between lines the terminal stays unbuffered and without echo, so
 * that what is typed ahead, Ctrl-D too, reaches the next line as it was typed. */
#include "cmd/kit/line_edit.h"
#include "text/grow.h"
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { REMEMBERED_LINES = 1000 };

struct line_editor {
    context *cx;
    EditLine *edit;
    History *history;
    locale_t
        utf8; /* what the terminal speaks; libedit asks for it, also to know which keys are letters */
    const char *prompt;
    text_buffer line;
    bool dropped;
};

static line_editor *editor_of(EditLine *edit) {
    line_editor *e = NULL;
    el_get(edit, EL_CLIENTDATA, &e);
    return e;
}

static const char *prompt_of(EditLine *edit) {
    return editor_of(edit)->prompt;
}

static unsigned char drop_line(EditLine *edit, int key) {
    (void)key;
    editor_of(edit)->dropped = true;
    return CC_EOF;
}

static unsigned char suspend(EditLine *edit, int key) {
    (void)key;
    el_set(edit, EL_PREP_TERM, 0);
    kill(0, SIGTSTP);
    el_set(edit, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
}

static void set_keys(EditLine *edit) {
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_ADDFN, "drop-line", "Gives the line up", drop_line);
    el_set(edit, EL_ADDFN, "suspend", "Stops the program until it is called back", suspend);
    el_set(edit, EL_BIND, "^C", "drop-line", NULL);
    el_set(edit, EL_BIND, "^Z", "suspend", NULL);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(edit, EL_BIND, "^W", "ed-delete-prev-word", NULL);
    el_set(edit, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
    el_set(edit, EL_BIND, "\\e[1;5C", "em-next-word", NULL);
    el_set(edit, EL_BIND, "\\e[1;5D", "ed-prev-word", NULL);
    el_set(edit, EL_SETTY, "-d", "-isig", NULL);
    el_set(edit, EL_SETTY, "-x", "-icanon", "-echo", NULL);
}

status line_editor_new(context *cx, const char *name, const char *prompt, line_editor **out) {
    line_editor *e = *out = context_zalloc(cx, sizeof *e);
    if (!e) return context_status(cx);
    HistEvent event;
    *e = (line_editor){.cx = cx, .prompt = prompt, .line.cx = cx};
    e->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    e->history = history_init();
    e->edit = e->history ? el_init(name, stdin, stdout, stderr) : NULL;
    if (!e->edit) {
        line_editor_free(e);
        *out = NULL;
        FAIL(cx, STATUS_UNSUPPORTED,
             "lines cannot be edited on this terminal: give the texts with --batch");
    }
    locale_t before = uselocale(e->utf8);
    history(e->history, &event, H_SETSIZE, REMEMBERED_LINES);
    el_set(e->edit, EL_CLIENTDATA, e);
    el_set(e->edit, EL_PROMPT, prompt_of);
    el_set(e->edit, EL_HIST, history, e->history);
    set_keys(e->edit);
    uselocale(before);
    return STATUS_OK;
}

void line_editor_free(line_editor *e) {
    if (!e) return;
    if (e->edit) el_end(e->edit); /* gives the terminal back as it was */
    if (e->history) history_end(e->history);
    if (e->utf8) freelocale(e->utf8);
    text_free(&e->line);
    context_release(e->cx, e);
}

status line_edit(line_editor *e, line_end *end, const char **line) {
    int length = 0;
    HistEvent event;
    e->dropped = false;
    e->line.length = 0;
    locale_t before = uselocale(e->utf8);
    const char *text = el_gets(e->edit, &length);
    uselocale(before);
    *end = e->dropped ? LINE_DROPPED : text && length > 0 ? LINE_WHOLE : LINE_CLOSED;
    if (*end != LINE_WHOLE) return STATUS_OK;
    while (length && (text[length - 1] == '\n' || text[length - 1] == '\r')) length--;
    TRY(text_append(&e->line, text, length));
    TRY(text_append(&e->line, "", 1));
    if (length) history(e->history, &event, H_ENTER, e->line.bytes);
    *line = e->line.bytes;
    return STATUS_OK;
}
