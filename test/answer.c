/* Answers in the dialects of the model families, fed whole and byte by byte: both must give the same. */
#include "serve/answer.h"
#include "test.h"
#include <stdio.h>

typedef struct heard {
    char text[2][512], calls[512];
} heard;

static void on_text(void *user, answer_part part, const char *bytes, int64_t length) {
    char *to = ((heard *)user)->text[part];
    size_t n = strlen(to);
    snprintf(to + n, 512 - n, "%.*s", (int)length, bytes);
}
static void on_call(void *user, const char *name, int64_t name_length, const char *arguments,
                    int64_t length) {
    char *to = ((heard *)user)->calls;
    size_t n = strlen(to);
    snprintf(to + n, 512 - n, "%.*s(%.*s);", (int)name_length, name, (int)length, arguments);
}

static const struct {
    const char *dialect, *prompt, *wrote, *content, *reasoning, *calls;
} cases[] = {
    {"plain", "", " Hello <tool_call>{}", " Hello <tool_call>{}", "", ""},
    {"hermes", "", "Hello \n", "Hello \n", "", ""},
    {"hermes", "",
     "Let me look.\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, "
     "2]}}\n</tool_call>\n",
     "Let me look.", "", "f({\"a\": [1, 2]});"},
    {"hermes", "",
     "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n<tool_call>{\"arguments\": "
     "\"{\\\"b\\\": 1}\", \"name\": \"g\"}</tool_call>",
     "", "", "f({});g({\"b\": 1});"},
    {"hermes", "", "<tool_call>{\"name\": \"f\", \"argum", "<tool_call>{\"name\": \"f\", \"argum",
     "", ""},
    {"hermes", "", "<tool_call>not JSON</tool_call> after", "<tool_call>not JSON</tool_call>after",
     "", ""},
    {"hermes", "", "a < b <tool", "a < b <tool", "", ""},
    {"hermes", "", "<think>\nwhy\n</think>\n\nbecause", "because", "\nwhy\n", ""},
    {"hermes", "<|im_start|>assistant\n<think>\n", "why</think>\n\nbecause", "because", "why", ""},
    {"llama3", "", "{\"name\": \"f\", \"parameters\": {\"x\": \"y\"}}", "", "",
     "f({\"x\": \"y\"});"},
    {"llama3", "", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", "", "", "f({});"},
    {"llama3", "", "{\"not\": \"a call\"}", "{\"not\": \"a call\"}", "", ""},
    {"llama3", "", "Sets are written {1, 2}.", "Sets are written {1, 2}.", "", ""},
    {"mistral", "",
     "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"x\": 1}}, {\"name\": \"g\", \"arguments\": "
     "{}}]",
     "", "", "f({\"x\": 1});g({});"},
    {"mistral", "", "[TOOL_CALLS]f[ARGS]{\"x\": 1}[TOOL_CALLS]g[ARGS]{}", "", "",
     "f({\"x\": 1});g({});"},
    {"harmony", "",
     "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
     "Yes.", "hm", ""},
    {"harmony", "",
     "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary "
     "to=functions.f <|constrain|>json<|message|>{\"x\": 1}<|call|>",
     "", "hm", "f({\"x\": 1});"},
    {"harmony", "", "<|channel|>commentary to=functions.f<|message|>{}", "", "", "f({});"},
};

static status play(context *cx, int64_t i, int64_t piece, bool tools, heard *out) {
    *out = (heard){0};
    const char *text = cases[i].wrote;
    int64_t length = (int64_t)strlen(text);
    answer_reader r =
        answer_begin(cx, answer_dialect_named(cases[i].dialect), tools, cases[i].prompt,
                     (int64_t)strlen(cases[i].prompt), (answer_sink){on_text, on_call, out});
    status st = STATUS_OK;
    for (int64_t at = 0; at < length && st == STATUS_OK; at += piece)
        st = answer_feed(&r, text + at, MIN_OF(piece, length - at));
    if (st == STATUS_OK) st = answer_end(&r);
    answer_free(&r);
    return st;
}

static void parts(test *t) {
    context *cx = context_new();
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        for (int64_t piece = 1; piece < 200; piece = piece * 2 + 1) {
            heard h;
            CHECK_OK(t, cx, play(cx, i, piece, true, &h));
            CHECK(t, !strcmp(h.text[ANSWER_CONTENT], cases[i].content), "%s in %d: content '%s'",
                  cases[i].wrote, (int)piece, h.text[0]);
            CHECK(t, !strcmp(h.text[ANSWER_REASONING], cases[i].reasoning),
                  "%s in %d: reasoning '%s'", cases[i].wrote, (int)piece, h.text[1]);
            CHECK(t, !strcmp(h.calls, cases[i].calls), "%s in %d: calls '%s'", cases[i].wrote,
                  (int)piece, h.calls);
            CHECK_OK(t, cx, play(cx, i, piece, false, &h));
            CHECK(t, !*h.calls, "a call where no tools were given: %s", cases[i].wrote);
        }
    }
    CHECK(t, context_live_allocations(cx) == 0);
    context_free(cx);
}

static void detection(test *t) {
    CHECK(t, !strcmp(answer_dialect_name(answer_dialect_of("{{ '<tool_call>' }}")), "hermes"));
    CHECK(t, !strcmp(answer_dialect_name(answer_dialect_of("[TOOL_CALLS] [")), "mistral"));
    CHECK(t, !strcmp(answer_dialect_name(answer_dialect_of("<|channel|>")), "harmony"));
    CHECK(t, !strcmp(answer_dialect_name(answer_dialect_of("{\"name\": x, \"parameters\": y}")),
                     "llama3"));
    CHECK(t, !strcmp(answer_dialect_name(answer_dialect_of("{{ messages }}")), "plain"));
    CHECK(t, !strcmp(answer_dialect_name(answer_dialect_of(NULL)), "plain"));
}

const test_case suite_answer[] = {{"parts", parts}, {"detection", detection}, {0}};
