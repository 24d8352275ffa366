#!/usr/bin/env python3
"""GGUF files of every architecture that `hone convert` writes, from the tiny models of tool/goldens/models.py: `gguf`
must know each tensor's name and each key for that architecture, and llama.cpp must draw the same 64 greedy tokens from
the file as transformers from the folder.

    pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 tokenizers==0.23.3 gguf==0.19.0
    CMAKE_ARGS=-DGGML_NATIVE=ON pip install llama-cpp-python==0.3.36
    bench/peers/gguf_equal.py build/hone [--only NAME]

What llama.cpp takes for granted and reads from no key is set so (VARIANTS below); of an encoder the hidden states are
compared. Each file is written in f32, so that tokens agree but for the order of additions."""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import torch
from tokenizers import Tokenizer, decoders, models as token_models, normalizers, pre_tokenizers, processors

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tool", "goldens"))
import models as goldens

WHOLE = dict(sliding_window=None, use_sliding_window=False)
VARIANTS = {  # of config.json
    "mistral": WHOLE, "qwen2": WHOLE, "smollm3": WHOLE, "phi3": WHOLE, "starcoder2": WHOLE,
    "gemma2": dict(query_pre_attn_scalar=16),
    "gemma3": dict(query_pre_attn_scalar=16, num_hidden_layers=6,
                   layer_types=["sliding_attention"] * 5 + ["full_attention"]),
    # and YaRN's bounds are rounded there, which transformers leaves as they are for this type
    "gpt_oss": dict(swiglu_limit=7.0, rope_parameters=dict(rope_type="default", rope_theta=1000.0))}
CONTEXT = {"llama_dynamic": 32}  # a file of GGUF is fixed at the model's own context
NOT_OPENED = {"gpt_neox_serial": "llama.cpp wants biases in all of them"}
CLEAR = 5e-4                     # the least lead of a token over the next


def tokenizer(folder, count):
    """Byte-level without merges: a character each."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())[:count - 3]
    vocab = {w: i for i, w in enumerate(["<unk>", "<s>", "</s>", *letters])}
    t = Tokenizer(token_models.BPE(vocab=vocab, merges=[]))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.save(os.path.join(folder, "tokenizer.json"))


def word_pieces(folder, count):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(97, 123))]
    words += ["##" + chr(c) for c in range(97, 123)]
    words += [f"w{i}" for i in range(count - len(words))]
    t = Tokenizer(token_models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.add_special_tokens(words[:5])
    t.save(os.path.join(folder, "tokenizer.json"))


def known_keys(arch):
    """Every key that the package has, in the words of the architecture."""
    keys = set()
    for group in vars(gguf.Keys).values():
        if isinstance(group, type):
            keys |= {v.replace("{arch}", arch) for v in vars(group).values() if isinstance(v, str)}
    return keys


def check_names(path, state_count):
    r = gguf.GGUFReader(path)
    arch = r.fields["general.architecture"].contents()
    member = next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == arch)
    patterns = [re.escape(gguf.TENSOR_NAMES[t]).replace(r"\{bid\}", r"\d+").replace(r"\{xid\}", r"\d+")
                for t in gguf.MODEL_TENSORS[member]]
    known = re.compile("(" + "|".join(patterns) + r")(\.weight|\.bias)?$")
    strange = [t.name for t in r.tensors if not known.match(t.name)]
    keys = known_keys(arch) | {"tokenizer.ggml.cls_token_id"}  # which the package had until lately
    strange += [k for k in r.fields if k not in keys and not k.startswith("GGUF.")]
    assert not strange, f"unknown to gguf for {arch}: {strange}"
    got = sum(int(t.n_elements) for t in r.tensors if not t.name.startswith("rope_f"))
    assert got == state_count, f"{got} values, the folder has {state_count}"
    return arch, len(r.tensors), len(r.fields)


def peer_greedy(path, prompt, count):
    m = llama_cpp.Llama(path, n_ctx=256, verbose=False, n_threads=1, type_k=llama_cpp.GGML_TYPE_F32,
                        type_v=llama_cpp.GGML_TYPE_F32)
    out = []
    for token in m.generate(prompt, temp=0.0, top_k=1, repeat_penalty=1.0):
        out.append(token)
        if len(out) == count:
            return out


def peer_hidden(path, text):
    """The ids that llama.cpp makes of the text, and each one's hidden state."""
    m = llama_cpp.Llama(path, n_ctx=256, verbose=False, n_threads=1, embedding=True,
                        pooling_type=llama_cpp.LLAMA_POOLING_TYPE_NONE)
    return m.tokenize(text.encode()), torch.tensor(m.embed(text))


