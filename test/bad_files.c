/* A folder of bad files, made here, and the exact error of each: what was wrong, of which file, tensor or key, and what
 * was found. None may take long or much memory, and none may leave anything behind. */
#include "cmd/kit/convert.h"
#include "kit/model_case.h"
#include "store/modelfile.h"
#include "test.h"
#include "text/template.h"
#include "text/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

typedef enum opener { WEIGHTS, TOKENIZER, TEMPLATE } opener;

typedef struct bad_file {
    const char *name;
    opener how;
    const char *bytes;
    int64_t size; /* 0: a text, closed by a zero */
    int64_t
        data_bytes; /* of a safetensors file: what follows the header; -1: the bytes are the whole file */
    int64_t deep; /* the bytes so many times, as a text nested without an end */
    status code;
    const char *error; /* %s: the file */
} bad_file;

#define BYTES(text) .bytes = (text), .size = sizeof(text) - 1, .data_bytes = -1
#define HEADER(text, n) .bytes = (text), .data_bytes = (n)
#define TEXT(text) .bytes = (text), .data_bytes = -1
#define U64(low) low "\0\0\0\0\0\0\0"
#define HUGE "\377\377\377\377\377\377\377\177"
#define GGUF(tensors, pairs) "GGUF\3\0\0\0" U64(tensors) U64(pairs)
#define A "{\"a\":{\"dtype\":\"F32\",\"shape\":"
#define VOCAB "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":"

