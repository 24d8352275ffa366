/* What the API takes and refuses, by bodies as clients send them. */
#include "serve/api_request.h"
#include "serve/metrics.h"
#include "test.h"
#include <stdlib.h>

static const api_defaults defaults = {.temperature = 1, .top_p = 1, .repetition_penalty = 1};

static bool read(arena *a, api_endpoint e, const char *body, api_request *q, api_problem *p) {
    *p = (api_problem){0};
    return api_request_read(a, e, &defaults, body, (int64_t)strlen(body), q, p);
}

static template_value content_of(const api_request *q) {
    const template_value *content =
        template_dict_find_text(q->messages.list->items[0].dict, "content");
    return content ? *content : (template_value){0};
}

static void taken(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    api_request q;
    api_problem p;
    CHECK(t,
          read(&a, API_COMPLETIONS,
               "{\"model\": \"m\", \"prompt\": [[1, 2], [3]], \"max_tokens\": 1, \"echo\": true, "
               "\"logprobs\": 1, \"temperature\": 0.0, \"seed\": 1234}",
               &q, &p),
          "%s", p.message);
    CHECK(t, q.n_prompts == 2 && q.prompt_is_list && q.prompts[0].n_ids == 2 &&
                 q.prompts[1].ids[0] == 3);
    CHECK(t, q.most_tokens == 1 && q.echo && q.logprobs == 1 && q.sampling.temperature == 0 &&
                 q.sampling.seed == 1234);
    CHECK(t,
          read(&a, API_COMPLETIONS,
               "{\"prompt\": [5, 6], \"stop\": \"\\n\", \"logit_bias\": {\"17\": -100}}", &q, &p));
    CHECK(t, q.n_prompts == 1 && !q.prompt_is_list && q.prompts[0].n_ids == 2 && q.n_stops == 1);
    CHECK(t,
          q.sampling.n_bias == 1 && q.sampling.bias[0].id == 17 && q.sampling.bias[0].bias == -100);
    CHECK(t, q.most_tokens == 16 && q.logprobs == -1 && !q.has_seed); /* OpenAI's defaults */
    CHECK(t,
          read(&a, API_CHAT,
               "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": "
               "\"hi\"}]}], "
               "\"max_completion_tokens\": 7, \"stream\": true, \"stream_options\": "
               "{\"include_usage\": true}, "
               "\"logprobs\": true, \"top_logprobs\": 3, \"user\": \"u\", \"n\": null, "
               "\"chat_template_kwargs\": {\"enable_thinking\": false}}",
               &q, &p),
          "%s", p.message);
    CHECK(t, q.most_tokens == 7 && q.stream && q.include_usage && q.logprobs == 3 && q.n == 1);
    CHECK(t, q.template_values.kind == TEMPLATE_DICT && q.messages.kind == TEMPLATE_LIST);
    CHECK(t, template_is_text(content_of(&q), "hi"));
    CHECK(t,
          read(&a, API_CHAT,
               "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": "
               "\"a \"}, {\"type\": \"text\", \"text\": \"b\"}]}]}",
               &q, &p) &&
              template_is_text(content_of(&q), "a \nb"),
          "%s", p.message);
    CHECK(t, read(&a, API_CHAT, "{\"messages\": [{\"role\": \"assistant\", \"content\": null}]}",
                  &q, &p) &&
                 content_of(&q).kind == TEMPLATE_NONE);
    CHECK(t, read(&a, API_EMBEDDINGS,
                  "{\"input\": [\"a\", \"b\"], \"encoding_format\": \"base64\"}", &q, &p));
    CHECK(t, q.n_prompts == 2 && q.base64);
    CHECK(t,
          read(&a, API_TOKENIZE, "{\"prompt\": \"abc\", \"add_special_tokens\": false}", &q, &p));
    CHECK(t, !q.add_special_tokens && q.prompts[0].text_bytes == 3);
    CHECK(t,
          read(&a, API_DETOKENIZE, "{\"tokens\": [1, 2, 3]}", &q, &p) && q.prompts[0].n_ids == 3);
    arena_free(&a);
    context_free(cx);
}

