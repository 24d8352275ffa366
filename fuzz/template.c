/* Any bytes as a chat template, and behind a zero byte as the JSON of its variables. What is rendered must
 * come out the same a second time. */
#include "text/template.h"
#include "text/template_json.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char template_fuzz_variables[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", \"content\": "
    "\" \\u00e9 <b>\"},"
    " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"function\": {\"name\": "
    "\"f\", \"arguments\":"
    " {\"a\": [1, 2.5, null, true]}}}]}], \"tools\": [{\"type\": \"function\"}], \"x\": -3}";

static status template_fuzz_render(context *cx, const template *t, const char *variables,
                                   size_t size, arena *a, template_text *out) {
    template_input in = {
        .bos_token = "<s>",
        .eos_token = "</s>",
        .add_generation_prompt = true,
        .now_seconds = 1700000000,
        .limits = {.steps = 50000, .output_bytes = 1 << 16, .memory_bytes = 1 << 23}};
    json j = json_make(cx, "variables", variables, (int64_t)size, NULL);
    status st = template_value_from_json(a, &j, &in.extra);
    json_free(&j);
    if (st != STATUS_OK) return st;
    if (in.extra.kind == TEMPLATE_DICT) {
        const template_value *messages = template_dict_find_text(in.extra.dict, "messages");
        if (messages) in.messages = *messages;
    }
    return template_render(t, a, &in, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    context *cx = context_new();
    if (!cx) return 0;
    const uint8_t *zero = memchr(data, 0, size);
    size_t source_bytes = zero ? (size_t)(zero - data) : size;
    const char *variables = zero ? (const char *)zero + 1 : template_fuzz_variables;
    size_t variables_bytes = zero ? size - source_bytes - 1 : sizeof template_fuzz_variables - 1;
    template *t;
    status st = template_parse(cx, (const char *)data, (int64_t)source_bytes, &t);
    if ((st == STATUS_OK) == (*context_error(cx) != 0) || st == STATUS_BUG) abort();
    if (st == STATUS_OK) {
        arena first = arena_make(cx), second = arena_make(cx);
        template_text x = {0}, y = {0};
        st = template_fuzz_render(cx, t, variables, variables_bytes, &first, &x);
        if (template_fuzz_render(cx, t, variables, variables_bytes, &second, &y) != st ||
            st == STATUS_BUG)
            abort();
        if (x.length_bytes != y.length_bytes) abort();
        if (x.length_bytes && memcmp(x.text, y.text, (size_t)x.length_bytes)) abort();
        arena_free(&first);
        arena_free(&second);
    }
    template_free(t);
    if (context_live_allocations(cx)) abort();
    context_free(cx);
    return 0;
}
