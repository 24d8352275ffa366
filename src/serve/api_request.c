/* Reading API requests (serve/api_request.h). The names are those of OpenAI's API; top_k, min_p, typical_p,
 * repetition_penalty, ignore_eos, min_tokens, add_special_tokens, chat_template_kwargs, cache_salt and priority are
 * the extensions that vLLM made common. */
#include "serve/api_request.h"
#include "base/options.h"
#include "text/template_json.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct reading {
    arena *a;
    api_request *out;
    api_problem *problem;
    const char *key; /* the field that is being read */
} reading;

static bool refuse(reading *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool refuse(reading *r, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    char *copy = arena_strdup(r->a, text);
    *r->problem = (api_problem){400, copy ? copy : "out of memory", r->key};
    return false;
}
static bool no_memory(reading *r) {
    *r->problem = (api_problem){503, "not enough memory for this request", NULL};
    return false;
}

/* ---- kinds of values ---- */

static bool read_text(reading *r, template_value v, const char **out) {
    if (v.kind != TEMPLATE_STRING) return refuse(r, "%s must be a string", r->key);
    if (memchr(v.text, 0, (size_t)v.length_bytes))
        return refuse(r, "%s must not hold zero bytes", r->key);
    *out = arena_strndup(r->a, v.text, (size_t)v.length_bytes);
    return *out || no_memory(r);
}

static bool read_integer(reading *r, template_value v, double low, double high, int64_t *out) {
    double number = template_is_number(v) && v.kind != TEMPLATE_BOOL ? template_as_double(v) : NAN;
    if (!(number >= low && number <= high) || number != floor(number))
        return refuse(r, "%s must be a whole number from %.0f to %.0f", r->key, low, high);
    *out = v.kind == TEMPLATE_INT ? v.integer : (int64_t)number;
    return true;
}

static bool read_ids(reading *r, template_value v, api_prompt *out) {
    int32_t *ids = ARENA_NEW(r->a, int32_t, MAX_OF(v.list->count, 1));
    if (!ids) return no_memory(r);
    for (int64_t i = 0; i < v.list->count; i++) {
        int64_t id = 0;
        if (!read_integer(r, v.list->items[i], 0, INT32_MAX, &id)) return false;
        ids[i] = (int32_t)id;
    }
    *out = (api_prompt){.ids = ids, .n_ids = v.list->count};
    return true;
}

static bool read_prompt(reading *r, template_value v, api_prompt *out) {
    if (v.kind == TEMPLATE_LIST) return read_ids(r, v, out);
    if (v.kind != TEMPLATE_STRING)
        return refuse(
            r,
            "%s must be a string, a list of strings, a list of token ids, or a list of such lists",
            r->key);
    *out = (api_prompt){.text = v.text, .text_bytes = v.length_bytes};
    return true;
}

/* ---- fields with a shape of their own ---- */

static bool read_prompts(reading *r, template_value v) {
    api_request *q = r->out;
    bool is_list = v.kind == TEMPLATE_LIST;
    bool many =
        is_list && v.list->count &&
        (v.list->items[0].kind == TEMPLATE_STRING || v.list->items[0].kind == TEMPLATE_LIST);
    if (is_list && !v.list->count) return refuse(r, "%s must not be an empty list", r->key);
    int64_t count = many ? v.list->count : 1;
    if (count > API_MOST_PROMPTS)
        return refuse(r, "%s holds %lld prompts; at most %d are taken", r->key, (long long)count,
                      API_MOST_PROMPTS);
    api_prompt *prompts = ARENA_NEW(r->a, api_prompt, count);
    if (!prompts) return no_memory(r);
    for (int64_t i = 0; i < count; i++)
        if (!read_prompt(r, many ? v.list->items[i] : v, &prompts[i])) return false;
    q->prompts = prompts;
    q->n_prompts = count;
    q->prompt_is_list = many;
    return true;
}

/* The text of part `k` of message `i`. */
static bool read_part(reading *r, int64_t i, int64_t k, template_value part, template_value *out) {
    long long message = (long long)i, which = (long long)k;
    const template_value *type = NULL, *text = NULL;
    if (part.kind == TEMPLATE_DICT) {
        type = template_dict_find_text(part.dict, "type");
        text = template_dict_find_text(part.dict, "text");
    }
    if (!type || type->kind != TEMPLATE_STRING)
        return refuse(r, "messages[%lld].content[%lld] must be an object with a type", message,
                      which);
    if (!template_is_text(*type, "text"))
        return refuse(r, "messages[%lld].content[%lld]: '%.*s' is not supported, only text",
                      message, which, (int)MIN_OF(type->length_bytes, 64), type->text);
    if (!text || text->kind != TEMPLATE_STRING)
        return refuse(r, "messages[%lld].content[%lld].text must be a string", message, which);
    *out = *text;
    return true;
}

/* Parts become one text with lines between them, since a template writes a list as Python shows it. */
static bool read_content(reading *r, int64_t i, template_value *content) {
    if (content->kind != TEMPLATE_LIST)
        return content->kind == TEMPLATE_STRING || content->kind == TEMPLATE_NONE ||
               refuse(r, "messages[%lld].content must be a string or a list of parts",
                      (long long)i);
    int64_t count = content->list->count, size_bytes = 0, n = 0;
    template_value *parts = ARENA_NEW(r->a, template_value, MAX_OF(count, 1));
    if (!parts) return no_memory(r);
    for (int64_t k = 0; k < count; k++) {
        if (!read_part(r, i, k, content->list->items[k], &parts[k])) return false;
        size_bytes += parts[k].length_bytes + 1;
    }
    char *text = ARENA_NEW(r->a, char, MAX_OF(size_bytes, 1));
    if (!text) return no_memory(r);
    for (int64_t k = 0; k < count; k++) {
        if (k) text[n++] = '\n';
        memcpy(text + n, parts[k].text, (size_t)parts[k].length_bytes);
        n += parts[k].length_bytes;
    }
    *content = template_string_of(text, n);
    return true;
}

static bool read_messages(reading *r, template_value v) {
    if (v.kind != TEMPLATE_LIST || !v.list->count)
        return refuse(r, "messages must be a list of at least one message");
    for (int64_t i = 0; i < v.list->count; i++) {
        template_value m = v.list->items[i];
        const template_value *role =
            m.kind == TEMPLATE_DICT ? template_dict_find_text(m.dict, "role") : NULL;
        if (!role || role->kind != TEMPLATE_STRING)
            return refuse(r, "messages[%lld] must be an object with a role", (long long)i);
        template_value *content = template_dict_find_text(m.dict, "content");
        if (content && !read_content(r, i, content)) return false;
    }
    r->out->messages = v;
    return true;
}

static bool read_tools(reading *r, template_value v) {
    if (v.kind != TEMPLATE_LIST) return refuse(r, "tools must be a list");
    for (int64_t i = 0; i < v.list->count; i++) {
        template_value tool = v.list->items[i];
        const template_value *type =
            tool.kind == TEMPLATE_DICT ? template_dict_find_text(tool.dict, "type") : NULL;
        const template_value *f =
            tool.kind == TEMPLATE_DICT ? template_dict_find_text(tool.dict, "function") : NULL;
        if (!type || !template_is_text(*type, "function") || !f || f->kind != TEMPLATE_DICT)
            return refuse(r, "tools[%lld] must have type \"function\" and a function",
                          (long long)i);
    }
    if (v.list->count) r->out->tools = v;
    return true;
}

static bool read_tool_choice(reading *r, template_value v) {
    r->out->no_tools = template_is_text(v, "none");
    if (r->out->no_tools || template_is_text(v, "auto")) return true;
    return refuse(r, "tool_choice may be \"auto\" or \"none\"; a call cannot be forced");
}

static bool read_kwargs(reading *r, template_value v) {
    if (v.kind != TEMPLATE_DICT) return refuse(r, "chat_template_kwargs must be an object");
    r->out->template_values = v;
    return true;
}

static bool read_stop(reading *r, template_value v) {
    api_request *q = r->out;
    int64_t count = v.kind == TEMPLATE_LIST ? v.list->count : 1;
    if (count > API_MOST_STOPS)
        return refuse(r, "stop holds %lld strings; at most %d are taken", (long long)count,
                      API_MOST_STOPS);
    for (int64_t i = 0; i < count; i++) {
        template_value s = v.kind == TEMPLATE_LIST ? v.list->items[i] : v;
        if (s.kind != TEMPLATE_STRING || !s.length_bytes)
            return refuse(r, "stop must be a string or a list of strings, none of them empty");
        q->stops[q->n_stops++] = (stop_text){s.text, s.length_bytes};
    }
    return true;
}

static bool read_biases(reading *r, template_value v) {
    if (v.kind != TEMPLATE_DICT || v.dict->count > API_MOST_BIASES)
        return refuse(r, "logit_bias must be an object of at most %d token ids", API_MOST_BIASES);
    sampling_bias *biases = ARENA_NEW(r->a, sampling_bias, MAX_OF(v.dict->count, 1));
    if (!biases) return no_memory(r);
    for (int64_t i = 0; i < v.dict->count; i++) {
        template_value key = v.dict->entries[i].key, bias = v.dict->entries[i].value;
        int64_t id = -1;
        char text[24];
        if (key.length_bytes < (int64_t)sizeof text) {
            memcpy(text, key.text, (size_t)key.length_bytes);
            text[key.length_bytes] = 0;
            if (!options_int_from(text, &id)) id = -1;
        }
        double b = template_is_number(bias) ? template_as_double(bias) : NAN;
        if (id < 0 || id > INT32_MAX || !(b >= -100 && b <= 100))
            return refuse(r, "logit_bias must map token ids to numbers from -100 to 100");
        biases[i] = (sampling_bias){(int32_t)id, (float)b};
    }
    r->out->sampling.bias = biases;
    r->out->sampling.n_bias = v.dict->count;
    return true;
}

static bool read_stream_options(reading *r, template_value v) {
    if (v.kind != TEMPLATE_DICT) return refuse(r, "stream_options must be an object");
    for (int64_t i = 0; i < v.dict->count; i++) {
        template_value key = v.dict->entries[i].key, is = v.dict->entries[i].value;
        if (!template_is_text(key, "include_usage") || is.kind != TEMPLATE_BOOL)
            return refuse(r, "stream_options may hold include_usage, true or false; not '%.*s'",
                          (int)MIN_OF(key.length_bytes, 60), key.text);
        r->out->include_usage = is.truth;
    }
    return true;
}

/* Of completions a number; of chat a truth, with top_logprobs for how many. */
static bool read_logprobs(reading *r, template_value v) {
    api_request *q = r->out;
    if (q->endpoint == API_COMPLETIONS) return read_integer(r, v, 0, 20, &q->logprobs);
    if (v.kind != TEMPLATE_BOOL) return refuse(r, "logprobs must be true or false");
    q->logprobs = v.truth ? MAX_OF(q->logprobs, 0) : -1;
    return true;
}
static bool read_top_logprobs(reading *r, template_value v) {
    return read_integer(r, v, 0, 20, &r->out->logprobs);
}

static bool read_seed(reading *r, template_value v) {
    int64_t seed = 0;
    if (!read_integer(r, v, -9007199254740992.0, 9007199254740992.0, &seed)) return false;
    r->out->has_seed = true;
    r->out->sampling.seed = (uint64_t)seed;
    return true;
}

static bool read_response_format(reading *r, template_value v) {
    const template_value *type =
        v.kind == TEMPLATE_DICT ? template_dict_find_text(v.dict, "type") : NULL;
    return (type && template_is_text(*type, "text")) ||
           refuse(r, "response_format is not supported, except {\"type\": \"text\"}");
}

static bool read_encoding(reading *r, template_value v) {
    r->out->base64 = template_is_text(v, "base64");
    return r->out->base64 || template_is_text(v, "float") ||
           refuse(r, "encoding_format must be \"float\" or \"base64\"");
}

/* What asks for nothing: false, null, 0, an empty list or object. */
static bool read_unsupported(reading *r, template_value v) {
    return !template_truth(v) || refuse(r, "%s is not supported by this server", r->key);
}
static bool read_modalities(reading *r, template_value v) {
    bool text =
        v.kind == TEMPLATE_LIST && v.list->count == 1 && template_is_text(v.list->items[0], "text");
    return text || refuse(r, "modalities may only be [\"text\"]");
}

/* ---- the table ---- */

typedef enum field_kind {
    FIELD_TEXT,
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_BOOL,
    FIELD_OWN,
    FIELD_IGNORED
} field_kind;
typedef struct field {
    const char *key;
    int endpoints;
    field_kind kind;
    size_t offset;
    double low, high;
    bool (*read)(reading *r, template_value v);
} field;

#define AT(member) offsetof(api_request, member)
#define OWN(key_, endpoints_, read_)                                                               \
    { key_, endpoints_, FIELD_OWN, 0, 0, 0, read_ }
enum {
    GENERATE = API_COMPLETIONS | API_CHAT,
    ALL = GENERATE | API_EMBEDDINGS | API_TOKENIZE | API_DETOKENIZE
};
static const field fields[] = {
    {"model", ALL, FIELD_TEXT, AT(model), 0, 0, NULL},
    OWN("prompt", API_COMPLETIONS | API_TOKENIZE, read_prompts),
    OWN("input", API_EMBEDDINGS, read_prompts),
    OWN("tokens", API_DETOKENIZE, read_prompts),
    OWN("messages", API_CHAT | API_TOKENIZE, read_messages),
    OWN("tools", API_CHAT | API_TOKENIZE, read_tools),
    OWN("tool_choice", API_CHAT, read_tool_choice),
    OWN("chat_template_kwargs", API_CHAT | API_TOKENIZE, read_kwargs),
    {"add_generation_prompt", API_CHAT | API_TOKENIZE, FIELD_BOOL, AT(add_generation_prompt), 0, 0,
     NULL},
    {"add_special_tokens", GENERATE | API_TOKENIZE, FIELD_BOOL, AT(add_special_tokens), 0, 0, NULL},
    {"max_tokens", GENERATE, FIELD_INTEGER, AT(most_tokens), 0, 1 << 30, NULL},
    {"max_completion_tokens", API_CHAT, FIELD_INTEGER, AT(most_tokens), 0, 1 << 30, NULL},
    {"min_tokens", GENERATE, FIELD_INTEGER, AT(least_tokens), 0, 1 << 30, NULL},
    {"n", GENERATE, FIELD_INTEGER, AT(n), 1, 128, NULL},
    {"best_of", API_COMPLETIONS, FIELD_INTEGER, AT(best_of), 1, 128, NULL},
    {"stream", GENERATE, FIELD_BOOL, AT(stream), 0, 0, NULL},
    OWN("stream_options", GENERATE, read_stream_options),
    {"echo", API_COMPLETIONS, FIELD_BOOL, AT(echo), 0, 0, NULL},
    {"ignore_eos", GENERATE, FIELD_BOOL, AT(ignore_end), 0, 0, NULL},
    OWN("logprobs", GENERATE, read_logprobs),
    OWN("top_logprobs", API_CHAT, read_top_logprobs),
    OWN("seed", GENERATE, read_seed),
    {"temperature", GENERATE, FIELD_NUMBER, AT(sampling.temperature), 0, 100, NULL},
    {"top_p", GENERATE, FIELD_NUMBER, AT(sampling.top_p), 0, 1, NULL},
    {"min_p", GENERATE, FIELD_NUMBER, AT(sampling.min_p), 0, 1, NULL},
    {"typical_p", GENERATE, FIELD_NUMBER, AT(sampling.typical_p), 0, 1, NULL},
    {"top_k", GENERATE, FIELD_INTEGER, AT(sampling.top_k), -1, INT32_MAX, NULL},
    {"repetition_penalty", GENERATE, FIELD_NUMBER, AT(sampling.repetition_penalty), 0.01, 100,
     NULL},
    {"presence_penalty", GENERATE, FIELD_NUMBER, AT(sampling.presence_penalty), -2, 2, NULL},
    {"frequency_penalty", GENERATE, FIELD_NUMBER, AT(sampling.frequency_penalty), -2, 2, NULL},
    OWN("stop", GENERATE, read_stop),
    OWN("logit_bias", GENERATE, read_biases),
    {"priority", GENERATE, FIELD_INTEGER, AT(priority), -1000000, 1000000, NULL},
    {"cache_salt", GENERATE, FIELD_TEXT, AT(cache_salt), 0, 0, NULL},
    OWN("encoding_format", API_EMBEDDINGS, read_encoding),
    OWN("response_format", GENERATE, read_response_format),
    OWN("suffix", API_COMPLETIONS, read_unsupported),
    OWN("functions", API_CHAT, read_unsupported),
    OWN("function_call", API_CHAT, read_unsupported),
    OWN("audio", API_CHAT, read_unsupported),
    OWN("web_search_options", API_CHAT, read_unsupported),
    OWN("prediction", API_CHAT, read_unsupported),
    {"dimensions", API_EMBEDDINGS, FIELD_INTEGER, AT(dimensions), 1, 1 << 20, NULL},
    OWN("modalities", API_CHAT, read_modalities),
    {"user", ALL, FIELD_TEXT, AT(user), 0, 0, NULL},
    {"metadata", ALL, FIELD_IGNORED, 0, 0, 0, NULL},
    {"store", ALL, FIELD_IGNORED, 0, 0, 0, NULL},
    {"service_tier", ALL, FIELD_IGNORED, 0, 0, 0, NULL},
    {"safety_identifier", ALL, FIELD_IGNORED, 0, 0, 0, NULL},
    {"prompt_cache_key", ALL, FIELD_IGNORED, 0, 0, 0, NULL},
    {"parallel_tool_calls", API_CHAT, FIELD_IGNORED, 0, 0, 0, NULL},
    {"reasoning_effort", API_CHAT, FIELD_IGNORED, 0, 0, 0, NULL},
};

static bool read_field(reading *r, const field *f, template_value v) {
    char *place = (char *)r->out + f->offset;
    if (v.kind == TEMPLATE_NONE || f->kind == FIELD_IGNORED) return true;
    switch (f->kind) {
    case FIELD_TEXT:
        return read_text(r, v, (const char **)place);
    case FIELD_INTEGER:
        return read_integer(r, v, f->low, f->high, (int64_t *)place);
    case FIELD_NUMBER: {
        double number =
            template_is_number(v) && v.kind != TEMPLATE_BOOL ? template_as_double(v) : NAN;
        if (!(number >= f->low && number <= f->high))
            return refuse(r, "%s must be a number from %g to %g", f->key, f->low, f->high);
        *(double *)place = number;
        return true;
    }
    case FIELD_BOOL:
        if (v.kind != TEMPLATE_BOOL) return refuse(r, "%s must be true or false", f->key);
        *(bool *)place = v.truth;
        return true;
    default:
        return f->read(r, v);
    }
}

static bool refuse_key(reading *r, template_value key) {
    const char *names[COUNT_OF(fields)],
        *name = arena_strndup(r->a, key.text, (size_t)MIN_OF(key.length_bytes, 60));
    if (!name) return no_memory(r);
    int64_t n = 0;
    for (int64_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i].endpoints & r->out->endpoint) names[n++] = fields[i].key;
    r->key = name;
    const char *nearest = options_nearest(name, names, n);
    return refuse(r, nearest ? "unknown field '%s'; did you mean '%s'?" : "unknown field '%s'",
                  name, nearest);
}

