#!/usr/bin/env python3
"""Training against PyTorch, by turns on the same threads; ratios are medians of the pairs.

    python3 -m venv VENV && VENV/bin/pip install torch==2.13.0 numpy
    VENV/bin/python bench/peers/train.py shakespeare build/hone TEXT [--threads 2] [--pairs 3]
    VENV/bin/python bench/peers/train.py gpt2 build/hone TEXT [--precision bf16] [--compile]
    VENV/bin/python bench/peers/train.py character build/hone TEXT [--precision bf16] [--compile]

shakespeare  nanoGPT's small recipe whole (example/shakespeare.yaml): seconds of 2,000 steps and the loss held out
gpt2         GPT-2 124M, 4 x 256 tokens a step, AdamW and clipping: tokens a second
character    nanoGPT's model of 10.7M parameters, 64 x 256 characters a step: tokens a second

The first three steps of either side do not count: plans, packed weights and compiled code come to be in them. With
--steps the seconds of Shakespeare are those of so many steps, which 2,000 are a multiple of. Models of this size are
written to a temporary folder twice; TMPDIR=/dev/shm keeps the disk out of it.

PyTorch gets what it does best with: the threads, glibc's allocator without mmap and trim, fused attention and AdamW,
its own batches in memory. --compile takes torch.compile instead of eager mode; try both, the better one counts."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

WARM = 3
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"}
RECIPE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../example/shakespeare.yaml")
JOBS = {  # layers, heads, width, context, batch, steps that are timed, vocabulary (0: characters)
    "shakespeare": (4, 4, 128, 64, 12, 2000, 0),
    "gpt2": (12, 12, 768, 256, 4, 6, 50257),
    "character": (6, 6, 384, 256, 64, 4, 0),
}


def model(torch, layers, heads, width, context, vocabulary):
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = (y.view(b, t, heads, -1).transpose(1, 2) for y in self.qkv(self.n1(x)).split(width, 2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, width))
            return x + self.down(F.gelu(self.up(self.n2(x)), approximate="tanh"))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            self.blocks, self.norm = nn.ModuleList(Block() for _ in range(layers)), nn.LayerNorm(width)
            for name, p in self.named_parameters():
                if p.dim() > 1:
                    residual = name.endswith(("out.weight", "down.weight"))
                    nn.init.normal_(p, std=0.02 / (math.sqrt(2 * layers) if residual else 1))
                elif name.endswith("bias"):
                    nn.init.zeros_(p)

        def forward(self, ids, targets):
            x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
            for block in self.blocks:
                x = block(x)
            logits = self.norm(x) @ self.wte.weight.T
            return F.cross_entropy(logits.view(-1, vocabulary).float(), targets.reshape(-1))

    return Model()


def torch_run(job, text, o):
    import torch
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    layers, heads, width, context, batch, steps, vocabulary = JOBS[job]
    steps = o.steps or steps
    data = open(text, encoding="utf-8").read()
    letters = {c: i for i, c in enumerate(sorted(set(data)))}
    ids = torch.tensor([letters[c] for c in data])
    cut = int(len(ids) * 0.9)
    net = model(torch, layers, heads, width, context, vocabulary or len(letters))
    groups = [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": 0.1},
              {"params": [p for p in net.parameters() if p.dim() < 2], "weight_decay": 0.0}]
    rate, warmup = 1e-3, 100
    optimiser = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)
    forward = torch.compile(net) if o.compile else net
    narrow = torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.precision == "bf16")

    def step(number):
        at = torch.randint(cut - context - 1, (batch,))
        x = torch.stack([ids[i:i + context] for i in at])
        y = torch.stack([ids[i + 1:i + context + 1] for i in at])
        t = max(0, (number - warmup) / max(1, steps - warmup))
        for g in optimiser.param_groups:
            g["lr"] = rate * (number / warmup if number <= warmup else 0.1 + 0.45 * (1 + math.cos(math.pi * t)))
        with narrow:
            loss = forward(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    for number in range(1, 1 + WARM):
        step(number)
    start = time.perf_counter()
    for number in range(1 + WARM, 1 + WARM + steps):
        step(number)
    seconds = time.perf_counter() - start
    held_out, total, count = ids[cut:], 0.0, 0
    net.eval()
    with torch.no_grad():
        for at in range(0, len(held_out) - context - 1, context) if job == "shakespeare" else ():
            x, y = held_out[at:at + context][None], held_out[at + 1:at + context + 1][None]
            total, count = total + net(x, y).item(), count + 1
    return {"seconds": seconds, "tokens_per_second": steps * batch * context / seconds,
            "val_loss": total / count if count else None}


def torch_apart(job, text, o, seed):
    words = [sys.executable, __file__, job, o.hone, text, "--peer", "--threads", str(o.threads), "--seed", str(seed),
             "--precision", o.precision] + (["--compile"] if o.compile else [])
    words += ["--steps", str(o.steps)] if o.steps else []
    env = dict(os.environ, OMP_NUM_THREADS=str(o.threads), **ALLOCATOR)
    out = subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def hone_run(job, text, o, seed, *more):
    layers, heads, width, context, batch, steps, vocabulary = JOBS[job]
    steps = (o.steps or steps) + WARM
    with tempfile.TemporaryDirectory() as folder:
        words = [o.hone, "train"]
        if job == "shakespeare":
            words += [RECIPE, "--evaluate-every", str(steps), "--steps", str(steps), "--warmup", str(min(100, steps))]
        else:
            words += ["--tokenizer", "characters", "--order", "windows", "--steps", str(steps), "--evaluate-every",
                      "0", "--batch", str(batch), "--context", str(context), "--precision", o.precision]
            words += (["--preset", "gpt2-124m", "--table", str(vocabulary)] if job == "gpt2" else
                      ["--architecture", "gpt2", "--layers", str(layers), "--heads", str(heads), "--width", str(width)])
        words += ["--text", text, "--out", folder + "/run", "--seed", str(seed), "--threads", str(o.threads),
                  "--no-record", "--json", *more]
        out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        result = json.loads(out.splitlines()[-1])
        with open(folder + "/run/metrics.jsonl", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        rows = [row for row in rows if "loss" in row]
        result["seconds"] = rows[-1]["seconds"] - rows[WARM - 1]["seconds"]
        result["stall"] = max(row["stall"] for row in rows[WARM:])
        result["tokens_per_second"] = (steps - WARM) * batch * context / result["seconds"]
        return result


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("job", choices=JOBS)
    p.add_argument("hone")
    p.add_argument("text")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--pairs", type=int, default=3)
    p.add_argument("--steps", type=int, help="steps that are timed, instead of the job's")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--peer", action="store_true", help="run PyTorch once and print its figures")
    o = p.parse_args()
    if o.peer:
        print(json.dumps(torch_run(o.job, o.text, o)))
        return
    ratios, losses = [], []
    for pair in range(o.pairs):
        ours, theirs = hone_run(o.job, o.text, o, o.seed + pair), torch_apart(o.job, o.text, o, o.seed + pair)
        ratios.append(ours["tokens_per_second"] / theirs["tokens_per_second"])
        losses.append((ours["val_loss"], theirs["val_loss"]))
        print(f"hone {ours['tokens_per_second']:.0f} tokens/s ({ours['seconds']:.1f} s, share {ours['share']}), "
              f"PyTorch {theirs['tokens_per_second']:.0f} ({theirs['seconds']:.1f} s): {ratios[-1]:.3f}")
    print(f"{o.job} {o.precision}: {statistics.median(ratios):.3f} times PyTorch")
    if o.job == "shakespeare":
        print(f"held out, medians: hone {statistics.median(l[0] for l in losses):.4f}, PyTorch "
              f"{statistics.median(l[1] for l in losses):.4f}")


if __name__ == "__main__":
    main()
