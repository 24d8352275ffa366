/* The chain from nothing to a server (tool/chain), with models that have hardly learnt: the script itself checks that
 * the lineage repeats to the bit, and that the perplexity and answers of the file are the engine's. It can fail. */
#include "kit/shell.h"
#include <string.h>

static void quick(test *t) {
    char text[SHELL_TEXT_BYTES];
    const char *f = test_folder(t);
    if (!shell_at_root(t)) return;
    if (shell(text, "command -v curl") != 0) {
        test_skip(t, "there is no curl");
        return;
    }
    CHECK(t, shell(text, "HONE=%s tool/chain --quick %s", TEST_HONE, f) == 0, "%s", text);
    static const char *const said[] = {"the same bits", "the same tensors", "in the engine",
                                       "student-2of4-w4-recovered", "the server answers as"};
    for (int64_t i = 0; i < COUNT_OF(said); i++)
        CHECK(t, strstr(text, said[i]), "'%s' is missing: %s", said[i], text);
}

/* With the calibration text changed under it, the file is not made again. */
static void changed(test *t) {
    char text[SHELL_TEXT_BYTES];
    const char *f = test_folder(t);
    if (!shell_at_root(t)) return;
    CHECK(t,
          shell(text,
                "cd %s && %s data synth stories --out small.txt --count 20 --seed 3 &&"
                " %s train --text small.txt --vocabulary 300 --preset 1m --context 32 --steps 1"
                " --out m &&"
                " %s compress m -o m.gguf --do 'prune(2:4, wanda) > gptq(4, group=32)'"
                " --calib small.txt --calib-sequences 2 --calib-length 32",
                f, TEST_HONE, TEST_HONE, TEST_HONE) == 0,
          "%s", text);
    CHECK(t,
          shell(text, "cd %s && echo more >>small.txt && %s compress --rerun m.gguf -o n.gguf", f,
                TEST_HONE) != 0 &&
              strstr(text, "is not the calibration text any more"),
          "%s", text);
}

extern const test_case suite_chain[];
const test_case suite_chain[] = {{"quick", quick, .slow = true}, {"changed", changed}, {0}};
