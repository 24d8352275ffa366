/* config.json in its old and new form, the traps of single architectures, and what must be refused. */
#include "test.h"
#include "model/kit/config.h"
#include <stdio.h>

#define SIZES                                                                                      \
    "\"hidden_size\": 64, \"num_hidden_layers\": 4, \"num_attention_heads\": 8, "                  \
    "\"intermediate_size\": 96, \"vocab_size\": 100, \"max_position_embeddings\": 512"
#define LLAMA "\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", " SIZES

static status read_text(context *cx, const char *text, model_config *c) {
    return model_config_read(cx, "config.json", text, (int64_t)strlen(text), c);
}

static void old_and_new(test *t) {
    static const char *const old_form =
        "{" LLAMA
        ", \"num_key_value_heads\": 2, \"hidden_act\": \"silu\", \"rms_norm_eps\": 1e-05, "
        "\"torch_dtype\": \"bfloat16\", \"rope_theta\": 500000.0, \"rope_scaling\": {\"factor\": "
        "8.0, "
        "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
        "\"original_max_position_embeddings\": 256, "
        "\"rope_type\": \"llama3\"}, \"eos_token_id\": [7, 8], \"bos_token_id\": 1, \"use_cache\": "
        "true, "
        "\"tie_word_embeddings\": false, \"future\": null}";
    static const char *const new_form =
        "{" LLAMA
        ", \"num_key_value_heads\": 2, \"hidden_act\": \"silu\", \"rms_norm_eps\": 1e-05, "
        "\"dtype\": \"bfloat16\", \"rope_parameters\": {\"rope_theta\": 500000.0, \"factor\": 8.0, "
        "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
        "\"original_max_position_embeddings\": 256, "
        "\"rope_type\": \"llama3\"}, \"eos_token_id\": [7, 8], \"bos_token_id\": 1}";
    context *cx = context_new();
    static model_config x, y;
    CHECK_OK(t, cx, read_text(cx, old_form, &x));
    CHECK_OK(t, cx, read_text(cx, new_form, &y));
    CHECK(t, !memcmp(&x, &y, sizeof x), "the forms differ");
    CHECK(t, x.layers == 4 && x.hidden == 64 && x.heads == 8 && x.kv_heads == 2 && x.head_size == 8,
          "sizes");
    CHECK(t, x.intermediate == 96 && x.vocabulary == 100 && x.positions == 512 && !x.tied, "sizes");
    CHECK(t, x.norm_epsilon == 1e-05 && !strcmp(x.dtype, "bfloat16") && x.activation == MODEL_SILU,
          "kinds");
    CHECK(t, x.rope.type == MODEL_ROPE_LLAMA3 && x.rope.theta == 500000 && x.rope.factor == 8,
          "rope");
    CHECK(t, x.rope.low_factor == 1 && x.rope.high_factor == 4 && x.rope.original_positions == 256,
          "rope");
    CHECK(t,
          x.end_token_count == 2 && x.end_tokens[1] == 8 && x.begin_token == 1 && x.pad_token == -1,
          "tokens");
    /* The control: another base must show. */
    CHECK_OK(t, cx, read_text(cx, "{" LLAMA "}", &y));
    CHECK(t, memcmp(&x, &y, sizeof x), "different texts read alike");
    CHECK(t, y.rope.theta == 10000 && y.rope.type == MODEL_ROPE_PLAIN && y.kv_heads == 8,
          "defaults");
    context_free(cx);
}

static void traps(test *t) {
    context *cx = context_new();
    static model_config c;
    CHECK_OK(t, cx,
             read_text(cx, "{\"model_type\": \"gemma\", " SIZES ", \"hidden_act\": \"gelu\"}", &c));
    CHECK(t, c.tied && c.norm_plus_one && c.head_size == 256 && c.activation == MODEL_GELU_TANH,
          "gemma");
    CHECK_OK(t, cx,
             read_text(cx,
                       "{\"model_type\": \"gemma2\", " SIZES ", \"sliding_window\": 128, "
                       "\"query_pre_attn_scalar\": 256, \"attn_logit_softcapping\": 50.0}",
                       &c));
    CHECK(t, c.window == 128 && c.slides[0] && !c.slides[1] && c.slides[2] && c.attention_cap == 50,
          "gemma2");
    CHECK_OK(t, cx,
             read_text(cx,
                       "{\"model_type\": \"qwen2\", " SIZES ", \"sliding_window\": 128, "
                       "\"use_sliding_window\": false, \"max_window_layers\": 2}",
                       &c));
    CHECK(t, !c.window && !c.slides[3] && c.attention_bias, "qwen2 without windows");
    CHECK_OK(t, cx,
             read_text(cx,
                       "{\"model_type\": \"qwen2\", " SIZES ", \"sliding_window\": 128, "
                       "\"use_sliding_window\": true, \"max_window_layers\": 2}",
                       &c));
    CHECK(t, c.window == 128 && !c.slides[1] && c.slides[2], "qwen2 with windows");
    CHECK_OK(
        t, cx,
        read_text(cx, "{\"model_type\": \"mistral\", " SIZES ", \"sliding_window\": null}", &c));
    CHECK(t, !c.window && !c.slides[0], "mistral");
    context_free(cx);
}

