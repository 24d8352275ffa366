/* Tests of the house as its users meet it, through a shell. */
#ifndef TEST_KIT_SHELL_H
#define TEST_KIT_SHELL_H

#include "test.h"

enum { SHELL_TEXT_BYTES = 16384 };

/* Runs a shell command; its words (both streams) go to `text`. Returns the exit code. */
int shell(char text[SHELL_TEXT_BYTES], const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The build folder that this program is in. */
const char *shell_build_folder(void);
/* Whether this runs at the root of the repository; otherwise the case has been skipped aloud. */
bool shell_at_root(test *t);
/* Writes a file below the case's folder. */
bool shell_put(test *t, const char *name, const char *text);
/* Installs the build to FOLDER/usr; false where that is not for this build, which has been said. */
bool shell_install(test *t, const char *folder);

#endif