static void refused(test *t) {
    static const struct {
        api_endpoint endpoint;
        const char *body, *param, *words;
    } cases[] = {
        {API_COMPLETIONS, "", NULL, "the body"},
        {API_COMPLETIONS, "[1]", NULL, "must be a JSON object"},
        {API_COMPLETIONS, "{\"prompt\": \"a\"} x", NULL, "the body"},
        {API_COMPLETIONS, "{}", "prompt", "missing"},
        {API_COMPLETIONS, "{\"prompt\": []}", "prompt", "empty"},
        {API_COMPLETIONS, "{\"prompt\": [1, \"a\"]}", "prompt", "whole number"},
        {API_COMPLETIONS, "{\"prompt\": [-1]}", "prompt", "whole number"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"temprature\": 1}", "temprature",
         "did you mean 'temperature'"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"temperature\": \"hot\"}", "temperature",
         "number from 0"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"top_p\": 1.5}", "top_p", "from 0 to 1"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"n\": 0}", "n", "from 1"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"n\": 1000000}", "n", "to 128"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"max_tokens\": 1.5}", "max_tokens", "whole number"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"max_tokens\": true}", "max_tokens",
         "whole number"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"best_of\": 2, \"n\": 3}", "best_of", "at least n"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"suffix\": \"b\"}", "suffix", "not supported"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"stop\": [\"\"]}", "stop", "empty"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"logit_bias\": {\"x\": 1}}", "logit_bias",
         "token ids"},
        {API_COMPLETIONS, "{\"prompt\": \"a\", \"response_format\": {\"type\": \"json_object\"}}",
         "response_format", "not supported"},
        {API_CHAT, "{\"messages\": []}", "messages", "at least one"},
        {API_CHAT, "{\"messages\": [{\"content\": \"a\"}]}", "messages", "messages[0]"},
        {API_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": 5}]}", "messages",
         "messages[0].content"},
        {API_CHAT, "{\"messages\": [{\"role\": \"user\", \"content\": [\"a\"]}]}", "messages",
         "content[0] must be"},
        {API_CHAT,
         "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": "
         "\"a\"}, {\"type\": \"image_url\", \"image_url\": {}}]}]}",
         "messages", "content[1]: 'image_url'"},
        {API_CHAT,
         "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": 5}]}]}",
         "messages", "content[0].text"},
        {API_CHAT, "{\"messages\": [{\"role\": \"user\"}], \"tools\": [{}]}", "tools", "tools[0]"},
        {API_CHAT, "{\"messages\": [{\"role\": \"user\"}], \"tool_choice\": \"required\"}",
         "tool_choice", "forced"},
        {API_CHAT, "{\"messages\": [{\"role\": \"user\"}], \"prompt\": \"a\"}", "prompt",
         "unknown field"},
        {API_EMBEDDINGS, "{\"input\": \"a\", \"dimensions\": 0}", "dimensions", "from 1"},
        {API_DETOKENIZE, "{\"tokens\": \"a\"}", "tokens", "list of token ids"},
    };
    context *cx = context_new();
    arena a = arena_make(cx);
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        api_request q;
        api_problem p;
        CHECK(t, !read(&a, cases[i].endpoint, cases[i].body, &q, &p), "taken: %s", cases[i].body);
        CHECK(t, p.code == 400 && strstr(p.message, cases[i].words), "%s\n%s", cases[i].body,
              p.message);
        CHECK(t, cases[i].param ? p.param && !strcmp(p.param, cases[i].param) : !p.param, "%s: %s",
              cases[i].body, p.param ? p.param : "null");
    }
    char deep[600];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    api_request q;
    api_problem p;
    CHECK(t, !read(&a, API_CHAT, deep, &q, &p) && p.code == 400, "%s", p.message);
    arena_free(&a);
    context_free(cx);
}

static void counted(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    metrics m;
    metrics_open(&m);
    metrics_count(&m, METRIC_PROMPT_TOKENS, 12);
    metrics_observe(&m, METRIC_TIME_TO_FIRST, 0.03);
    metrics_observe(&m, METRIC_TIME_TO_FIRST, 1e9);
    metrics_finished(&m, METRIC_LENGTH);
    int64_t n;
    char *page = metrics_page(&m, &a, "a \"b\"", &n);
    CHECK(t, page && n == (int64_t)strlen(page));
    static const char *const lines[] = {
        "# TYPE vllm:prompt_tokens_total counter\n",
        "vllm:prompt_tokens_total{model_name=\"a \\\"b\\\"\"} 12\n",
        "vllm:time_to_first_token_seconds_bucket{le=\"0.02\",model_name=\"a \\\"b\\\"\"} 0\n",
        "vllm:time_to_first_token_seconds_bucket{le=\"0.04\",model_name=\"a \\\"b\\\"\"} 1\n",
        "vllm:time_to_first_token_seconds_bucket{le=\"2560\",model_name=\"a \\\"b\\\"\"} 1\n",
        "vllm:time_to_first_token_seconds_bucket{le=\"+Inf\",model_name=\"a \\\"b\\\"\"} 2\n",
        "vllm:time_to_first_token_seconds_count{model_name=\"a \\\"b\\\"\"} 2\n",
        "vllm:request_success_total{finished_reason=\"length\",model_name=\"a \\\"b\\\"\"} 1\n",
    };
    for (int64_t i = 0; i < COUNT_OF(lines); i++)
        CHECK(t, strstr(page, lines[i]), "no %s", lines[i]);
    metrics_close(&m);
    arena_free(&a);
    context_free(cx);
}

const test_case suite_api_request[] = {
    {"taken", taken}, {"refused", refused}, {"metrics", counted}, {0}};