static void generation(test *t) {
    context *cx = context_new();
    static model_config c;
    static const char text[] =
        "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9, \"top_k\": 20, "
        "\"eos_token_id\": [3, 4, 5], \"transformers_version\": \"4.57.1\"}";
    CHECK_OK(t, cx, read_text(cx, "{" LLAMA ", \"eos_token_id\": 2}", &c));
    CHECK(t, c.end_token_count == 1 && c.end_tokens[0] == 2 && c.temperature == 1, "before");
    CHECK_OK(t, cx, model_generation_read(cx, "g.json", text, sizeof text - 1, &c));
    CHECK(t, c.end_token_count == 3 && c.end_tokens[2] == 5, "end tokens");
    CHECK(t, c.sample && c.temperature == 0.6 && c.top_p == 0.9 && c.top_k == 20, "sampling");
    CHECK_FAILS(t, cx, model_generation_read(cx, "g.json", "{\"num_beams\": 4}", 16, &c),
                STATUS_UNSUPPORTED, "the key 'num_beams' is not known");
    context_free(cx);
}

static void refused(test *t) {
    static const struct {
        const char *text;
        status code;
        const char *words;
    } bad[] = {
        {"{\"architectures\": [\"T5Model\"], \"model_type\": \"t5\"}", STATUS_UNSUPPORTED,
         "the architecture 't5' is not supported"},
        {"{\"architectures\": [\"BertModel\"], \"model_type\": \"llama\"}", STATUS_UNSUPPORTED,
         "the architecture 'BertModel' is not supported"},
        {"{" SIZES "}", STATUS_BAD_DATA, "the key 'model_type' is missing"},
        {"{\"model_type\": \"llama\"}", STATUS_BAD_DATA, "the key 'num_hidden_layers' is missing"},
        {"{" LLAMA ", \"quantization_config\": {\"quant_method\": \"eetq\"}}", STATUS_UNSUPPORTED,
         "quant_method 'eetq' is not supported"},
        {"{" LLAMA ", \"rope_scaling\": {\"type\": \"spiral\", \"factor\": 4}}", STATUS_UNSUPPORTED,
         "the rope type 'spiral' is not supported"},
        {"{" LLAMA ", \"rope_scaling\": {\"type\": \"linear\"}}", STATUS_BAD_DATA,
         "rope 'linear' has no factor"},
        {"{" LLAMA ", \"rope_scaling\": {\"type\": \"linear\", \"long_facts\": []}}",
         STATUS_UNSUPPORTED, "the key 'long_facts' is not known"},
        {"{" LLAMA ", \"hidden_act\": \"xielu\"}", STATUS_UNSUPPORTED,
         "the activation 'xielu' is not supported"},
        {"{" LLAMA ", \"num_key_value_heads\": 3}", STATUS_BAD_DATA, "8 heads do not divide by 3"},
        {"{" LLAMA ", \"layer_types\": [\"full_attention\"]}", STATUS_BAD_DATA,
         "names 1 layers of 4"},
        {"{" LLAMA ", \"vocab_size\": 7}", STATUS_BAD_DATA, "the key 'vocab_size' comes twice"},
        {"{" LLAMA ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4, \"factor\": 2}}",
         STATUS_BAD_DATA, "the key 'factor' comes twice"},
        {"{" LLAMA ", \"bos_token_id\": -5}", STATUS_BAD_DATA, "'bos_token_id'"},
        {"{" LLAMA ", \"rms_norm_eps\": \"x\"}", STATUS_BAD_DATA, "'rms_norm_eps'"},
        {"{" LLAMA, STATUS_BAD_DATA, "config.json"},
    };
    context *cx = context_new();
    static model_config c;
    for (int64_t i = 0; i < COUNT_OF(bad); i++) {
        context_clear(cx);
        status st = read_text(cx, bad[i].text, &c);
        CHECK(t, st == bad[i].code && strstr(context_error(cx), bad[i].words), "%s: %s, %s",
              bad[i].text, status_name(st), context_error(cx));
    }
    context_free(cx);
}

const test_case suite_config[] = {{"forms", old_and_new},
                                  {"traps", traps},
                                  {"generation", generation},
                                  {"refused", refused},
                                  {0}};
