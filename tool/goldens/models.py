#!/usr/bin/env python3
"""Goldens of test/models.c: tiny models and the logits that transformers gives.

    pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 gguf==0.19.0
    tool/goldens/models.py write test/golden/models [NAME...]
    tool/goldens/models.py check (GOLDEN.json PLACE)...    # folders and GGUF files saved by Hone, opened there

A golden is a config.json, the tensors of the folder that transformers saves for it, tokens, and logits of some
rows. Weights are not stored: value i of a tensor is base + scale * u(name, i) with u in [-1, 1) by a hash, so
that test/models.c makes the same folder. Scales make attention and logits peaked; norms, biases, epsilon
and head sizes are unlike their defaults; the longer sequence reaches past window and original context."""
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import safetensors.torch as st
import torch
import transformers as tf
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

assert (torch.__version__.split("+")[0], tf.__version__) == ("2.13.0", "5.23.0"), (torch.__version__, tf.__version__)
tf.logging.set_verbosity_error()
tf.utils.logging.disable_progress_bar()
PROMPT, GREEDY, SHORT, ROWS = 12, 64, 10, [(0, 0), (0, 11), (0, 40), (0, 75), (1, 9)]

SIZES = dict(vocab_size=96, hidden_size=48, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0)
RMS = dict(SIZES, rms_norm_eps=0.02)
HEAD = dict(RMS, head_dim=16)
SIZES_MHA = {k: v for k, v in SIZES.items() if k != "num_key_value_heads"}


def rope(kind, **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=1000.0, **more))


CASES = {
    "llama": (tf.LlamaConfig, dict(HEAD, **rope("default"))),
    "llama_linear": (tf.LlamaConfig, dict(HEAD, attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
                                          **rope("linear", factor=4.0))),
    "llama_dynamic": (tf.LlamaConfig, dict(RMS, **dict(rope("dynamic", factor=3.0)), max_position_embeddings=32)),
    "llama_yarn": (tf.LlamaConfig, dict(HEAD, **rope("yarn", factor=4.0, beta_fast=16.0, beta_slow=1.0,
                                                     original_max_position_embeddings=32))),
    "llama3": (tf.LlamaConfig, dict(HEAD, **rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                                 original_max_position_embeddings=32))),
    "mistral": (tf.MistralConfig, dict(HEAD, sliding_window=17, **rope("default"))),
    "qwen2": (tf.Qwen2Config, dict(RMS, num_hidden_layers=3, use_sliding_window=True, sliding_window=19,
                                   max_window_layers=1, **rope("default"))),
    "qwen3": (tf.Qwen3Config, dict(HEAD, tie_word_embeddings=True, **rope("default"))),
    "gpt2": (tf.GPT2Config, dict(vocab_size=96, n_embd=48, n_layer=2, n_head=3, n_positions=96, n_inner=80,
                                 layer_norm_epsilon=0.02, bos_token_id=1, eos_token_id=2)),
    "gemma": (tf.GemmaConfig, dict(HEAD, **rope("default"))),
    "gemma2": (tf.Gemma2Config, dict(HEAD, num_hidden_layers=3, sliding_window=13, query_pre_attn_scalar=9,
                                     attn_logit_softcapping=5.0, final_logit_softcapping=4.0, **rope("default"))),
    "gemma3": (tf.Gemma3TextConfig, dict(
        HEAD, num_hidden_layers=3, sliding_window=13, query_pre_attn_scalar=11, layer_types=[
            "sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={"full_attention": dict(rope_type="linear", factor=2.0, rope_theta=5000.0),
                         "sliding_attention": dict(rope_type="default", rope_theta=500.0)})),
    "smollm3": (tf.SmolLM3Config, dict(HEAD, num_hidden_layers=4, use_sliding_window=True,
                                       sliding_window=21, max_window_layers=1, **rope("default"))),
    "phi3": (tf.Phi3Config, dict(RMS, partial_rotary_factor=0.5, max_position_embeddings=128,
                                 original_max_position_embeddings=32, sliding_window=23, rope_parameters=dict(
        rope_type="longrope", rope_theta=1000.0, partial_rotary_factor=0.5, short_factor=[1.0, 1.1, 1.2],
        long_factor=[1.5, 2.0, 3.5], original_max_position_embeddings=32))),
    "olmo2": (tf.Olmo2Config, dict(RMS, **rope("default"))),
    "starcoder2": (tf.Starcoder2Config, dict(SIZES, norm_epsilon=0.02, sliding_window=15, **rope("default"))),
    "gpt_neox": (tf.GPTNeoXConfig, dict(SIZES_MHA, layer_norm_eps=0.02, rope_parameters=dict(
        rope_type="default", rope_theta=1000.0, partial_rotary_factor=0.5))),
    "gpt_neox_serial": (tf.GPTNeoXConfig, dict(SIZES_MHA, layer_norm_eps=0.02, use_parallel_residual=False,
                                               attention_bias=False, rope_parameters=dict(
        rope_type="default", rope_theta=1000.0, partial_rotary_factor=1.0))),
    "gpt_oss": (tf.GptOssConfig, dict(
        HEAD, num_local_experts=5, num_experts_per_tok=2, sliding_window=11, swiglu_limit=1.5, rope_parameters=dict(
            rope_type="yarn", rope_theta=1000.0, factor=4.0, beta_fast=16.0, beta_slow=1.0, truncate=False,
            original_max_position_embeddings=32))),
    "gpt_oss_mxfp4": (tf.GptOssConfig, dict(HEAD, hidden_size=64, intermediate_size=32, num_local_experts=4,
                                            num_experts_per_tok=2, sliding_window=11, rope_parameters=dict(
        rope_type="default", rope_theta=1000.0))),
    "bert": (tf.BertConfig, dict(SIZES_MHA, layer_norm_eps=0.02, type_vocab_size=3)),
    "mixtral": (tf.MixtralConfig, dict(HEAD, num_local_experts=5, num_experts_per_tok=2, **rope("default"))),
    "qwen2_moe": (tf.Qwen2MoeConfig, dict(RMS, num_experts=5, num_experts_per_tok=3, moe_intermediate_size=40,
                                          shared_expert_intermediate_size=24, norm_topk_prob=False,
                                          **rope("default"))),
    "qwen3_moe": (tf.Qwen3MoeConfig, dict(HEAD, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=24,
                                          norm_topk_prob=True, **rope("default"))),
}

