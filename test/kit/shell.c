#include "kit/shell.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_BYTES = 4096 };

int shell(char text[SHELL_TEXT_BYTES], const char *fmt, ...) {
    char command[COMMAND_BYTES] = "exec 2>&1; ";
    va_list args;
    va_start(args, fmt);
    size_t used = strlen(command);
    vsnprintf(command + used, sizeof command - used, fmt, args);
    va_end(args);
    FILE *pipe = popen(command, "r");
    if (!pipe) return -1;
    size_t n = 0;
    for (int c; (c = getc(pipe)) != EOF; text[n++] = (char)c) {
        if (n < SHELL_TEXT_BYTES - 1) continue;
        n /= 2; /* errors come last */
        memmove(text, text + SHELL_TEXT_BYTES - 1 - n, n);
    }
    text[n] = 0;
    int code = pclose(pipe);
    return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

const char *shell_build_folder(void) {
    static char path[1024];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    char *slash = strrchr(path, '/');
    if (slash) *slash = 0;
    return path;
}

bool shell_at_root(test *t) {
    if (access("tool/tidy", X_OK) == 0) return true;
    test_skip(t, "not run from the root of the repository");
    return false;
}

bool shell_put(test *t, const char *name, const char *text) {
    char path[512], command[640];
    snprintf(path, sizeof path, "%s/%s", test_folder(t), name);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", path);
    FILE *file = system(command) == 0 ? fopen(path, "w") : NULL;
    if (!file) return false;
    fputs(text, file);
    return fclose(file) == 0;
}

bool shell_install(test *t, const char *folder) {
    char text[SHELL_TEXT_BYTES];
    const char *build = shell_build_folder();
    if (shell(text, "grep -q HONE_SANITIZE:STRING=. '%s/CMakeCache.txt'", build) == 0) {
        test_skip(t, "a sanitizer build is not for installing");
        return false;
    }
    if (shell(text, "cmake --install '%s' --prefix '%s/usr'", build, folder) == 0) return true;
    test_fail(t, __FILE__, __LINE__, "installing", "%s", text);
    return false;
}
