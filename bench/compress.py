#!/usr/bin/env python3
"""What compression is claimed to do, measured on small models that are trained here: `make bench-compress`.

    bench/compress.py build/hone [--at build/bench-compress] [--texts FOLDER] [--only NAME..] [--models 3]
                      [--model MODEL --text TRAIN --held-out TEXT --group N] [--peers PYTHON]

Fixtures, kept in the folder --at: three models of 5 million parameters from seeds 1 to 3, and one of 25 million,
trained for a few minutes each on the texts of FOLDER but for two stretches of 60,000 bytes: one is what claims are
judged on, the other what settings of methods are chosen by. Sizes are those of the presets 5m and 25m with an MLP in
whole groups of 128. A model that knows its text by heart is a bad fixture: what keeps that memory best is not what
reads another text best. `outlier` gives them the large activations of large models. Every claim is one line: what is
required, what was measured. --peers names an interpreter with llama-cpp-python, gguf, torch, transformers and
compressed-tensors for the claims that need them. The exit status is 1 where a claim does not hold."""
import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time

from claims import Claims

SIZES = {"5m": "--layers 6 --width 256 --heads 8 --intermediate 768 --steps 320 --batch 16 --lr 3e-3",
         "25m": "--layers 7 --width 512 --heads 8 --intermediate 1408 --steps 200 --batch 16 --lr 1e-3"}


class Bench(Claims):
    def __init__(self, args):
        super().__init__()
        self.args = args
        self.results = []
        self.calib = self.calibration("32")

    def calibration(self, sequences):
        return ["--calib-sequences", sequences, "--calib-length", self.args.context]

    def path(self, *names):
        return os.path.join(self.args.at, *names)

    def hone(self, *words, quiet=False):
        """A verb's JSON, or its text."""
        done = subprocess.run([self.args.hone, *words], capture_output=True, text=True, check=False)
        if done.returncode and not quiet:
            raise SystemExit(f"hone {' '.join(words)}\n{done.stderr}")
        return done.stdout

    def fixture(self, size, seed=1):
        if self.args.model:
            return self.args.model
        out = self.path(f"{size}-{seed}" if size == "5m" else size)
        if not os.path.exists(out + "/model.safetensors"):
            again = ["--resume"] if os.path.exists(out + "/checkpoint-last.safetensors") else []
            self.hone("train", "--architecture", "llama", *SIZES[size].split(), "--text",
                      self.args.text, "--vocabulary", "2048", "--context", "256", "--precision", "bf16",
                      "--warmup", "50", "--evaluate-every", "0", "--seed", str(seed), "--tensorboard=false",
                      "--record=false", "--out", out, *again)
        return out

    def compress(self, model, recipe, *words, name=None, text=None, calib=None):
        """The model that comes out, and what compressing told."""
        out = self.path(name or "out")
        shutil.rmtree(out, ignore_errors=True)
        if os.path.exists(out):
            os.remove(out)
        container = [] if out.endswith(".gguf") or "--container" in words else ["--container", "values"]
        told = self.hone("compress", model, "-o", out, "--do", recipe, "--calib", text or self.args.text,
                         *(calib or self.calib), *container, *words, "--json")
        return out, json.loads(told)

    def loss(self, model, *words, text=None):
        told = self.hone("eval", "ppl", model, text or self.args.held_out, "--context", self.args.context,
                         *words, "--json")
        return json.loads(told)["nats_per_token"]

    def chosen(self, model, recipe, rates, text=None):
        """Loss of what the recipe makes with the learning rate that is best on another text than the judged one."""
        found = []
        for rate in rates:
            out, _ = self.compress(model, recipe.format(lr=rate), text=text)
            found.append((self.loss(out, text=self.args.chosen_by), self.loss(out), rate))
        return min(found)[1:]

    def kl(self, model, reference):
        told = self.hone("eval", "kl", model, self.args.held_out, "--against", reference, "--context",
                         self.args.context, "--json")
        return json.loads(told)["kl"]

    def claim(self, name, required, value, holds):
        super().claim(name, required, value, holds)
        self.results.append({"claim": name, "required": required, "measured": value, "holds": bool(holds)})