static const bad_file files[] = {
    {"short.safetensors", WEIGHTS, BYTES("\10\0\0"), .code = STATUS_BAD_DATA,
     .error = "'%s': 3 bytes are too few for a header"},
    {"past_end.safetensors", WEIGHTS, HEADER(A "[4],\"data_offsets\":[0,16]}}", 8),
     .code = STATUS_BAD_DATA,
     .error = "'%s': tensor 'a': offsets 0..16 end past the data (8 bytes)"},
    {"overlap.safetensors", WEIGHTS,
     HEADER(A "[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":"
              "[4,12]}}",
            12),
     .code = STATUS_BAD_DATA, .error = "'%s': tensor 'b': its data overlaps that of 'a'"},
    {"overflow.safetensors", WEIGHTS,
     HEADER(A "[4294967296,4294967296,4294967296],\"data_offsets\":[0,8]}}", 8),
     .code = STATUS_BAD_DATA,
     .error = "'%s': tensor 'a': its shape is too large or not whole bytes"},
    {"negative.safetensors", WEIGHTS, HEADER(A "[-4],\"data_offsets\":[0,8]}}", 8),
     .code = STATUS_BAD_DATA,
     .error = "'%s': tensor 'a': 'header' at byte 29, line 1: expected an integer in "
              "0..9223372036854775807, found -4"},
    {"huge.safetensors", WEIGHTS, HEADER(A "[1e300],\"data_offsets\":[0,8]}}", 8),
     .code = STATUS_BAD_DATA,
     .error = "'%s': tensor 'a': 'header' at byte 29, line 1: expected an integer in "
              "0..9223372036854775807, found 1e300"},
    {"twice.safetensors", WEIGHTS,
     HEADER(A "[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":"
              "[8,12]}}",
            12),
     .code = STATUS_BAD_DATA, .error = "'%s': tensor 'a' comes twice"},
    {"header_size.safetensors", WEIGHTS, BYTES(HUGE "{}"), .code = STATUS_BAD_DATA,
     .error = "'%s': a header of 9223372036854775807 bytes is over the limit of 100000000"},
    {"deep.safetensors", WEIGHTS, HEADER("{\"a\":", 0), .deep = 100000, .code = STATUS_BAD_DATA,
     .error = "'%s': tensor 'a': 'header' at byte 6, line 1: unknown key 'a'"},
    {"pickle.safetensors", WEIGHTS, BYTES("PK\3\4 archive/data.pkl"), .code = STATUS_UNSUPPORTED,
     .error = "'%s' is a PyTorch pickle, which can run code when it is opened; convert it to "
              "safetensors (transformers: save_pretrained(..., safe_serialization=True))"},
    {"model.safetensors.index.json", WEIGHTS,
     TEXT("{\"weight_map\":{\"a\":\"gone-00001-of-00002.safetensors\"}}"), .code = STATUS_IO,
     .error = "'%s': '%d/gone-00001-of-00002.safetensors': No such file or directory"},
    {"climbs.safetensors.index.json", WEIGHTS,
     TEXT("{\"weight_map\":{\"a\":\"../../etc/passwd\"}}"), .code = STATUS_BAD_DATA,
     .error = "tensor 'a': '%s' at byte 19, line 1: '../../etc/passwd' does not name a file beside "
              "the index"},
    {"cyclic.safetensors.index.json", WEIGHTS,
     TEXT("{\"weight_map\":{\"a\":\"cyclic.safetensors.index.json\"}}"), .code = STATUS_BAD_DATA,
     .error = "'%s': '%s': a header of 8388068008349082235 bytes is over the limit of 100000000"},
    {"nested.safetensors.index.json", WEIGHTS, TEXT("{\"weight_map\":{\"a\":{\"b\":1}}}"),
     .code = STATUS_BAD_DATA,
     .error = "tensor 'a': '%s' at byte 19, line 1: expected a string, found an object"},
    {"short.gguf", WEIGHTS, BYTES("GGUF\3\0\0\0\1"), .code = STATUS_BAD_DATA,
     .error = "'%s': the file ends at byte 9 inside the number of tensors"},
    {"version.gguf", WEIGHTS, BYTES("GGUF\1\0\0\0" U64("\0") U64("\0")), .code = STATUS_UNSUPPORTED,
     .error = "'%s': GGUF version 1 (2 and 3 are known)"},
    {"big_endian.gguf", WEIGHTS, BYTES("GGUF\0\0\0\3" U64("\0") U64("\0")),
     .code = STATUS_UNSUPPORTED, .error = "'%s': a big-endian GGUF file"},
    {"many_tensors.gguf", WEIGHTS, BYTES("GGUF\3\0\0\0" HUGE U64("\0")), .code = STATUS_BAD_DATA,
     .error = "'%s': the number of tensors 9223372036854775807 at byte 8 is more than the file can "
              "hold"},
    {"many_pairs.gguf", WEIGHTS, BYTES("GGUF\3\0\0\0" U64("\0") HUGE), .code = STATUS_BAD_DATA,
     .error =
         "'%s': the number of keys 9223372036854775807 at byte 16 is more than the file can hold"},
    {"long_key.gguf", WEIGHTS, BYTES(GGUF("\0", "\1") HUGE "key" HUGE), .code = STATUS_BAD_DATA,
     .error = "'%s': a key 9223372036854775807 at byte 24 is more than the file can hold"},
    {"long_array.gguf", WEIGHTS, BYTES(GGUF("\0", "\1") U64("\3") "key\11\0\0\0\4\0\0\0" HUGE),
     .code = STATUS_BAD_DATA,
     .error = "'%s': key 'key': an array's length 9223372036854775807 at byte 43 is more than the "
              "file can hold"},
    {"arrays.gguf", WEIGHTS,
     BYTES(GGUF("\0", "\1") U64("\3") "key\11\0\0\0\11\0\0\0" U64("\1") "\11\0\0\0" U64(
         "\1") "\11\0\0\0" U64("\1") "\11\0\0\0" U64("\1") "\11\0\0\0" U64("\1")),
     .code = STATUS_UNSUPPORTED, .error = "'%s': key 'key': arrays nested deeper than 4"},
    {"value_type.gguf", WEIGHTS, BYTES(GGUF("\0", "\1") U64("\3") "key\15\0\0\0"),
     .code = STATUS_UNSUPPORTED, .error = "'%s': key 'key': unknown value type 13"},
    {"dims.gguf", WEIGHTS, BYTES(GGUF("\1", "\0") U64("\1") "a\377\377\377\377" HUGE HUGE HUGE),
     .code = STATUS_UNSUPPORTED,
     .error = "'%s': tensor 'a': 4294967295 dimensions are more than 4"},
    {"overflow.gguf", WEIGHTS,
     BYTES(GGUF("\1", "\0") U64("\1") "a\2\0\0\0" HUGE HUGE "\0\0\0\0" U64("\0")),
     .code = STATUS_BAD_DATA, .error = "'%s': tensor 'a': its shape is too large"},
    {"negative.gguf", WEIGHTS,
     BYTES(GGUF("\1", "\0") U64("\1") "a\1\0\0\0"
                                      "\374\377\377\377\377\377\377\377"
                                      "\0\0\0\0" U64("\0")),
     .code = STATUS_BAD_DATA,
     .error = "'%s': tensor 'a': extent 18446744073709551612 is too large"},
    {"past_end.gguf", WEIGHTS,
     BYTES(GGUF("\1", "\0") U64("\1") "a\1\0\0\0" U64("\100") "\0\0\0\0" U64("\0")),
     .code = STATUS_BAD_DATA,
     .error = "'%s': tensor 'a': its 256 bytes at offset 0 end past the data (0 bytes)"},
    {"format.gguf", WEIGHTS,
     BYTES(GGUF("\1", "\0") U64("\1") "a\1\0\0\0" U64("\1") "\143\0\0\0" U64("\0")),
     .code = STATUS_UNSUPPORTED, .error = "'%s': tensor 'a': unknown tensor type 99"},
    {"empty.json", TOKENIZER, TEXT(""), .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 0, line 1: the text is empty"},
    {"cut.json", TOKENIZER, TEXT(VOCAB "[[\"a\""), .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 66, line 1: the text ends too early"},
    {"deep.json", TOKENIZER, TEXT("{\"added_tokens\":["), .deep = 100000, .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 1088, line 1: nested deeper than the limit of 128"},
    {"deep_normalizer.json", TOKENIZER, TEXT("{\"normalizer\":"), .deep = 100000,
     .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 1792, line 1: nested deeper than the limit of 128"},
    {"number.json", TOKENIZER, TEXT("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1e99}}}"),
     .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 36, line 1: expected an integer in 0..67108864, found 1e99"},
    {"negative.json", TOKENIZER, TEXT("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1}}}"),
     .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 36, line 1: expected an integer in 0..67108864, found -1"},
    {"merge.json", TOKENIZER, TEXT(VOCAB "[[\"a\",\"c\"]]}}"), .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 67, line 1: merge 0 ('ac') is not of three tokens"},
    {"twice.json", TOKENIZER, TEXT("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0}}}"),
     .code = STATUS_BAD_DATA, .error = "'%s': model.vocab: token id 0 is given twice"},
    {"models.json", TOKENIZER, TEXT(VOCAB "[]},\"model\":{}}"), .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 65, line 1: 'model' comes twice"},
    {"no_token.json", TOKENIZER,
     TEXT(VOCAB "[]},\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"x\",7],\"cls\":["
                "\"y\",0]}}"),
     .code = STATUS_BAD_DATA, .error = "'%s': post_processor: id 7 is no token, or one of over 64"},
    {"pattern.json", TOKENIZER,
     TEXT(VOCAB "[]},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"},"
                "\"behavior\":\"Isolated\"}}"),
     .code = STATUS_UNSUPPORTED,
     .error = "'%s': pattern '(a' at byte 2: missing closing parenthesis"},
    {"not_utf8.json", TOKENIZER, TEXT("{\"model\":{\"type\":\"B\xff\"}}"), .code = STATUS_BAD_DATA,
     .error = "'%s' at byte 19, line 1: invalid UTF-8 in a string"},
    {"cut.model", TOKENIZER, BYTES("\n\177abc"), .code = STATUS_BAD_DATA,
     .error = "'%s' is no whole SentencePiece model"},
    {"varint.model", TOKENIZER, BYTES("\377\377\377\377\377\377\377\377\377\377\377\1"),
     .code = STATUS_BAD_DATA, .error = "'%s' is no whole SentencePiece model"},
    {"piece.model", TOKENIZER, BYTES("\n\5\n\1a\30\11"), .code = STATUS_BAD_DATA,
     .error = "'%s': piece 0 has type 9, score 0"},
    {"score.model", TOKENIZER, BYTES("\n\10\n\1a\25\0\0\300\177"), .code = STATUS_BAD_DATA,
     .error = "'%s': piece 0 has type 1, score nan"},
    {"words.model", TOKENIZER, BYTES("\n\3\n\1a\22\2\30\3"), .code = STATUS_UNSUPPORTED,
     .error = "'%s': a SentencePiece model of type 3"},
    {"map.model", TOKENIZER, BYTES("\n\3\n\1a\32\6\22\4\377\377\377\177"), .code = STATUS_BAD_DATA,
     .error = "'%s': the character map (4 bytes) is not whole"},
    {"none.model", TOKENIZER, BYTES("\22\2\30\1"), .code = STATUS_BAD_DATA,
     .error = "'%s' is no whole SentencePiece model"},
    {"loops.jinja", TEMPLATE,
     TEXT("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
     .code = STATUS_BAD_DATA,
     .error = "chat template: line 1: the template takes more than 268435456 bytes of memory"},
    {"recurses.jinja", TEMPLATE, TEXT("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}"),
     .code = STATUS_BAD_DATA,
     .error = "chat template: line 1: the template recurses deeper than 1000"},
    {"doubles.jinja", TEMPLATE,
     TEXT("{% set ns = namespace(x='ab') %}{% for a in range(99) %}{% set ns.x = ns.x + ns.x %}{% "
          "endfor %}"),
     .code = STATUS_BAD_DATA, .error = "chat template: line 1: the text grows past 16777216 bytes"},
    {"repeats.jinja", TEMPLATE, TEXT("{{ 'abcdefgh' * 99999999999 }}"), .code = STATUS_BAD_DATA,
     .error = "chat template: line 1: the text grows past 16777216 bytes"},
    {"range.jinja", TEMPLATE, TEXT("{{ range(999999999999) | list | length }}"),
     .code = STATUS_BAD_DATA, .error = "chat template: line 1: a range is longer than 100000"},
    {"deep.jinja", TEMPLATE, TEXT("{{ ("), .deep = 100000, .code = STATUS_BAD_DATA,
     .error = "chat template: line 1: brackets nest too deep"},
    {"blocks.jinja", TEMPLATE, TEXT("{% if 1 %}"), .deep = 100000, .code = STATUS_BAD_DATA,
     .error = "chat template: line 1: the template nests deeper than 100"},
    {"cut.jinja", TEMPLATE, TEXT("{% if messages %}x"), .code = STATUS_BAD_DATA,
     .error = "chat template: line 1: the block opened here has no 'endif'"},
    {"includes.jinja", TEMPLATE, TEXT("{% include '/etc/passwd' %}"), .code = STATUS_UNSUPPORTED,
     .error = "chat template: line 1: the tag 'include' is not supported"},
};

static void write_file(const bad_file *f, const char *path) {
    FILE *out = fopen(path, "wb");
    if (!out) return;
    int64_t size = f->size ? f->size : (int64_t)strlen(f->bytes);
    int64_t times = MAX_OF(f->deep, 1);
    uint64_t header = (uint64_t)(size * times);
    if (f->data_bytes >= 0) fwrite(&header, 8, 1, out);
    for (int64_t i = 0; i < times; i++) fwrite(f->bytes, 1, (size_t)size, out);
    for (int64_t i = 0; i < f->data_bytes; i++) fputc(0, out);
    fclose(out);
}

static status render(context *cx, const char *path) {
    file_map map;
    template *parsed;
    template_text text;
    arena memory = arena_make(cx);
    template_input input = {.add_generation_prompt = true};
    TRY(file_map_open(cx, path, &map));
    status st = template_list_new(&memory, TEMPLATE_PLAIN_LIST, &input.messages);
    if (st == STATUS_OK) st = template_parse(cx, map.bytes, map.size_bytes, &parsed);
    if (st == STATUS_OK) {
        st = template_render(parsed, &memory, &input, &text);
        template_free(parsed);
    }
    arena_free(&memory);
    file_map_close(&map);
    return st;
}

static status open_file(context *cx, opener how, const char *path) {
    modelfile m;
    tokenizer *t;
    if (how == TEMPLATE) return render(cx, path);
    status st = how == WEIGHTS ? modelfile_open(cx, path, &m) : tokenizer_open(cx, path, &t);
    if (st != STATUS_OK) return st;
    if (how == WEIGHTS)
        modelfile_close(&m);
    else
        tokenizer_free(t);
    return STATUS_OK;
}

static double cpu_seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

/* The error with the file's own path in the place of %s, its folder's in that of %d. */
static void expected(test *t, const char *error, const char *path, char *out, size_t size) {
    size_t at = 0;
    for (; *error && at + 1 < size; error++) {
        if (error[0] == '%' && (error[1] == 's' || error[1] == 'd')) {
            at += (size_t)snprintf(out + at, size - at, "%s",
                                   *++error == 's' ? path : test_folder(t));
            at = MIN_OF(at, size - 1);
        } else {
            out[at++] = *error;
        }
    }
    out[at] = 0;
}

static void alone(test *t) {
    char path[400], want[1200];
    for (int64_t i = 0; i < COUNT_OF(files); i++) {
        const bad_file *f = &files[i];
        context *cx = context_new();
        snprintf(path, sizeof path, "%s/%s", test_folder(t), f->name);
        write_file(f, path);
        double begin = cpu_seconds();
        status st = open_file(cx, f->how, path);
        double seconds = cpu_seconds() - begin;
        expected(t, f->error, path, want, sizeof want);
        CHECK(t, st == f->code && !strcmp(context_error(cx), want), "%s: %s\n  %s\nexpected\n  %s",
              f->name, status_name(st), context_error(cx), want);
        CHECK(t, seconds < 5, "%s took %.1f s", f->name, seconds);
        CHECK(t, context_live_allocations(cx) == 0, "%s leaks", f->name);
        context_free(cx);
        remove(path);
    }
}

#define LOADING "converting '%d/model': '%d/model': "
#define READING "converting '%d/model': opening the model '%d/model': model configuration '%s': "

/* Models whose config.json says something else than their tensors, or what no model can be. */
static const struct {
    const char *from, *to, *error;
} configs[] = {
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3",
     LOADING "there is no tensor for 'model.layers.2.input_layernorm.weight'"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1",
     LOADING "a model of type 'llama' as Hone builds it has no tensor "
             "'model.layers.1.input_layernorm.weight'"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": -1",
     READING
     "'num_hidden_layers': '%s' at byte 379, line 1: expected an integer in 1..512, found -1"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1e18",
     READING
     "'num_hidden_layers': '%s' at byte 379, line 1: expected an integer in 1..512, found 1e18"},
    {"\"hidden_size\": 48", "\"hidden_size\": 64",
     LOADING "tensor 'model.embed_tokens.weight' is [96, 48], but the configuration says [96, 64]"},
    {"\"hidden_size\": 48", "\"hidden_size\": 9223372036854775807",
     READING "'hidden_size': '%s' at byte 202, line 1: expected an integer in 1..1048576, found "
             "9223372036854775807"},
    {"\"hidden_size\": 48", "\"hidden_size\": 0",
     READING "'hidden_size': '%s' at byte 202, line 1: expected an integer in 1..1048576, found 0"},
    {"\"hidden_size\": 48", "\"hidden_size\": \"48\"",
     READING "'hidden_size': '%s' at byte 202, line 1: expected a number, found a string"},
    {"\"vocab_size\": 96", "\"vocab_size\": 97",
     LOADING "tensor 'model.embed_tokens.weight' is [96, 48], but the configuration says [97, 48]"},
    {"\"vocab_size\": 96", "\"vocab_size\": 4294967296",
     READING "'vocab_size': '%s' at byte 634, line 1: expected an integer in 1..268435456, found "
             "4294967296"},
    {"\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
     READING "4 heads do not divide by 3 of keys"},
    {"\"num_attention_heads\": 4", "\"num_attention_heads\": 0",
     READING
     "'num_attention_heads': '%s' at byte 355, line 1: expected an integer in 1..65536, found 0"},
    {"\"head_dim\": 16", "\"head_dim\": 15",
     LOADING "tensor 'model.layers.0.self_attn.q_proj.weight' is [64, 48], but the configuration "
             "says [60, 48]"},
    {"\"model_type\": \"llama\"", "\"model_type\": \"lama\"",
     READING "the architecture 'lama' is not supported"},
    {"\"hidden_act\": \"silu\"", "\"hidden_act\": \"swish2\"",
     READING "'hidden_act': '%s' at byte 179, line 1: the activation 'swish2' is not supported"},
    {"\"rope_type\": \"default\"", "\"rope_type\": \"spiral\"",
     READING "'rope_parameters': 'rope_type': '%s' at byte 525, line 1: the rope type 'spiral' is "
             "not supported"},
    {"\"rms_norm_eps\": 0.02", "\"rms_norm_eps\": -1",
     READING "'rms_norm_eps': '%s' at byte 464, line 1: expected a number in 0..1, found -1"},
    {"\"mlp_bias\": false", "\"mlp_bias\": false,\"layer_share\": 2",
     READING "'%s' at byte 308, line 1: the key 'layer_share' is not known"},
    {"\"mlp_bias\": false", "\"mlp_bias\": true",
     LOADING "there is no tensor for 'model.layers.0.mlp.gate_proj.bias'"},
    {"\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 1",
     READING
     "'tie_word_embeddings': '%s' at byte 560, line 1: expected true or false, found a number"},
    {"\"max_position_embeddings\": 128", "\"max_position_embeddings\": -5",
     READING "'max_position_embeddings': '%s' at byte 285, line 1: expected an integer in "
             "1..1073741824, found -5"},
    {"}", "", READING "'%s' at byte 636, line 1: the text ends too early"},
};

static status put_config(context *cx, const char *path, const char *good, const char *from,
                         const char *to) {
    text_buffer text = {.cx = cx};
    const char *at = strstr(good, from);
    if (!at) return context_fail(cx, STATUS_BUG, "'%s' is not in the good file", from);
    status st = text_append(&text, good, at - good);
    if (st == STATUS_OK) st = text_append(&text, to, (int64_t)strlen(to));
    at += strlen(from);
    if (st == STATUS_OK) st = text_append(&text, at, (int64_t)strlen(at));
    if (st == STATUS_OK) st = file_write_whole(cx, path, text.bytes, text.length);
    text_free(&text);
    return st;
}

static void models(test *t) {
    context *cx = context_new();
    arena memory = arena_make(cx);
    model_case c;
    char folder[300], path[400], out[400], want[1200];
    snprintf(folder, sizeof folder, "%s/model", test_folder(t));
    snprintf(path, sizeof path, "%s/config.json", folder);
    snprintf(out, sizeof out, "%s/out.gguf", test_folder(t));
    CHECK_OK(t, cx, model_case_read(cx, "test/golden/models/llama.json", &c));
    CHECK_OK(t, cx, model_case_folder(cx, &c, folder));
    model_case_free(&c);
    file_map good;
    CHECK_OK(t, cx, file_map_open(cx, path, &good));
    const char *text = arena_strndup(&memory, good.bytes, (size_t)good.size_bytes);
    file_map_close(&good);
    const conversion how = {.in = folder, .out = out, .without_tokenizer = true};
    for (int64_t i = 0; i < COUNT_OF(configs); i++) {
        CHECK_OK(t, cx, put_config(cx, path, text, configs[i].from, configs[i].to));
        status st = convert(cx, &memory, &how);
        expected(t, configs[i].error, path, want, sizeof want);
        CHECK(t, st != STATUS_OK && !strcmp(context_error(cx), want),
              "%s: %s\n  %s\nexpected\n  %s", configs[i].to, status_name(st), context_error(cx),
              want);
        context_clear(cx);
    }
    CHECK_OK(t, cx, put_config(cx, path, text, "", ""));
    CHECK_OK(t, cx, convert(cx, &memory, &how)); /* the control */
    arena_free(&memory);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

const test_case suite_bad_files[] = {{"alone", alone}, {"models", models}, {0}};
