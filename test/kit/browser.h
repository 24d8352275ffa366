/* A headless Chromium, driven through the two pipes of its DevTools protocol: JSON commands with ids, each closed by a
 * zero byte; answers with the same ids come back, and events between them. */
#ifndef TEST_KIT_BROWSER_H
#define TEST_KIT_BROWSER_H

#include "base/status.h"
#include <stdbool.h>

typedef struct browser browser;

/* With an empty page, its profile in a folder; NULL where none is installed or none starts, which `why` says. */
browser *browser_open(context *cx, const char *folder, const char **why);
void browser_close(browser *b); /* NULL is fine */

/* One command for the page, with its parameters as JSON; false where it is refused. */
bool browser_do(browser *b, const char *method, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Loads a page; from now on requests to other places than `origin` count as complaints. */
bool browser_visit(browser *b, const char *origin);
/* What an expression gives, awaited, as text until the next call; "" where it throws. */
const char *browser_eval(browser *b, const char *expression);
/* Whether an expression becomes true within half a minute. */
bool browser_until(browser *b, const char *expression);
/* Presses and lets go of a key by its name in the DOM: Enter, Tab, Escape, ArrowUp, or a letter with Alt. */
void browser_press(browser *b, const char *key, bool alt);
void browser_type(browser *b, const char *text);
/* Errors of the console, exceptions that nobody caught, requests to other places; "" where there were none. */
const char *browser_complaints(browser *b);

#endif