def outlier(b):
    """W8A8 with one scale for each tensor, and AWQ, on a model with outliers."""
    plain = b.fixture("5m")
    model, _ = b.compress(plain, "outlier", name="outlier")
    before = b.loss(model)
    b.claim("outlier changes nothing", "within 1e-4 nats", f"{before - b.loss(plain):+.1e} nats",
            abs(before - b.loss(plain)) <= 1e-4)
    naive = math.exp(b.loss(model, "--act", "int8_tensor") - before)
    b.claim("outlier, naive W8A8 per tensor: perplexity", ">= 2x", f"{naive:.2f}x", naive >= 2)
    smooth, _ = b.compress(model, "smoothquant")
    ratio = math.exp(b.loss(smooth, "--act", "int8_tensor") - before)
    b.claim("the same after smoothquant", "<= 1.02x", f"{ratio:.4f}x", ratio <= 1.02)
    rounded = b.kl(b.compress(model, f"round(3, group={b.args.group})")[0], model)
    awq = b.kl(b.compress(model, f"awq(3, group={b.args.group})")[0], model)
    b.claim("outlier, AWQ of 3 bits: KL, of rounding's", "<= 0.9", f"{awq / rounded:.2f}", awq <= 0.9 * rounded)


def pruning(b, plain=True):
    """Of models as they are, whose activations are even, and with the outliers of large ones, which Wanda is for; over
    128 stretches of text, as in the papers. A share is one of a matrix by magnitude and by Wanda, which on a model of
    another seed, judged by the text that settings are chosen by, loses no more so than row by row."""
    for pattern, group in (("0.5", ", per=matrix"), ("2:4", "")):
        ways = {"magnitude": "magnitude", "wanda": "wanda" + group, "sparsegpt": "sparsegpt"}
        wins = {"wanda": 0, "sparsegpt": 0}
        told = []
        for seed in range(1, b.args.models + 1):
            model = b.fixture("5m", seed)
            if not plain:
                model, _ = b.compress(model, "outlier", name="outlier")
            loss = {by: b.loss(b.compress(model, f"prune({pattern}, {way})", calib=b.calibration("128"))[0])
                    for by, way in ways.items()}
            for by in wins:
                wins[by] += loss[by] < loss["magnitude"]
            told.append(" / ".join(f"{math.exp(loss[by]):.2f}" for by in loss))
        for by, won in wins.items():
            b.claim(f"{'' if plain else 'outlier, '}prune({pattern}): {ways[by]} against magnitude",
                    f"better on 2 of 3 of {b.args.models} seeds",
                    f"{won} of {b.args.models} (magnitude / wanda / sparsegpt: {'; '.join(told)})",
                    won * 3 >= 2 * b.args.models)


def pruning_outlier(b):
    pruning(b, plain=False)


def two_four(b):
    """2:4 as it is stored: bytes, and the engine's loss."""
    model = b.fixture("5m")
    dense, _ = b.compress(model, "prune(2:4, sparsegpt)", name="two-four-dense")
    sparse, told = b.compress(model, "prune(2:4, sparsegpt)", "--container", "sparse-24", name="two-four")
    lines = [x.split() for x in b.hone("inspect", sparse).splitlines() if " bf16_2of4 " in x]
    shapes = [(int(x[2][1:-1]), int(x[3][:-1]), int(x[4])) for x in lines]
    share = {bytes_ / (2 * n * k) for n, k, bytes_ in shapes}
    b.claim("2:4, bytes of bf16's", "exactly 0.5625", f"{share} of {len(lines)} matrices", share == {0.5625})
    away = b.loss(sparse, "--precision", "bf16") - b.loss(dense, "--precision", "bf16")
    b.claim("2:4, loss as stored against dense", "within 2e-3 nats", f"{away:+.1e}; {told.get('note')}",
            abs(away) <= 2e-3)


