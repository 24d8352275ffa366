#!/usr/bin/env python3
"""What Hone writes, in other programs: a GGUF file through llama.cpp's quantiser, folders in transformers.

    pip install llama-cpp-python==0.3.36 torch==2.13.0 transformers==5.23.0 compressed-tensors==0.20.0 accelerate
    BUILD_CUDA_EXT=0 pip install --no-build-isolation optimum==2.3.0 gptqmodel==7.7.0   (reads GPTQ and AWQ folders)
    bench/peers/compressed.py F32.gguf Q4_K_M.gguf MODEL TEXT [CONTAINER FOLDER VALUES]..

Makes Q4_K_M.gguf from F32.gguf by llama_model_quantize under an importance matrix: the mean squares of what each linear layer
of MODEL, the same as a folder, reads over 32 stretches of 256 tokens of TEXT. Of each FOLDER the values of every linear layer
are compared with those of VALUES, the same model as plain floats: where transformers opens the container, by its
logits, within 1e-3 and a tenth of what compression moved them; else by unpacking the tensors here, from the published
layouts. gptqmodel keeps the scales in the file's halves also where a model is opened in float32, and so rounds every
code times scale to a half: its logits are those of VALUES rounded to halves. With its scales as floats the same layers
give the values of the file. Both are compared. Prints a JSON list a line: name, what was measured, whether it is
right."""
import ctypes
import json
import sys

import llama_cpp
import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM


def put(name, measured, holds):
    print(json.dumps([name, measured, bool(holds)]), flush=True)


GGUF_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
              "mlp.down_proj": "ffn_down"}


def importance(folder, text):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = Tokenizer.from_file(folder + "/tokenizer.json").encode(open(text, encoding="utf-8").read()).ids
    sums = {}
    def watch(name):
        def hook(_module, inputs):
            sums[name] = sums.get(name, 0) + inputs[0].reshape(-1, inputs[0].shape[-1]).square().mean(0) / 32
        return hook
    for i, layer in enumerate(model.model.layers):
        for ours, theirs in GGUF_NAMES.items():
            layer.get_submodule(ours).register_forward_pre_hook(watch(f"blk.{i}.{theirs}.weight"))
    with torch.no_grad():
        for s in range(32):
            at = s * (len(ids) - 256) // 32
            model(torch.tensor(ids[at:at + 256])[None])
    return {name: value.numpy().astype(np.float32) for name, value in sums.items()}


def quantise(full, out, weights):
    how = llama_cpp.llama_model_quantize_default_params()
    how.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
    kind = llama_cpp.llama_cpp.llama_model_imatrix_data
    table = (kind * (len(weights) + 1))()  # closed by one without a name
    for i, (name, value) in enumerate(weights.items()):
        table[i] = kind(name.encode(), value.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), value.size)
    how.imatrix = table
    if llama_cpp.llama_model_quantize(full.encode(), out.encode(), ctypes.byref(how)):
        raise SystemExit(f"llama.cpp does not quantise {full}")


