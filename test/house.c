/* The house itself: tidy finds nothing here and everything in a folder made of faults; the program's exit
 * codes; what `make install` gives can be built against; clang agrees with gcc. */
#include "kit/shell.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void tidy(test *t) {
    char text[SHELL_TEXT_BYTES];
    if (!shell_at_root(t)) return;
    int code = shell(text, "tool/tidy");
    CHECK(t, code == 0, "\n%s", text);
}

static void tidy_finds_faults(test *t) {
    char text[SHELL_TEXT_BYTES], wide[200] = "/* ";
    if (!shell_at_root(t)) return;
    memset(wide + 3, 'x', 130);
    static char longest[40 * 100], many[2 * 900 + 40];
    strcpy(longest, "/* Long. */\nvoid f(void) {\n");
    for (int i = 0; i < 90; i++) strcat(longest, "    g();\n");
    strcat(longest, "}\n");
    strcpy(many, "/* Many. */\n");
    memset(many + strlen(many), '\n', 900);
    const struct {
        const char *name, *text, *found;
    } cases[] = {
        {"src/ops/up.c", "/* . */\n#include \"exec/run.h\"\n", "src/ops/up.c:2: floor:"},
        {"src/exec/side.c", "/* . */\n#include \"store/x.h\"\n", "src/exec/side.c:2: floor:"},
        {"src/base/public.c", "/* . */\n#include \"hone/hone.h\"\n", "src/base/public.c:2: floor:"},
        {"src/base/near.c", "/* . */\n#include \"near.h\"\n", "src/base/near.c:2: include:"},
        {"src/cellar/a.c", "/* . */\n", "src/cellar/a.c:1: floor:"},
        {"src/base/bare.c", "int x;\n", "src/base/bare.c:1: opening:"},
        {"src/base/open.h", "/* . */\nint x;\n", "src/base/open.h:1: guard:"},
        {"src/base/wide.c", wide, "src/base/wide.c:1: line:"},
        {"src/base/long.c", longest, "long.c:93: function:"},
        {"src/base/many.c", many, "src/base/many.c:901: file:"},
        {"src/base/space.c", "/* . */\nint x; \n", "src/base/space.c:2: space:"},
        {"src/base/tab.c", "/* . */\n\tint x;\n", "src/base/tab.c:2: tab:"},
        {"src/base/later.c",
         "/* . */\n/* TO"
         "DO */\n",
         "src/base/later.c:2: unfinished:"},
        {"src/base/place.c",
         "/* . */\n/* /ho"
         "me/me */\n",
         "src/base/place.c:2: place:"},
        {"src/base/gcc.c", "/* . */\nint x __attribute__((unused));\n",
         "src/base/gcc.c:2: extension:"},
        {"src/base/heap.c", "/* . */\nvoid *p = malloc(3);\n", "src/base/heap.c:2: memory:"},
        {"src/base/end.c", "/* . */\nvoid f(void) { exit(1); }\n", "src/base/end.c:2: exit:"},
        {"src/base/x.o", "", "src/base/x.o:1: generated:"},
        {"tool/tidy-exceptions", "line src/base/none.c\n",
         "no longer needed: line src/base/none.c"},
    };
    CHECK(t, shell_put(t, "src/base/fine.c", "/* Fine. */\n#include \"base/x.h\"\n"));
    CHECK(t, shell(text, "tool/tidy '%s'", test_folder(t)) == 0, "a tidy folder passes:\n%s", text);
    for (int i = 0; i < COUNT_OF(cases); i++) CHECK(t, shell_put(t, cases[i].name, cases[i].text));
    CHECK(t, shell(text, "tool/tidy '%s'", test_folder(t)) == 1, "%s", text);
    for (int i = 0; i < COUNT_OF(cases); i++)
        CHECK(t, strstr(text, cases[i].found), "%s is not in\n%s", cases[i].found, text);
    CHECK(t, !strstr(text, "fine.c"), "%s", text);
}