# config.json as older versions of transformers wrote it
OLD_FORM = {"llama_linear", "llama3", "llama_dynamic"}


def as_old_form(config):
    r = config.pop("rope_parameters")
    config["rope_theta"] = r.pop("rope_theta")
    if r["rope_type"] != "default":
        config["rope_scaling"] = r
    config["torch_dtype"] = config.pop("dtype")


def hashed(name, count, seed):
    """splitmix64 of (FNV-1a of the name, seed) + i, its top 24 bits as a number in [-1, 1)."""
    h = 0xcbf29ce484222325 ^ seed
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001b3 % 2**64
    with np.errstate(over="ignore"):
        x = (np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15))
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def is_bytes(name):
    return name.endswith(("_blocks", "_scales"))


def spread(name, shape, config):
    """base and scale of a tensor"""
    if name.endswith("_blocks"):
        return 128.0, 128.0
    if name.endswith("_scales"):
        return 123.0, 2.0
    plus_one = config["model_type"].startswith("gemma")
    if name.endswith("bias"):
        return 0.0, 0.3
    if name.endswith("sinks"):
        return 0.0, 2.0
    if len(shape) == 1:
        return (0.0 if plus_one else 1.0), 0.3
    if any(w in name for w in ("embed", "wte", "wpe", "embeddings")):
        size = 0.5 if config.get("tie_word_embeddings", True) else 1.5
        return 0.0, round(size / (math.sqrt(config["hidden_size"]) if plus_one else 1), 4)
    inputs = shape[0] if config["model_type"] == "gpt2" else shape[-1]
    gain = 2.0 if any(w in name for w in ("q_proj", "k_proj", "qkv", "c_attn", "query", "key", "gate.weight",
                                          "router", "lm_head", "embed_out")) else 1.0
    return 0.0, round(gain * math.sqrt(3 / inputs), 4)


