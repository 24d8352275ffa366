#!/usr/bin/env python3
"""What training is claimed to reach, measured here: `make bench-train`.

    bench/training.py build/hone [--text ../shared/data/text/tinyshakespeare.txt] [--only NAME..] [--threads 2]
                      [--pairs 3] [--steps N] [--tests build/hone_test]

The parts peer and shakespeare take turns with PyTorch, and skip that aloud where this interpreter has none
(bench/peers/requirements.txt); the others ask Hone alone. Every claim is one line: what is
required, what was measured; a ratio is the median of the pairs. Shares are those that `hone train --json` tells of a
whole run, its first steps included. Nothing else should be running. The exit status is 1 where a claim does not hold."""
import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile

from claims import Claims
from peers import train as peer


class Bench(Claims):
    def __init__(self, args):
        super().__init__()
        self.args = args

    def hone(self, job, *words, precision="bf16", steps=8, seed=1):
        a = self.args
        o = argparse.Namespace(hone=a.hone, threads=a.threads, steps=a.steps or steps, precision=precision)
        return peer.hone_run(job, a.text, o, seed, *words)

    def torch(self, job, precision="bf16", compiled=False, steps=8, seed=1):
        a = self.args
        o = argparse.Namespace(hone=a.hone, threads=a.threads, steps=a.steps or steps, precision=precision,
                               compile=compiled)
        return peer.torch_apart(job, a.text, o, seed)

    def least(self, name, least, value):
        """A share that the program would not tell, since its roof broke, does not hold."""
        value = -1 if value is None else value
        self.claim(name, f">= {least}", f"{value:.3f}", value >= least)

    def most(self, name, most, value, unit=""):
        self.claim(name, f"<= {most}{unit}", f"{value:.4g}{unit}", value <= most)

    def has_torch(self, name):
        there = importlib.util.find_spec("torch") is not None
        if not there:
            print(f"skip {name}: this interpreter has no PyTorch", flush=True)
        return there


def gpt2(b):
    """Shares of the roof; memory beside its plan."""
    narrow = b.hone("gpt2")
    b.least("GPT-2 124M, bf16: share of the roof", 0.68, narrow["share"])
    b.most("GPT-2 124M, bf16: peak memory, of planned", 1.03, narrow["peak_bytes"] / narrow["planned_bytes"])
    b.most("GPT-2 124M, bf16: loader's stalls, of a step", 1, 100 * narrow["stall"], "%")
    wide = b.hone("gpt2", precision="f32")
    b.least("GPT-2 124M, f32: share of the roof", 0.75, wide["share"])
    b.most("GPT-2 124M, f32: peak memory, of planned", 1.03, wide["peak_bytes"] / wide["planned_bytes"])


def character(b):
    job = b.hone("character")
    b.least("nanoGPT's 10.7M, bf16: share of the roof", 0.64, job["share"])
    b.most("nanoGPT's 10.7M, bf16: loader's stalls, of a step", 1, 100 * job["stall"], "%")


def recompute(b):
    """By turns; equal weights after the same steps had equal gradients."""
    ratios, same = [], True
    for _ in range(b.args.pairs):
        kept, again = b.hone("gpt2"), b.hone("gpt2", "--recompute", "block")
        ratios.append(again["seconds"] / kept["seconds"])
        same &= again["weights_sha256"] == kept["weights_sha256"]
    b.most("GPT-2 124M, bf16, block recomputation: time, of a step's", 1.36, statistics.median(ratios))
    b.claim("GPT-2 124M, bf16, block recomputation: weights", "equal to the bit", "equal" if same else "they differ", same)