def gptq(b):
    """Errors of each layer's outputs, as `--log debug` tells them."""
    for size in ("5m",) if b.args.model else ("5m", "25m"):
        out = b.path("out")
        shutil.rmtree(out, ignore_errors=True)
        done = subprocess.run([b.args.hone, "compress", b.fixture(size), "-o", out, "--do",
                               f"gptq(3, group={b.args.group})", "--calib", b.args.text, *b.calib, "--container",
                               "values", "--log", "debug", "--json"], text=True, capture_output=True, check=True)
        shares = [float(x.split(" of rounding's")[0].split()[-1]) for x in done.stderr.splitlines()
                  if " of rounding's" in x]
        good = sum(x <= 0.7 for x in shares)
        b.claim(f"{size}, gptq of 3 bits: error of a layer <= 0.7 of rounding's", ">= 90% of layers",
                f"{good} of {len(shares)}, most {max(shares):.2f}", good >= 0.9 * len(shares))
        peak, stored = json.loads(done.stdout)["peak_bytes"], os.path.getsize(b.fixture(size) + "/model.safetensors")
        layer = stored / len({x.split(".")[2] for x in done.stderr.splitlines() if "model.layers." in x})
        rows = 32 * 256 * 512 * 4
        b.claim(f"{size}, gptq: peak memory",
                "<= model + 2 layers + the calibration's rows, 64 MiB of program and text",
                f"{peak / 1e6:.0f} MB; {(stored + 2 * layer) / 1e6:.0f} MB", peak <= stored + 2 * layer + rows + 2**26)


def learning(b):
    """Quantisation-aware training, distillation, recovery after removal: shares of what was lost."""
    model = b.fixture("5m")
    base = b.loss(model)
    rounded = b.loss(b.compress(model, f"round(3, group={b.args.group})")[0])
    learned = b.loss(b.compress(model, f"qat(3, group={b.args.group}, steps=60, batch=8, length=256, lr=3e-4)")[0])
    share = (rounded - learned) / (rounded - base)
    b.claim("qat of 3 bits regains", ">= 50% of rounding's loss", f"{100 * share:.0f}%", share >= 0.5)
    what = "remove(neurons=0.25)"
    removed = b.loss(b.compress(model, what)[0])
    recovery = " > distill(steps=240, batch=8, length=256, lr={lr}, share=1, temperature=1, top=512)"
    mended, rate = b.chosen(model, what + recovery, ("1e-4", "3e-4"))
    share = (removed - mended) / (removed - base)
    b.claim("remove(neurons=0.25): recovery regains", ">= 70% of the loss",
            f"{100 * share:.0f}% ({removed:.3f} to {mended:.3f} of {base:.3f}, rate {rate})", share >= 0.7)


def distillation(b):
    """A student of which there is little text: the first 180,000 bytes, read five times. Alone it learns them by heart;
    what the teacher, who has read more, makes of every token is more than the token. Each way has the best of the same
    rates."""
    model, few = b.fixture("5m"), b.path("few.txt")
    with open(b.args.text, "rb") as f:
        text = f.read(180000)
    with open(few, "wb") as f:
        f.write(text)
    base = b.loss(model)
    student = "distill(preset=1m, steps=300, batch=8, length=128, lr={{lr}}, temperature=1, top=256, share={})"
    rates = ("5e-4", "1e-3", "2e-3", "4e-3")
    alone, slow = b.chosen(model, student.format(0), rates, few)
    taught, fast = b.chosen(model, student.format(1), rates, few)
    share = (alone - taught) / (alone - base)
    b.claim("distillation at equal tokens closes", ">= 25% of the gap to the teacher",
            f"{100 * share:.0f}% ({alone:.3f} alone at {slow}, {taught:.3f} taught at {fast}, {base:.3f} the teacher)",
            share >= 0.25)


def speed(b):
    """On real shapes, each format beside bf16 by turns in one run."""
    def beside(preset, fmt, row, *words):
        told = b.hone("bench", "model", "--preset", preset, "--format", fmt, "--beside", "bf16", "--tokens", "64",
                      "--filter", f"^model.({row}|bytes)$", "--json", *words)
        rows = {x["name"]: x["ratio"] for x in map(json.loads, told.splitlines())}
        return rows["model." + row], rows["model.bytes"]
    for preset in b.args.presets:
        w8a8, _ = beside(preset, "bf16", "prefill.512", "--act", "int8_row")
        b.claim(f"{preset}, W8A8 by rows: prefill of bf16's", ">= 1.35x", f"{w8a8:.2f}x", w8a8 >= 1.35)
        for fmt in ("q4_0", "int4_g128"):
            got, bytes_ = beside(preset, fmt, "decode.b1")
            b.claim(f"{preset}, {fmt}: decode of bf16's", f">= 0.87 x the byte ratio {1 / bytes_:.2f}",
                    f"{got:.2f}x, {got * bytes_:.2f} of it", got * bytes_ >= 0.87)
        sparse, _ = beside(preset, "bf16_2of4", "decode.b1")
        b.claim(f"{preset}, 2:4: decode of bf16's", ">= 1.2x", f"{sparse:.2f}x", sparse >= 1.2)