def in_mxfp4(config, shapes):
    """gpt-oss as it is published: experts as blocks of 4-bit codes along the inputs and their exponents"""
    config["quantization_config"] = dict(quant_method="mxfp4", modules_to_not_convert=["model.embed_tokens", "lm_head"])
    for name, (experts, inputs, outputs) in [(k, s) for k, s in shapes.items() if len(s) == 3]:
        del shapes[name]
        shapes[name + "_blocks"] = [experts, outputs, inputs // 32, 16]
        shapes[name + "_scales"] = [experts, outputs, inputs // 32]


def make_folder(folder, config, tensors, seed):
    Path(folder, "config.json").write_text(json.dumps(config))
    made = {name: torch.tensor(base + scale * hashed(name, math.prod(shape), seed)).to(
        torch.uint8 if is_bytes(name) else torch.float32).reshape(shape) for name, shape, base, scale in tensors}
    st.save_file(made, Path(folder, "model.safetensors"), {"format": "pt"})


def fix_rope(model, context):
    """What would switch with length is fixed by the context, as Hone does."""
    for m in model.modules():
        kind = getattr(m, "rope_type", None)
        if kind in ("dynamic", "longrope"):
            inv, m.attention_scaling = ROPE_INIT_FUNCTIONS[kind](model.config, None, seq_len=context)
            m.register_buffer("inv_freq", inv, persistent=False)
            m.rope_type = "default"


def open_model(folder, context):
    encoder = not str(folder).endswith(".gguf") and "BertModel" in Path(folder, "config.json").read_text()
    auto = tf.AutoModel if encoder else tf.AutoModelForCausalLM
    path, name = (Path(folder).parent, Path(folder).name) if str(folder).endswith(".gguf") else (folder, None)
    model, info = auto.from_pretrained(path, gguf_file=name, attn_implementation="eager", dtype=torch.float32,
                                       output_loading_info=True)
    missing = [k for k in info["missing_keys"] if not k.startswith("pooler.")] # which nothing here reads
    assert not missing and not info["unexpected_keys"] and not info["mismatched_keys"], info
    fix_rope(model, context)
    return model.eval()


def logits(model, ids):
    """Of every token; of an encoder its last hidden values."""
    with torch.no_grad():
        if model.config.model_type == "bert":
            return model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def draw(name, count, seed):
    return [3 + int(x * 1e6) % 90 for x in hashed(name, count, seed) + 1]


def greedy(model, seed):
    """The sequence, and how clear its clearest choices are: the smallest lead of a chosen token."""
    if model.config.model_type == "bert":
        return draw("prompt", PROMPT + GREEDY, seed), math.inf
    ids, lead = draw("prompt", PROMPT, seed), math.inf
    for _ in range(GREEDY):
        best = torch.topk(logits(model, ids)[-1], 2)
        lead = min(lead, float(best.values[0] - best.values[1]) / float(best.values[0].abs()))
        ids.append(int(best.indices[0]))
    return ids, lead


def rows_of(model, sequences):
    given = [logits(model, s) for s in sequences]
    return torch.stack([given[s][r] for s, r in ROWS])


def write(out, name):
    cls, more = CASES[name]
    config_object = cls(**more)
    with tempfile.TemporaryDirectory() as folder:
        model = (tf.AutoModel if "bert" in name else tf.AutoModelForCausalLM).from_config(config_object)
        model.save_pretrained(folder)
        config = json.loads(Path(folder, "config.json").read_text())
        with st.safe_open(Path(folder, "model.safetensors"), "pt") as f:
            shapes = {k: f.get_slice(k).get_shape() for k in f.keys()}
    config["dtype"] = "float32"
    if name.endswith("mxfp4"):
        in_mxfp4(config, shapes)
    full = dict(config, hidden_size=config_object.hidden_size)
    if name in OLD_FORM:
        as_old_form(config)
    tensors = [[k, s, *spread(k, s, full)] for k, s in sorted(shapes.items())]
    context = PROMPT + GREEDY
    for seed in range(1, 40):
        with tempfile.TemporaryDirectory() as folder:
            make_folder(folder, config, tensors, seed)
            model = open_model(folder, context)
            ids, lead = greedy(model, seed)
        if lead > 5e-4 and len(set(ids[PROMPT:])) > 8:
            break
    else:
        raise SystemExit(f"{name}: no seed makes every choice clear and the text varied")
    short = draw("short", SHORT, seed)
    golden = dict(config=config, seed=seed, context=context, tensors=tensors, sequences=[ids, short], rows=ROWS,
                  logits=[float(f"{x:.8g}") for x in rows_of(model, [ids, short]).flatten().tolist()])
    text = json.dumps(golden).replace('], ["', '],\n["').replace(', "tensors"', ',\n"tensors"')
    Path(out, f"{name}.json").write_text(text.replace(', "logits"', ',\n"logits"') + "\n")
    print(f"{name}: seed {seed}, smallest lead {lead:.4f}, {len(set(ids))} different tokens, {len(text)} bytes")


def check(golden, folder):
    golden = json.loads(Path(golden).read_text())
    is_, wanted = rows_of(open_model(folder, golden["context"]), golden["sequences"]).flatten(), torch.tensor(golden["logits"])
    error = float((is_ - wanted).abs().max() / wanted.abs().max())
    print(f"{folder}: off by {error:.2e} of the largest logit")
    return error <= 1e-4


if __name__ == "__main__":
    if sys.argv[1] == "check":
        pairs = list(zip(sys.argv[2::2], sys.argv[3::2]))
        sys.exit(not all([check(*pair) for pair in pairs]))
    for case in sys.argv[3:] or CASES:
        write(sys.argv[2], case)