def make_folder(base, name, golden, seed):
    config = dict(golden["config"], **VARIANTS.get(name, {}))
    if VARIANTS.get(name) is WHOLE and "layer_types" in config:
        config["layer_types"] = ["full_attention"] * len(config["layer_types"])
    tensors, first = list(golden["tensors"]), ".layers.0."
    layers = {m[1] for n, *_ in tensors if (m := re.search(r"\.layers\.(\d+)\.", n))}
    for layer in range(len(layers), config.get("num_hidden_layers", 0)):
        tensors += [[n.replace(first, f".layers.{layer}."), *more] for n, *more in golden["tensors"] if first in n]
    os.makedirs(base, exist_ok=True)
    goldens.make_folder(base, config, tensors, seed)
    (word_pieces if name == "bert" else tokenizer)(base, config["vocab_size"])
    return tensors


def check_tokens(path, count, model, seed):
    want, lead = goldens.greedy(model, seed)
    if lead < CLEAR:
        return None
    got = peer_greedy(path, want[:goldens.PROMPT], count)
    same = sum(a == b for a, b in zip(got, want[goldens.PROMPT:]))
    assert same == count, f"llama.cpp has {same} of {count} tokens (smallest lead {lead:.4f})"
    return f"{same} greedy tokens in llama.cpp as in transformers"


def check_hidden(path, model):
    ids, got = peer_hidden(path, "abc de fghij klmnop q")
    want = goldens.logits(model, ids)
    apart = float((got - want).abs().max() / want.abs().max())
    assert apart < 5e-3, f"hidden states {apart:.2g} apart"  # llama.cpp looks gelu up in a table of f16
    return f"hidden states of {len(ids)} tokens in llama.cpp {apart:.1g} from those of transformers"


def run_case(args, name, folder):
    with open(os.path.join(ROOT, "test", "golden", "models", name + ".json"), encoding="utf-8") as f:
        golden = json.load(f)
    base, path = os.path.join(folder, "in"), os.path.join(folder, "out.gguf")
    context = CONTEXT.get(name, goldens.PROMPT + goldens.GREEDY)
    for seed in range(golden["seed"], golden["seed"] + 20):
        tensors = make_folder(base, name, golden, seed)
        pathlib.Path(path).unlink(missing_ok=True)
        done = subprocess.run([args.hone, "convert", base, path, "--format", "f32"], capture_output=True, text=True)
        assert not done.returncode, done.stderr
        values = sum(torch.Size(shape).numel() * (2 if n.endswith("_blocks") else 1)
                     for n, shape, *_ in tensors if not n.endswith("_scales") and not n.startswith("pooler."))
        said = "%s, %d tensors and %d keys known to gguf; " % check_names(path, values)
        if name in NOT_OPENED:
            return said + NOT_OPENED[name]
        model = goldens.open_model(base, context)
        found = check_hidden(path, model) if name == "bert" else \
            check_tokens(path, context - goldens.PROMPT, model, seed)
        if found:
            return said + found
    raise AssertionError("no seed makes every token clear")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hone")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    failed = False
    for name in goldens.CASES:
        if args.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"{name}: {run_case(args, name, folder)}", flush=True)
            except (AssertionError, ValueError) as error:
                print(f"{name}: DIFFERENT: {error}", flush=True)
                failed = True
    sys.exit(failed)


main()