def planned(b):
    """GPT-2's plan beside what its tensors take; the activations beside the formula of each setting, by a test."""
    told = subprocess.run([b.args.hone, "plan", "train", "--preset", "gpt2-124m", "--batch", "4", "--context", "256",
                           "--precision", "bf16", "--json"], check=True, capture_output=True, text=True).stdout
    plan = json.loads(told)
    parts = plan["bytes"]
    held = 16 * plan["parameters"] + parts["packed"] + parts["activations"]  # f32: weights, gradients, two moments
    b.most("GPT-2 124M, bf16: planned, of weights, packed, gradients, optimiser and activations", 1.05,
           parts["total"] / held)
    for name in ("recompute.kept_bytes", "recompute.equal_bits"):
        done = subprocess.run([b.args.tests, name], check=False, capture_output=True)
        b.claim(f"activations by the settings' formulas + 5%, equal gradients: test {name}", "passes",
                "passes" if done.returncode == 0 else "fails", done.returncode == 0)


def optimiser(b):
    told = subprocess.run([b.args.hone, "bench", "ops", "--filter", "^adamw", "--threads", str(b.args.threads), "--json"],
                          check=True, capture_output=True, text=True).stdout
    for row in map(json.loads, told.splitlines()):
        b.least(f"{row['name']} {row['case']}: share of copying", 0.8, row["share"])


def against(b):
    """The better one of eager and compiled PyTorch."""
    if not b.has_torch("peer"):
        return
    rates = {"hone": [], "eager": [], "compiled": []}
    for pair in range(b.args.pairs):
        rates["hone"].append(b.hone("gpt2", seed=1 + pair)["tokens_per_second"])
        rates["eager"].append(b.torch("gpt2", seed=1 + pair)["tokens_per_second"])
        rates["compiled"].append(b.torch("gpt2", compiled=True, seed=1 + pair)["tokens_per_second"])
    for kind in ("eager", "compiled"):
        ratio = statistics.median(ours / theirs for ours, theirs in zip(rates["hone"], rates[kind]))
        b.least(f"GPT-2 124M, bf16: tokens a second, of PyTorch's {kind}", 1.15, ratio)


def shakespeare(b):
    """Hone's seconds and PyTorch's by turns, and the loss of the recipe as it stands."""
    losses, ratios = [], []
    for seed in (1, 2, 3):
        with tempfile.TemporaryDirectory() as folder:
            told = subprocess.run([b.args.hone, "train", peer.RECIPE, "--text", b.args.text, "--out", folder + "/run",
                                   "--seed", str(seed), "--threads", str(b.args.threads), "--no-record", "--json"],
                                  check=True, capture_output=True, text=True).stdout
        losses.append(json.loads(told.splitlines()[-1])["val_loss"])
    print("     held out, seeds 1 to 3:", *(f"{loss:.4f}" for loss in losses), flush=True)
    b.most("Shakespeare's characters: median loss held out", 1.89, statistics.median(losses))
    if not b.has_torch("shakespeare, seconds"):
        return
    peers = []
    for seed in range(1, 1 + b.args.pairs):
        ours = b.hone("shakespeare", precision="f32", steps=2000, seed=seed)
        theirs = b.torch("shakespeare", precision="f32", steps=2000, seed=seed)
        ratios.append(ours["seconds"] / theirs["seconds"])
        peers.append(theirs["val_loss"])
    print("     the same recipe in PyTorch:", *(f"{loss:.4f}" for loss in peers), flush=True)
    b.most("Shakespeare's characters: seconds, of PyTorch's", 0.5, statistics.median(ratios))


PARTS = {"gpt2": gpt2, "character": character, "recompute": recompute, "planned": planned, "optimiser": optimiser,
         "peer": against, "shakespeare": shakespeare}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("hone")
    p.add_argument("--text", default="../shared/data/text/tinyshakespeare.txt")
    p.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME", help=", ".join(PARTS))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--pairs", type=int, default=3)
    p.add_argument("--steps", type=int, help="steps that are timed, instead of each part's own")
    p.add_argument("--tests", help="hone_test; beside the program if not given")
    b = Bench(p.parse_args())
    b.args.tests = b.args.tests or os.path.join(os.path.dirname(b.args.hone), "hone_test")
    if os.path.isdir("/dev/shm"):
        tempfile.tempdir = "/dev/shm"  # models of this size are written to no disk
    for name in b.args.only:
        PARTS[name](b)
    sys.exit(b.failed)


if __name__ == "__main__":
    main()
