/* `hone inspect` over models made here: what it prints, and what it refuses by name. */
#include "test.h"
#include "base/json.h"
#include "base/options.h"
#include "store/modelfile.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const config =
    "{\"model_type\":\"llama\",\"num_hidden_layers\":2,\"hidden_size\":64,"
    "\"num_attention_heads\":4,\"intermediate_size\":128,\"vocab_size\":300,"
    "\"max_position_embeddings\":512}";

/* Runs the verb on FOLDER/name; what it printed is in `text`, to be freed. */
static status inspect(test *t, context *cx, const char *name, const char *flag, char **text) {
    char path[512];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", test_folder(t), name);
    const verb_def *verb = NULL;
    for (int64_t i = 0; registry_verb[i]; i++)
        if (!strcmp(registry_verb[i]->name, "inspect")) verb = registry_verb[i];
    *text = NULL;
    if (!verb) return STATUS_BUG;
    arena memory = arena_make(cx);
    const char *const words[] = {path, flag};
    verb_call call;
    status st = options_read(&memory, verb, flag ? 2 : 1, words, &call);
    FILE *out = open_memstream(text, &size);
    if (st == STATUS_OK) {
        call.out = out;
        st = verb->run(&call);
    }
    fclose(out);
    arena_free(&memory);
    return st;
}

static status put(test *t, context *cx, const char *name, const char *bytes) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", test_folder(t), name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    mkdir(path, 0700);
    *slash = '/';
    return file_write_whole(cx, path, bytes, (int64_t)strlen(bytes));
}

static status put_weights(test *t, context *cx, const char *folder, const char *second) {
    char path[512];
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    const safetensors_source sources[] = {
        {.name = "w", .dtype = "F32", .n_dims = 2, .shape = {2, 3}, .data = values},
        {.name = "b", .dtype = second, .n_dims = 1, .shape = {2}, .data = values},
    };
    const safetensors_contents c = {.tensors = sources, .n_tensors = 2};
    snprintf(path, sizeof path, "%s/%s", test_folder(t), folder);
    mkdir(path, 0700);
    return safetensors_write_folder(cx, path, &c, 0);
}

static status copy_tokenizer(test *t, context *cx, const char *to) {
    char path[512];
    file_map map;
    TRY(file_map_open(cx, "test/golden/tokenizers/gpt2.json", &map));
    snprintf(path, sizeof path, "%s/%s", test_folder(t), to);
    status st = file_write_whole(cx, path, map.bytes, map.size_bytes);
    file_map_close(&map);
    return st;
}

#define SAYS(t, text, words) CHECK(t, strstr(text, words), "'%s' is not in\n%s", words, text)

