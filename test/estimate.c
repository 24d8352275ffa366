/* What plans say, against published sizes: parameters of graphs, bytes of keys and values, work by formula. */
#include "plan/estimate.h"
#include "test.h"
#include <math.h>

static const struct {
    const char *name, *config;
    int64_t parameters, kv_bytes;
} published[] = {
    {"GPT-2",
     "{\"model_type\": \"gpt2\", \"n_layer\": 12, \"n_embd\": 768, \"n_head\": 12, "
     "\"n_positions\": 1024, \"vocab_size\": 50257}",
     124439808, 12 * 2 * 768 * 2},
    {"Llama-2-7B",
     "{\"model_type\": \"llama\", \"num_hidden_layers\": 32, \"hidden_size\": 4096, "
     "\"num_attention_heads\": 32, \"num_key_value_heads\": 32, "
     "\"intermediate_size\": 11008, \"vocab_size\": 32000, \"max_position_embeddings\": 4096, "
     "\"rms_norm_eps\": 1e-5, "
     "\"tie_word_embeddings\": false}",
     6738415616, 524288},
    {"Llama-2-70B",
     "{\"model_type\": \"llama\", \"num_hidden_layers\": 80, \"hidden_size\": 8192, "
     "\"num_attention_heads\": 64, \"num_key_value_heads\": 8, "
     "\"intermediate_size\": 28672, \"vocab_size\": 32000, \"max_position_embeddings\": 4096, "
     "\"rms_norm_eps\": 1e-5, "
     "\"tie_word_embeddings\": false}",
     68976648192, 327680},
    {"Llama-3-8B",
     "{\"model_type\": \"llama\", \"num_hidden_layers\": 32, \"hidden_size\": 4096, "
     "\"num_attention_heads\": 32, \"num_key_value_heads\": 8, "
     "\"intermediate_size\": 14336, \"vocab_size\": 128256, \"max_position_embeddings\": 8192, "
     "\"rms_norm_eps\": 1e-5, "
     "\"rope_theta\": 500000.0, \"tie_word_embeddings\": false}",
     8030261248, 131072},
    {"Mixtral-8x7B",
     "{\"model_type\": \"mixtral\", \"num_hidden_layers\": 32, \"hidden_size\": 4096, "
     "\"num_attention_heads\": 32, \"num_key_value_heads\": 8, \"num_local_experts\": 8, "
     "\"num_experts_per_tok\": 2, \"intermediate_size\": 14336, \"vocab_size\": 32000, "
     "\"max_position_embeddings\": 32768, \"rms_norm_eps\": 1e-5, \"rope_theta\": 1000000.0, "
     "\"tie_word_embeddings\": false}",
     46702792704, 131072},
};

static status read(context *cx, int64_t i, model_config *c) {
    return model_config_read(cx, published[i].name, published[i].config,
                             (int64_t)strlen(published[i].config), c);
}

static void sizes(test *t) {
    context *cx = context_new();
    for (int64_t i = 0; i < COUNT_OF(published); i++) {
        model_config c;
        int64_t parameters;
        serve_estimate e;
        CHECK_OK(t, cx, read(cx, i, &c));
        CHECK_OK(t, cx, estimate_parameters(cx, &c, &parameters));
        CHECK(t, parameters == published[i].parameters, "%s: %lld", published[i].name,
              (long long)parameters);
        serve_setting s = {.users = 1, .prompt = 16, .answer = 16, .weights = "bf16", .kv = "bf16"};
        CHECK_OK(t, cx, estimate_serve(cx, &c, &s, &machine_profiles[1], &e));
        CHECK(t, e.kv_token_bytes == published[i].kv_bytes, "%s: %lld", published[i].name,
              (long long)e.kv_token_bytes);
    }
    context_free(cx);
}

/* 6 operations a parameter that multiplies and token, and attention: 12 layers width (context / 2) forward and
 * backward over the causal half, 2.5 times as much backward as forward. */
static void work(test *t) {
    context *cx = context_new();
    model_config c;
    estimate e, twice, block;
    CHECK_OK(t, cx, read(cx, 0, &c));
    train_setting s = {
        .optimiser = "adamw", .batch = 4, .context = 256, .accumulate = 1, .tokens = 1e9};
    CHECK_OK(t, cx, estimate_train(cx, &c, &s, &machine_profiles[1], &e));
    double tokens = 1024, multiplied = 124439808.0 - 1024 * 768;
    double attention = 3.5 * 4 * 12 * 768.0 * (256 * 257.0 / 2) * 4;
    double products = e.cost.phase[PHASE_FORWARD].flops + e.cost.phase[PHASE_BACKWARD].flops;
    CHECK(t, fabs(products / (6 * multiplied * tokens + attention) - 1) < 0.02, "%g",
          products / (6 * multiplied * tokens + attention));
    CHECK(t, e.bytes.tag[TAG_OPTIMISER] == 2 * 4 * 124439808ll, "%lld",
          (long long)e.bytes.tag[TAG_OPTIMISER]);
    s.tokens *= 2;
    CHECK_OK(t, cx, estimate_train(cx, &c, &s, &machine_profiles[1], &twice));
    CHECK(t, fabs(twice.seconds / e.seconds - 2) < 1e-9 && fabs(twice.flops / e.flops - 2) < 1e-9);
    s.recompute = RECOMPUTE_BLOCK;
    CHECK_OK(t, cx, estimate_train(cx, &c, &s, &machine_profiles[1], &block));
    CHECK(t, block.bytes.total < twice.bytes.total && block.seconds > twice.seconds);
    context_free(cx);
}

const test_case suite_estimate[] = {{"sizes", sizes}, {"work", work}, {0}};
