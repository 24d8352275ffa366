/* Lines edited on a terminal, with the ones before to go back to. */
#ifndef CMD_KIT_LINE_EDIT_H
#define CMD_KIT_LINE_EDIT_H

#include "base/status.h"

typedef struct line_editor line_editor;
typedef enum line_end {
    LINE_WHOLE,
    LINE_DROPPED, /* by Ctrl-C */
    LINE_CLOSED   /* by Ctrl-D on an empty line, or the terminal is gone */
} line_end;

/* Until it is freed, keys that are pressed between two lines are not shown and wait for the next; there Ctrl-C is the
 * signal that it always is. */
status line_editor_new(context *cx, const char *name, const char *prompt,
                       line_editor **out) MUST_USE;
void line_editor_free(line_editor *e);
/* *line where it is whole: without its end, valid until the next call. */
status line_edit(line_editor *e, line_end *end, const char **line) MUST_USE;

#endif