static void folder(test *t) {
    context *cx = context_new();
    char *text;
    CHECK_OK(t, cx, put_weights(t, cx, "m", "BF16"));
    CHECK_OK(t, cx, put(t, cx, "m/config.json", config));
    CHECK_OK(t, cx, copy_tokenizer(t, cx, "m/tokenizer.json"));
    CHECK_OK(t, cx,
             put(t, cx, "m/tokenizer_config.json", "{\"a\":[1],\"chat_template\":\"{{ 1 }}\"}"));
    CHECK_OK(t, cx, inspect(t, cx, "m", NULL, &text));
    SAYS(t, text, "w f32 [2, 3] 24 bytes\n");
    SAYS(t, text, "container: safetensors, 1 files, 2 tensors\n");
    SAYS(t, text, "  bf16: 1 tensors, 2 elements, 4 bytes\n");
    SAYS(t, text, "config: llama, 2 layers, width 64, 4 heads (4 of keys) of 16,");
    SAYS(t, text, "tokenizer: byte-level BPE, ");
    SAYS(t, text, "chat template: yes\n");
    CHECK(t, !strstr(text, "refused"), "%s", text);
    free(text);
    CHECK_OK(t, cx, inspect(t, cx, "m/model.safetensors", NULL, &text));
    SAYS(t, text, "config: none\ntokenizer: none\nchat template: no\n");
    free(text);

    CHECK_OK(t, cx, inspect(t, cx, "m", "--json", &text));
    json j = json_make(cx, "output", text, (int64_t)strlen(text), NULL);
    CHECK_OK(t, cx, json_skip(&j));
    CHECK_OK(t, cx, json_finish(&j));
    json_free(&j);
    SAYS(t, text, "{\"name\":\"w\",\"format\":\"f32\",\"shape\":[2,3],\"bytes\":24}");
    SAYS(t, text, "\"chat_template\":true,\"refused\":[]}");
    free(text);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void refusals(test *t) {
    context *cx = context_new();
    char *text;
    CHECK_FAILS(t, cx, inspect(t, cx, "nothing", NULL, &text), STATUS_IO, "is not there");
    free(text);
    CHECK_OK(t, cx, put(t, cx, "p/pytorch_model.bin", "PK\3\4...."));
    CHECK_OK(t, cx, put(t, cx, "p/config.json", config));
    CHECK_FAILS(t, cx, inspect(t, cx, "p", NULL, &text), STATUS_UNSUPPORTED,
                "not understood: weights: ");
    SAYS(t, text, "is a PyTorch pickle");
    SAYS(t, text, "config: llama, ");
    free(text);

    CHECK_OK(t, cx, put_weights(t, cx, "m", "F8_E8M0"));
    CHECK_OK(t, cx, put(t, cx, "m/config.json", "{\"model_type\":\"parrot\"}"));
    CHECK_OK(t, cx, put(t, cx, "m/tokenizer.json", "{"));
    CHECK_OK(t, cx, put(t, cx, "m/chat_template.jinja", "{% nonsense %}"));
    CHECK_FAILS(t, cx, inspect(t, cx, "m", NULL, &text), STATUS_UNSUPPORTED,
                "the format 'f8_e8m0' of tensor 'b' is not known");
    SAYS(t, text, "refused: format: ");
    SAYS(t, text, "the architecture 'parrot' is not supported");
    SAYS(t, text, "refused: tokenizer: ");
    SAYS(t, text, "refused: template: ");
    CHECK(t, !strchr(context_error(cx), '\n'), "one line");
    free(text);
    CHECK_FAILS(t, cx, inspect(t, cx, "m", "--json", &text), STATUS_UNSUPPORTED, "f8_e8m0");
    SAYS(t, text, "\"known\":false");
    SAYS(t, text, "\"refused\":[{\"part\":\"format\",\"why\":\"");
    free(text);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

#define WHOLE(name, n)                                                                             \
    {                                                                                              \
        name, {                                                                                    \
            .type = GGUF_U32, .integer = (n)                                                       \
        }                                                                                          \
    }
#define TEXT(name, words)                                                                          \
    {                                                                                              \
        name, {                                                                                    \
            .type = GGUF_STRING, .text = { words, sizeof(words) - 1 }                              \
        }                                                                                          \
    }

static void gguf_file_of(test *t) {
    context *cx = context_new();
    char path[512], *text;
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    gguf_pair pairs[] = {TEXT("general.architecture", "qwen3"),
                         WHOLE("qwen3.block_count", 3),
                         WHOLE("qwen3.embedding_length", 64),
                         WHOLE("qwen3.attention.head_count", 4),
                         WHOLE("qwen3.attention.head_count_kv", 2),
                         WHOLE("qwen3.feed_forward_length", 96),
                         WHOLE("qwen3.context_length", 128),
                         WHOLE("qwen3.vocab_size", 50),
                         WHOLE("qwen3.expert_count", 0),
                         TEXT("tokenizer.chat_template", "{{ messages }}")};
    const gguf_source source = {.name = "w",
                                .dtype = gguf_dtype_of_name("f32"),
                                .n_dims = 2,
                                .shape = {3, 2},
                                .data = values};
    gguf_contents c = {
        .pairs = pairs, .n_pairs = COUNT_OF(pairs), .tensors = &source, .n_tensors = 1};
    snprintf(path, sizeof path, "%s/a.gguf", test_folder(t));
    CHECK_OK(t, cx, gguf_write(cx, path, &c));
    CHECK_OK(t, cx, inspect(t, cx, "a.gguf", NULL, &text));
    SAYS(t, text, "w f32 [2, 3] 24 bytes\ncontainer: GGUF, 1 files, 1 tensors\n");
    SAYS(t, text, "config: qwen3, 3 layers, width 64, 4 heads (2 of keys) of 128,");
    SAYS(t, text, "vocabulary 50, positions 128, tied embeddings\n");
    SAYS(t, text, "tokenizer: none\nchat template: yes\n");
    free(text);
    pairs[0].value.text = (gguf_string){"parrot", 6};
    CHECK_OK(t, cx, gguf_write(cx, path, &c));
    CHECK_FAILS(t, cx, inspect(t, cx, "a.gguf", NULL, &text), STATUS_UNSUPPORTED,
                "the architecture 'parrot' is not supported");
    free(text);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* Each architecture's metadata comes through the one reader. */
static void gguf_architectures(test *t) {
    static const struct {
        const char *arch, *extra, *said;
        int64_t value;
    } cases[] = {
        {"llama", "expert_used_count", "config: llama, 46 layers, ", 0},
        {"llama", "expert_count", "config: mixtral, 46 layers, ", 8},
        {"qwen3moe", "expert_count", ", 8 of 8 experts", 8},
        {"gemma2", "attention.key_length", "(4 of keys) of 32, ", 32},
        {"gemma", "attention.sliding_window", "config: gemma, 46 layers, ", 0},
    };
    static const char *const names[] = {"block_count",          "embedding_length",
                                        "attention.head_count", "feed_forward_length",
                                        "context_length",       "vocab_size"};
    static const int64_t sizes[] = {46, 64, 4, 96, 128, 50};
    context *cx = context_new();
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char key[COUNT_OF(names) + 1][64], path[512], *text;
        gguf_pair pairs[COUNT_OF(names) + 2];
        for (int k = 0; k <= COUNT_OF(names); k++) {
            bool last = k == COUNT_OF(names);
            snprintf(key[k], sizeof key[k], "%s.%s", cases[i].arch,
                     last ? cases[i].extra : names[k]);
            pairs[k] = (gguf_pair)WHOLE(key[k], last ? cases[i].value : sizes[k]);
        }
        pairs[COUNT_OF(names) + 1] = (gguf_pair)TEXT("general.architecture", "");
        pairs[COUNT_OF(names) + 1].value.text =
            (gguf_string){cases[i].arch, (int64_t)strlen(cases[i].arch)};
        const gguf_contents c = {.pairs = pairs, .n_pairs = COUNT_OF(pairs)};
        snprintf(path, sizeof path, "%s/a.gguf", test_folder(t));
        CHECK_OK(t, cx, gguf_write(cx, path, &c));
        CHECK_OK(t, cx, inspect(t, cx, "a.gguf", NULL, &text));
        SAYS(t, text, cases[i].said);
        CHECK(t, !strstr(text, "tied"), "%s", text);
        free(text);
    }
    context_free(cx);
}

static void template_lists(test *t) {
    context *cx = context_new();
    char *text;
    CHECK_OK(t, cx, put_weights(t, cx, "m", "BF16"));
    CHECK_OK(t, cx, put(t, cx, "m/config.json", config));
    CHECK_OK(t, cx, put(t, cx, "m/tokenizer_config.json", "{\"chat_template\":null}"));
    CHECK_OK(t, cx, inspect(t, cx, "m", NULL, &text));
    SAYS(t, text, "chat template: no\n");
    free(text);
    CHECK_OK(t, cx,
             put(t, cx, "m/tokenizer_config.json",
                 "{\"chat_template\":[{\"name\":\"default\",\"template\":\"{{ 1 }}\"}]}"));
    CHECK_OK(t, cx, inspect(t, cx, "m", NULL, &text));
    SAYS(t, text, "chat template: yes\n");
    free(text);
    CHECK_OK(t, cx,
             put(t, cx, "m/tokenizer_config.json",
                 "{\"chat_template\":[{\"template\":\"{{ 1 }}\"},{\"template\":\"{% x %}\"}]}"));
    CHECK_FAILS(t, cx, inspect(t, cx, "m", NULL, &text), STATUS_UNSUPPORTED, "chat template of");
    free(text);
    context_free(cx);
}

static void allocation_failures(test *t) {
    context *cx = context_new();
    CHECK_OK(t, cx, put_weights(t, cx, "m", "BF16"));
    CHECK_OK(t, cx, put(t, cx, "m/config.json", config));
    CHECK_OK(t, cx, put(t, cx, "m/chat_template.jinja", "{{ 1 }}"));
    for (int64_t n = 0;; n++) {
        char *text;
        context_fail_allocation_after(cx, n);
        status st = inspect(t, cx, "m", n % 2 ? "--json" : NULL, &text);
        context_fail_allocation_after(cx, -1);
        free(text);
        CHECK(t, st == STATUS_OK || st == STATUS_NO_MEMORY, "%s", context_error(cx));
        CHECK(t, context_live_allocations(cx) == 0, "leak after allocation %lld", (long long)n);
        if (st != STATUS_OK) continue;
        CHECK(t, n > 3, "%lld", (long long)n);
        break;
    }
    context_free(cx);
}

const test_case suite_inspect[] = {{"folder", folder},
                                   {"refusals", refusals},
                                   {"gguf", gguf_file_of},
                                   {"gguf_architectures", gguf_architectures},
                                   {"template_lists", template_lists},
                                   {"allocation_failures", allocation_failures},
                                   {0}};