static bool read_all(reading *r, const template_dict *body) {
    for (int64_t i = 0; i < body->count; i++) {
        const field *f = NULL;
        template_value key = body->entries[i].key;
        for (int64_t k = 0; k < COUNT_OF(fields) && !f; k++)
            if ((fields[k].endpoints & r->out->endpoint) && template_is_text(key, fields[k].key))
                f = &fields[k];
        if (!f) return refuse_key(r, key);
        r->key = f->key;
        if (!read_field(r, f, body->entries[i].value)) return false;
    }
    return true;
}

/* What no single field can tell. */
static bool check_whole(reading *r) {
    api_request *q = r->out;
    bool chat = q->endpoint == API_CHAT || (q->endpoint == API_TOKENIZE && !q->n_prompts);
    r->key = chat                            ? "messages"
             : q->endpoint == API_EMBEDDINGS ? "input"
             : q->endpoint == API_DETOKENIZE ? "tokens"
                                             : "prompt";
    if (chat ? q->messages.kind == TEMPLATE_UNDEFINED : !q->n_prompts)
        return refuse(r, "%s is missing", r->key);
    if (q->endpoint == API_DETOKENIZE && (q->n_prompts != 1 || q->prompts[0].text))
        return refuse(r, "tokens must be a list of token ids");
    r->key = "best_of";
    if (q->best_of && q->best_of < q->n) return refuse(r, "best_of must be at least n");
    if (q->best_of > q->n && q->stream) return refuse(r, "best_of cannot be streamed");
    r->key = "top_logprobs";
    if (q->no_tools) q->tools = template_undefined("tools");
    return true;
}

