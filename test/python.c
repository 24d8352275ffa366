/* The Python package over the shared library that was built, by its own tests (python/tests), in a virtual environment
 * that tool/python-venv keeps in the build folder. */
#include "kit/shell.h"
#include "kit/tiny.h"
#include <stdio.h>

static void package(test *t) {
    char text[SHELL_TEXT_BYTES], folder[512];
    const char *f = test_folder(t), *build = shell_build_folder();
    context *cx = context_new();
    if (!shell_at_root(t)) return;
    if (shell(text, "grep -q HONE_SANITIZE:STRING=. '%s/CMakeCache.txt'", build) == 0) {
        test_skip(t, "Python does not load a library with sanitizers");
        return;
    }
    int code = shell(text, "tool/python-venv '%s/python'", build);
    if (code == 3) {
        test_skip(t, "%s", text);
        return;
    }
    CHECK(t, code == 0, "%s", text);
    snprintf(folder, sizeof folder, "%s/model", f);
    if (!tiny_model(t, cx, folder)) return;
    snprintf(folder, sizeof folder, "%s/encoder", f);
    if (!tiny_encoder(t, cx, folder)) return;
    context_free(cx);
    code = shell(text,
                 "root=$PWD; cd python && HONE_LIBRARY='%s/libhone.so' HONE_TINY='%s' PYTHONPATH=. "
                 "HONE_TOKENIZER=$root/test/golden/tokenizers/gpt2.json PYTHONDONTWRITEBYTECODE=1 "
                 "'%s/python/bin/python' -m pytest -q -p no:cacheprovider tests",
                 build, f, build);
    CHECK(t, code == 0 && strstr(text, " passed"), "%s", text);
}

const test_case suite_python[] = {{"package", package, .slow = true}, {0}};
