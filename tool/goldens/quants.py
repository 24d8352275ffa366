"""Golden blocks of the quantised formats and a small GGUF file, by independent implementations.

    python -m venv V && V/bin/pip install gguf==0.19.0 numpy==2.4.6 safetensors==0.8.0
    V/bin/python tool/goldens/quants.py test/golden

For each format: FORMAT.blocks (random and extreme bytes) with FORMAT.values (dequantised), and where
gguf can quantise, FORMAT.input with FORMAT.packed. NF4 is not in gguf; it is computed here from the
sixteen values of the QLoRA paper.
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType, GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES
from safetensors.numpy import save_file

# Where each block keeps its f16 scales.
SCALES = {
    "q4_0": [0], "q4_1": [0, 2], "q5_0": [0], "q5_1": [0, 2], "q8_0": [0], "q2_k": [80, 82],
    "q3_k": [108], "q4_k": [0, 2], "q5_k": [0, 2], "q6_k": [208], "iq4_nl": [0], "iq4_xs": [0],
    "mxfp4": [],
}
PACKED = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "mxfp4"]
NF4 = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0], dtype=np.float32)


def blocks_of(rng, name, block_bytes):
    n = 5 if block_bytes > 50 else 16
    blocks = rng.integers(0, 256, (n, block_bytes), dtype=np.uint8)
    extreme = [0x7BFF, 0xFBFF, 0x0001, 0x8000, 0x7C00, 0x7E00]
    for at in SCALES[name]:
        for b in range(n):
            bits = extreme[b % 8] if b % 8 < 6 and b < n - 2 else rng.integers(0, 0x7C00)
            blocks[b, at : at + 2] = np.frombuffer(np.uint16(bits).tobytes(), np.uint8)
    if name == "mxfp4":
        blocks[:6, 0] = [0, 1, 2, 127, 254, 255]
    return blocks


def inputs(rng):
    rows = rng.standard_normal((12, 32)).astype(np.float32)
    rows[1] *= 1e-6
    rows[2] *= 3000
    rows[3] = 0
    rows[4] = 0.5
    rows[5] = np.arange(32, dtype=np.float32) - 16
    rows[6] = np.abs(rows[6])
    rows[7] = -np.abs(rows[7])
    rows[8] = np.tile(np.float32([1, -1]), 16)
    rows[9] = np.round(rows[9] * 4) / 4
    rows[10, 1:] = 0
    return rows


def nf4(rng, out):
    x = rng.standard_normal((4, 64)).astype(np.float32)
    x[1] *= 1e-8
    x[2] = np.linspace(-3, 3, 64, dtype=np.float32)
    scale = np.abs(x).max(axis=1, keepdims=True)
    code = np.abs((x / scale)[..., None] - NF4).argmin(axis=-1).astype(np.uint8)
    packed = np.concatenate([scale.view(np.uint8), code[:, 0::2] << 4 | code[:, 1::2]], axis=1)
    out["nf4.blocks"] = out["nf4.packed"] = packed
    out["nf4.input"] = x
    out["nf4.values"] = scale * NF4[code]


def gguf_file(path):
    w = GGUFWriter(path, "golden")
    w.add_uint8("a.u8", 200)
    w.add_int8("a.i8", -100)
    w.add_uint16("a.u16", 60000)
    w.add_int16("a.i16", -30000)
    w.add_uint32("a.u32", 4000000000)
    w.add_int32("a.i32", -2000000000)
    w.add_float32("a.f32", 0.25)
    w.add_bool("a.bool", True)
    w.add_string("a.string", "h\u00e9llo")
    w.add_uint64("a.u64", 2**64 - 1)
    w.add_int64("a.i64", -(2**63))
    w.add_float64("a.f64", 1e-300)
    w.add_array("a.ints", [1, -2, 3])
    w.add_array("a.strings", ["one", "", "three"])
    w.add_key_value("a.bools", [True, False], GGUFValueType.ARRAY, GGUFValueType.BOOL)
    w.add_tensor("f32", np.arange(6, dtype=np.float32).reshape(2, 3))
    w.add_tensor("f16", np.arange(5, dtype=np.float16))
    x = np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 64)
    w.add_tensor("q8_0", quants.quantize(x, Type.Q8_0), raw_dtype=Type.Q8_0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(20240607)
    out = {}
    for name in SCALES:
        qtype = Type[name.upper()]
        blocks = blocks_of(rng, name, GGML_QUANT_SIZES[qtype][1])
        with np.errstate(all="ignore"):
            values = quants.dequantize(blocks, qtype)
        out[name + ".blocks"] = blocks
        out[name + ".values"] = values
        if name in PACKED:
            x = inputs(rng)
            out[name + ".input"] = x
            out[name + ".packed"] = quants.quantize(x, qtype)
    nf4(rng, out)
    save_file(out, folder / "quants.safetensors", metadata={"gguf": "0.19.0"})
    gguf_file(folder / "small.gguf")


main()