bool api_request_read(arena *a, api_endpoint endpoint, const api_defaults *defaults,
                      const char *body, int64_t body_bytes, api_request *out,
                      api_problem *problem) {
    *out = (api_request){.endpoint = endpoint,
                         .most_tokens = endpoint == API_COMPLETIONS ? 16 : -1,
                         .n = 1,
                         .logprobs = -1,
                         .sampling = {.temperature = defaults->temperature,
                                      .top_p = defaults->top_p,
                                      .top_k = defaults->top_k,
                                      .typical_p = 1,
                                      .repetition_penalty = defaults->repetition_penalty},
                         .add_generation_prompt = true,
                         .add_special_tokens = endpoint != API_CHAT};
    reading r = {.a = a, .out = out, .problem = problem};
    context_clear(a->cx);
    json j = json_make(a->cx, "the body", body, body_bytes, NULL);
    template_value tree;
    status st = template_value_from_json(a, &j, &tree);
    if (st == STATUS_OK) st = json_finish(&j);
    json_free(&j);
    if (st == STATUS_NO_MEMORY) return no_memory(&r);
    if (st != STATUS_OK) return refuse(&r, "%s", context_error(a->cx));
    if (tree.kind != TEMPLATE_DICT) return refuse(&r, "the body must be a JSON object");
    return read_all(&r, tree.dict) && check_whole(&r);
}