static void exit_codes(test *t) {
    char text[SHELL_TEXT_BYTES];
    const char *build = shell_build_folder();
    static const struct {
        const char *words, *said;
        int code;
    } cases[] = {
        {"", "usage: hone VERB", 0},
        {"help", "version", 0},
        {"--help", "usage", 0},
        {"help version", "--json", 0},
        {"version --help", "--json", 0},
        {"--version", "hone ", 0},
        {"version --json", "{\"version\":\"", 0},
        {"help --completion bash", "complete -o filenames -F _hone hone", 0},
        {"vresion", "did you mean 'version'?", 2},
        {"version --jsn", "unknown option '--jsn'; did you mean --json?", 2},
        {"version --isa mmx", "scalar, avx2, avx512 or amx", 2},
        {"version extra", "one word too many", 2},
        {"data", "'hone data' needs one more word", 2},
        {"data chekc", "there is no verb 'data chekc'; did you mean 'data check'?", 2},
        {"data", "  data check  ", 2},
        {"data --help", "  data check  ", 0},
        {"help data", "  data check  ", 0},
        {"plan train --preset 1m --tokens 2B --hardware no", "--hardware 'no' is neither", 2},
        {"plan train --preset 1m --tokens 2Q", "--tokens: '2Q' must be a number", 2},
        {"inspect README.md", "'README.md' is no model", 1},
        {"help data check", "usage: hone data check", 0},
        {"data check --help", "usage: hone data check", 0},
        {"help nothing", "there is no verb 'nothing'", 2},
        {"version > /dev/full", "cannot write", 1},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        int code = shell(text, "unset HONE_ISA; '%s/hone' %s", build, cases[i].words);
        CHECK(t, code == cases[i].code && strstr(text, cases[i].said), "hone %s: %d, %s",
              cases[i].words, code, text);
    }
    int code = shell(text, "HONE_ISA=sse9 '%s/hone' version", build);
    CHECK(t, code == 2 && strstr(text, "HONE_ISA"), "%d, %s", code, text);
}

static const char *const program =
    "#include <hone/hone.h>\n#include <hone/version.h>\n#include <stdio.h>\n"
    "int main(void) {\n"
    "    hone_context *h = hone_new();\n"
    "    printf(\"%s %s\\n\", hone_version(), h ? \"made\" : \"none\");\n"
    "    hone_free(h);\n    return 0;\n}\n";
static const char *const project =
    "cmake_minimum_required(VERSION 3.22)\nproject(user LANGUAGES C)\n"
    "find_package(hone 0.1 REQUIRED)\n"
    "add_executable(shared main.c)\n"
    "target_link_libraries(shared hone::hone)\n"
    "add_executable(static main.c)\n"
    "target_link_libraries(static hone::hone_static)\n";

/* Installed elsewhere, built against by pkg-config and by CMake, shared and static. */
static void installed(test *t) {
    char text[SHELL_TEXT_BYTES];
    const char *f = test_folder(t);
    CHECK(t, shell_put(t, "main.c", program) && shell_put(t, "CMakeLists.txt", project));
    if (!shell_install(t, f)) return;
    CHECK(t,
          shell(text,
                "cd '%s'; export PKG_CONFIG_PATH=$(dirname $(find $PWD/usr -name hone.pc)); "
                "cc -std=c17 -Wall -Werror main.c -o a $(pkg-config --cflags --libs hone) && "
                "LD_LIBRARY_PATH=$(pkg-config --variable=libdir hone) ./a",
                f) == 0,
          "%s", text);
    CHECK(t, strstr(text, " made"), "%s", text);
    CHECK(t,
          shell(text,
                "cd '%s'; cmake -S . -B b -DCMAKE_PREFIX_PATH=$PWD/usr >b.log 2>&1 && "
                "cmake --build b >b.log 2>&1 && b/shared && b/static || cat b.log",
                f) == 0,
          "%s", text);
    CHECK(t, strstr(text, " made\n0") || strstr(text, " made\n"), "%s", text);
    CHECK(t,
          shell(text,
                "cd '%s/usr'; nm -D --defined-only $(find . -name 'libhone.so') | "
                "grep -v ' hone_'",
                f) == 1,
          "the shared library gives away:\n%s", text);
    CHECK(t,
          shell(text,
                "cd '%s/usr'; nm -g --defined-only $(find . -name 'libhone.a') | grep ' [A-Z] ' | "
                "grep -v ' hone_'",
                f) == 1,
          "the static library gives away:\n%s", text);
    CHECK(t,
          shell(text, "cd '%s/usr'; readelf -d $(find . -name libhone.so) | grep SONAME", f) == 0 &&
              strstr(text, "libhone.so.0.1]"),
          "%s", text);
    CHECK(t,
          shell(text,
                "cd '%s/usr'; bin/hone --version && ls share/man/man1/hone.1 "
                "share/man/man1/hone-data-check.1 share/bash-completion/completions/hone "
                "share/zsh/site-functions/_hone share/fish/vendor_completions.d/hone.fish "
                "include/hone/model.h",
                f) == 0,
          "%s", text);
}

static void clang(test *t) {
    char text[SHELL_TEXT_BYTES];
    if (!shell_at_root(t)) return;
    if (shell(text, "command -v clang") != 0) {
        test_skip(t, "no clang here");
        return;
    }
    CHECK(t, shell(text, "make -s clang") == 0, "%s", text);
}

const test_case suite_house[] = {{"tidy", tidy},
                                 {"tidy_finds_faults", tidy_finds_faults},
                                 {"exit_codes", exit_codes},
                                 {"installed", installed, .slow = true},
                                 {"clang", clang, .slow = true},
                                 {0}};