def peers(b):
    """Other programs: run by the interpreter that has them (bench/peers/compressed.py)."""
    if not b.args.peers:
        print("skip peers: --peers names no interpreter")
        return
    model, full = b.fixture("5m"), b.path("f32.gguf")
    if not os.path.exists(full):
        b.hone("convert", model, full, "--format", "f32")
    ours, _ = b.compress(model, "quantize(q4_k_m)", name="q4_k_m.gguf")
    folders = []
    for container, recipe in (("gptq", "gptq(4, group=128)"), ("awq", "awq(4, group=128, affine)"),
                              ("compressed-tensors", "round(4, group=128)"), ("sparse-24", "prune(2:4, wanda)")):
        out, _ = b.compress(model, recipe, "--container", container, name="folder-" + container)
        same, _ = b.compress(model, recipe, name="values-" + container)
        folders += [container, out, same]
    script = os.path.join(os.path.dirname(__file__), "peers", "compressed.py")
    told = subprocess.run([b.args.peers, script, full, b.path("theirs.gguf"), model, b.args.text,
                           *folders], text=True, check=True,
                          capture_output=True).stdout
    for line in told.splitlines():
        if not line.startswith('["'):
            continue  # libraries greet
        name, measured, holds = json.loads(line)
        b.claim(name, "the same values", measured, holds)
    ratio = b.kl(ours, model) / b.kl(b.path("theirs.gguf"), model)
    b.claim("q4_k_m: KL, of llama.cpp's quantiser's", "<= 1.05", f"{ratio:.3f}", ratio <= 1.05)


def split_texts(args, b):
    """Judged on, chosen by, learnt from: no byte is in two of them."""
    def read(name):
        with open(os.path.join(args.texts, name), "rb") as f:
            return f.read()
    def put(name, text):
        with open(b.path(name), "wb") as f:
            f.write(text)
        return b.path(name)
    if args.text and args.held_out:
        args.chosen_by = args.chosen_by or args.held_out
        return
    test = read("wikitext-2.test.txt")
    held_out, chosen_by = put("held-out.txt", test[:60000]), put("chosen-by.txt", test[60000:120000])
    text = put("text.txt", test[120000:] + read("wikitext-2.valid.txt") + read("tinyshakespeare.txt"))
    args.held_out, args.text = args.held_out or held_out, args.text or text
    args.chosen_by = args.chosen_by or chosen_by


PARTS = {f.__name__: f for f in (outlier, pruning, pruning_outlier, two_four, gptq, learning, distillation, speed,
                                 peers)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("hone")
    p.add_argument("--at", default="build/bench-compress")
    p.add_argument("--texts", default="../shared/data/text", help="folder with wikitext-2 and tinyshakespeare")
    p.add_argument("--text", help="what to learn from and to calibrate on; default: made from --texts")
    p.add_argument("--held-out", help="what is judged on; default: made from --texts")
    p.add_argument("--chosen-by", help="what settings are chosen by; default: made from --texts")
    p.add_argument("--models", type=int, default=3, help="seeds of the 5m")
    p.add_argument("--model",
                   help="a model of your own instead of the fixtures, with --text and --held-out of its kind")
    p.add_argument("--context", default="256", help="tokens of a window that is judged, as --model was trained")
    p.add_argument("--group", type=int, default=128, help="values under one scale, where they divide --model's rows")
    p.add_argument("--presets", nargs="*", default=["llama-110m"], help="shapes whose speed is measured")
    p.add_argument("--peers", default=os.environ.get("HONE_PYTHON"))
    p.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    args = p.parse_args()
    os.makedirs(args.at, exist_ok=True)
    b = Bench(args)
    split_texts(args, b)
    for name in args.only:
        began = time.time()
        PARTS[name](b)
        print(f"     {name}: {time.time() - began:.0f} s", flush=True)
    with open(b.path("results.json"), "w", encoding="utf-8") as f:
        json.dump(b.results, f, indent=1)
    sys.exit(b.failed)


main()