def opened(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logits(model):
    with torch.no_grad():
        return model(torch.arange(1, 60)[None]).logits.float()


def far(x, y):
    return (x - y).abs().max().item()


def compare(container, folder, values, parent):
    plain, packed = opened(values), opened(folder)
    want = logits(plain)
    moved, got = far(logits(opened(parent)), want), logits(packed)
    away, told, right = far(got, want), "", True
    layers = {name: m for name, m in packed.named_modules() if hasattr(m, "scales") and hasattr(m, "qweight")}
    if container in ("gptq", "awq"):
        for name in layers:
            weight = plain.get_submodule(name).weight
            weight.data = weight.data.half().float()
        halves = far(got, logits(plain))
        told = f"; {away:.1e} by products of codes and scales in halves, {halves:.1e} from the values rounded to those"
        right = layers and halves <= 1e-3
        for layer in layers.values():
            layer.scales = layer.scales.float()
        away = far(logits(packed), want)
    put(f"transformers opens {container}", f"logits {away:.1e} apart, of {want.abs().max().item():.1f}; "
        f"{moved:.1f} from the parent's{told}", right and away <= 1e-3 and away <= 0.1 * moved)


def bits_of(words, bits, count):
    """Codes of `bits` along axis 0 of int32 [k bits / 32, n], as one stream a column."""
    raw = words.numpy().view(np.uint32)
    planes = ((raw[:, None, :] >> np.arange(32, dtype=np.uint32)[None, :, None]) & 1).reshape(-1, raw.shape[1])
    planes = planes[:count * bits].reshape(count, bits, -1).astype(np.int64)
    return (planes << np.arange(bits)[None, :, None]).sum(1)


def gptq(parts, bits):
    k, n = parts["g_idx"].numel(), parts["qweight"].shape[1]
    codes = bits_of(parts["qweight"], bits, k)
    groups = parts["scales"].shape[0]
    zeros = (bits_of(parts["qzeros"].T.contiguous(), bits, n).T + 1) & ((1 << bits) - 1)
    g = parts["g_idx"].numpy()
    assert zeros.shape == (groups, n)
    return (parts["scales"].float().numpy()[g] * (codes - zeros[g])).T


def awq(parts, _bits):
    order = np.array([0, 2, 4, 6, 1, 3, 5, 7])
    def spread(words):
        raw = words.numpy().view(np.uint32)
        out = np.zeros((raw.shape[0], raw.shape[1], 8), np.int64)
        for nibble, column in enumerate(order):
            out[:, :, column] = (raw >> np.uint32(4 * nibble)) & 15
        return out.reshape(raw.shape[0], -1)
    codes, zeros, scales = spread(parts["qweight"]), spread(parts["qzeros"]), parts["scales"].float().numpy()
    step = codes.shape[0] // scales.shape[0]
    return (scales.repeat(step, 0) * (codes - zeros.repeat(step, 0))).T


def sparse24(parts, _bits):
    n, k = parts["shape"].flatten().tolist()
    out = np.zeros((n, k), np.float32)
    kept = np.unpackbits(parts["bitmask"].numpy(), axis=1, bitorder="little").astype(bool)
    out[kept] = parts["compressed"].float().numpy().flatten()
    return out


def by_hand(unpack, folder, values):
    packed, plain = load_file(folder + "/model.safetensors"), load_file(values + "/model.safetensors")
    bits = json.load(open(folder + "/config.json", encoding="utf-8"))["quantization_config"].get("bits")
    worst, count = 0.0, 0
    for name in packed:
        suffix = "compressed" if unpack == sparse24 else "qweight"
        if not name.endswith("." + suffix):
            continue
        base = name[:-len(suffix)]
        parts = {key[len(base):]: value for key, value in packed.items() if key.startswith(base)}
        want = plain[base + "weight"]
        want = (want.bfloat16() if unpack == sparse24 else want).float().numpy()
        worst = max(worst, float(np.abs(unpack(parts, bits) - want).max()))
        count += 1
    return worst, count


def main():
    full, out, model, text, *folders = sys.argv[1:]
    quantise(full, out, importance(model, text))
    for i in range(0, len(folders), 3):
        container, folder, values = folders[i:i + 3]
        layouts = {"gptq": gptq, "awq": awq, "sparse-24": sparse24}
        if container in layouts:
            worst, count = by_hand(layouts[container], folder, values)
            put(f"{container}, unpacked by the published layout", f"{worst:.1e} apart over {count} layers",
                count > 0 and worst <= 1e-6)
        if container == "sparse-24":
            continue  # compressed-tensors has no reader of it since 0.15; test/golden/packed holds what 0.12.2 made
        try:
            compare(container, folder, values, model)
        except (ImportError, ValueError) as e:
            put(f"transformers does not open {container} here", str(e).split("\n", maxsplit=1)[0][:120], False)


main()
