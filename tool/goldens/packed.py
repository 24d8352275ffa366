"""Goldens of the integer formats and of the packings of GPTQ, AWQ and compressed-tensors.

    python -m venv V && V/bin/pip install numpy==2.4.6 safetensors==0.8.0 compressed-tensors==0.12.2
    V/bin/python tool/goldens/packed.py test/golden/packed

GPTQ is packed here by the loops of AutoGPTQ 0.7.1 (nn_modules/qlinear/qlinear_cuda_old.py), AWQ by those of
AutoAWQ 0.2.9 (awq/modules/linear/gemm.py), compressed-tensors by its package. Each file holds the parts of
layer `l` and what they stand for, `expected`, from the codes before packing. ints.safetensors: FORMAT.blocks
with FORMAT.values, and FORMAT.input with FORMAT.packed, by numpy from the layout that num/family/ints.c states.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.compressors.quantized_compressors.pack_quantized import pack_to_int32
from compressed_tensors.compressors.sparse_compressors.sparse_24_bitmask import Sparse24BitMaskTensor
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

K, N = 64, 32


def gptq_words(codes, bits):
    """Codes [k, n] into words [k bits / 32, n]."""
    words = np.zeros((codes.shape[0] // 32 * bits, codes.shape[1]), dtype=np.uint32)
    codes = codes.astype(np.uint32)
    i = row = 0
    while row < words.shape[0]:
        if bits in (2, 4, 8):
            for j in range(i, i + 32 // bits):
                words[row] |= codes[j] << (bits * (j - i))
            i += 32 // bits
            row += 1
            continue
        for j in range(i, i + 10):
            words[row] |= codes[j] << (3 * (j - i))
        i += 10
        words[row] |= codes[i] << 30
        row += 1
        words[row] |= (codes[i] >> 2) & 1
        i += 1
        for j in range(i, i + 10):
            words[row] |= codes[j] << (3 * (j - i) + 1)
        i += 10
        words[row] |= codes[i] << 31
        row += 1
        words[row] |= (codes[i] >> 1) & 3
        i += 1
        for j in range(i, i + 10):
            words[row] |= codes[j] << (3 * (j - i) + 2)
        i += 10
        row += 1
    return words.view(np.int32)


def awq_words(codes):
    words = np.zeros((codes.shape[0], codes.shape[1] // 8), dtype=np.uint32)
    for col in range(words.shape[1]):
        for i, at in enumerate([0, 2, 4, 6, 1, 3, 5, 7]):
            words[:, col] |= codes[:, col * 8 + at].astype(np.uint32) << (4 * i)
    return words.view(np.int32)


def draw(rng, bits, group, middle=False):
    groups = K // group
    codes = rng.integers(0, 1 << bits, (K, N))
    zeros = np.full((groups, N), 1 << (bits - 1)) if middle else rng.integers(0, 1 << bits, (groups, N))
    scales = (rng.standard_normal((groups, N)) / 64).astype(np.float16)
    return codes, zeros, scales


def values(codes, zeros, scales, g_idx):
    return (scales.astype(np.float32)[g_idx] * (codes - zeros[g_idx]).astype(np.float32)).T.copy()


def gptq(rng, folder, name, bits, group=32, v2=False, act=False, middle=False):
    codes, zeros, scales = draw(rng, bits, group, middle)
    g_idx = np.arange(K, dtype=np.int32) // group
    if act:
        g_idx = rng.permutation(g_idx)
    stored = zeros if v2 else (zeros - 1) & ((1 << bits) - 1)
    save_file({"l.qweight": gptq_words(codes, bits), "l.scales": scales, "l.g_idx": g_idx,
               "l.qzeros": np.ascontiguousarray(gptq_words(stored.T, bits).T),
               "expected": values(codes, zeros, scales, g_idx)}, folder / f"{name}.safetensors")


def awq(rng, folder):
    codes, zeros, scales = draw(rng, 4, 32)
    save_file({"l.qweight": awq_words(codes), "l.qzeros": awq_words(zeros), "l.scales": scales,
               "expected": values(codes, zeros, scales, np.arange(K) // 32)}, folder / "awq.safetensors")


def compressed(rng, folder, name, bits, group, symmetric):
    codes, zeros, scales = draw(rng, bits, group, symmetric)
    half = 1 << (bits - 1)
    signed = torch.tensor((codes.T - half).astype(np.int8))
    out = {"l.weight_packed": pack_to_int32(signed, bits).numpy(),
           "l.weight_scale": scales.T.astype(np.float32).copy(), "l.weight_shape": np.array([N, K]),
           "expected": values(codes, zeros, scales, np.arange(K) // group)}
    if not symmetric:
        zero = torch.tensor((zeros.T - half).astype(np.int8))
        out["l.weight_zero_point"] = pack_to_int32(zero, bits, packed_dim=0).contiguous().numpy()
    save_file(out, folder / f"{name}.safetensors")


def bit_stream(codes, bits):
    return np.packbits((codes[:, None] >> np.arange(bits) & 1).astype(np.uint8).ravel(), bitorder="little")


def int_row(codes, scales, zeros, bits, affine, group):
    parts = []
    for g in range(len(scales)):
        parts.append(np.float32(scales[g]).reshape(1).view(np.uint8))
        if affine:
            parts.append(np.uint8(zeros[g]).reshape(1))
        parts.append(bit_stream(codes[g * group : (g + 1) * group], bits))
    return np.concatenate(parts)


def int_codes(x, bits, affine):
    top = (1 << bits) - 1
    if affine:
        lo, hi = np.float32(min(x.min(), 0)), np.float32(max(x.max(), 0))
        scale = np.float32(hi / np.float32(top) - lo / np.float32(top))
        zero = int(np.rint(-lo / scale))
        return np.clip(np.rint(x / scale) + zero, 0, top).astype(int), scale, zero
    half = 127 if bits == 8 else top / 2
    scale, zero = np.float32(np.abs(x).max()) / np.float32(half), 1 << (bits - 1)
    least = 1 if bits == 8 else 0
    return np.clip(np.rint(x / scale) + zero, least, top).astype(int), scale, zero


def ints(rng, folder):
    out = {}
    for name in ["int2_g32", "int3_g64", "int4_g32", "uint4_g128", "int5_g32", "uint6_g64", "int7_g32",
                 "int8_g32", "uint8_g64", "uint3_row", "int4_row", "uint8_row"]:
        affine = name[0] == "u"
        head, tail = name[affine:].split("_")
        bits, count = int(head[3:]), 256
        group = count if tail == "row" else int(tail[1:])
        codes = rng.integers(0, 1 << bits, count)
        scales = rng.standard_normal(count // group).astype(np.float32)
        zeros = rng.integers(0, 1 << bits, count // group) if affine else [1 << (bits - 1)] * len(scales)
        each = np.repeat(np.arange(len(scales)), group)
        out[name + ".blocks"] = int_row(codes, scales, zeros, bits, affine, group)
        out[name + ".values"] = scales[each] * (codes - np.array(zeros)[each]).astype(np.float32)
        x = rng.standard_normal(count).astype(np.float32)
        got = [int_codes(x[i : i + group], bits, affine) for i in range(0, count, group)]
        out[name + ".input"] = x
        out[name + ".packed"] = int_row(np.concatenate([c for c, _, _ in got]), [s for _, s, _ in got],
                                        [z for _, _, z in got], bits, affine, group)
    save_file(out, folder / "ints.safetensors")


def sparse24(folder):
    """Floats of which two of every four are kept; some fours hold fewer."""
    dense = torch.randn(N, K, generator=torch.Generator().manual_seed(24)).bfloat16()
    fours = dense.view(-1, 4)
    fours.scatter_(1, fours.abs().topk(2, dim=1, largest=False).indices, 0)
    fours[3] = 0
    fours[5, :3] = 0
    parts = Sparse24BitMaskTensor.from_dense(dense).dict("l.weight")
    save_torch({**parts, "expected": dense.float()}, str(folder / "sparse24.safetensors"))


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20251121)
    for bits in (2, 3, 4, 8):
        gptq(rng, folder, f"gptq{bits}", bits)
    gptq(rng, folder, "gptq4_act", 4, act=True)
    gptq(rng, folder, "gptq4_v2", 4, v2=True, middle=True)
    gptq(rng, folder, "gptq4_row", 4, group=K)
    awq(rng, folder)
    compressed(rng, folder, "ct4", 4, 32, True)
    compressed(rng, folder, "ct4_zero", 4, 32, False)
    compressed(rng, folder, "ct8_channel", 8, K, True)
    ints(rng, folder)
    sparse24(folder)


main()
