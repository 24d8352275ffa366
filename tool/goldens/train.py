#!/usr/bin/env python3
"""Goldens of test/model_train.c: twenty steps of training by PyTorch.

    pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 gguf==0.19.0
    tool/goldens/train.py test/golden/models test/golden/train

Each model is a golden of models.py. A step takes two sequences of hashed tokens, the mean cross-entropy of their
next tokens, and AdamW without decay of vectors. Written: a line a step with the loss, and for every gradient its
norm and its products with two directions that are hashed from the tensor's name."""
import json
import sys
import tempfile
from pathlib import Path

import torch

from models import hashed, make_folder, open_model

STEPS, LENGTHS, MODELS = 20, (17, 9), ("llama", "gpt2")
RATE, BETAS, EPSILON, DECAY = 3e-4, (0.9, 0.95), 1e-4, 0.1


def tokens(step, sequence):
    return [3 + int((x + 1) * 1e6) % 90 for x in hashed(f"step {step} sequence {sequence}", LENGTHS[sequence], 0)]


def write(goldens, out, name):
    golden = json.loads(Path(goldens, f"{name}.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        make_folder(folder, golden["config"], golden["tensors"], golden["seed"])
        model = open_model(folder, golden["context"]).double()
    named = sorted(dict(model.named_parameters()).items())
    groups = [dict(params=[p for _, p in named if p.dim() > 1], weight_decay=DECAY),
              dict(params=[p for _, p in named if p.dim() == 1], weight_decay=0.0)]
    optimiser = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPSILON)
    directions = {n: [torch.tensor(hashed(n, p.numel(), s)) for s in (1001, 1002)] for n, p in named}
    lines = [" ".join(n for n, _ in named)]
    for step in range(STEPS):
        optimiser.zero_grad()
        total, count = 0, 0
        for s in range(2):
            ids = torch.tensor(tokens(step, s))
            given = model(input_ids=ids[None], use_cache=False).logits[0, :-1]
            total = total + torch.nn.functional.cross_entropy(given, ids[1:], reduction="sum")
            count += len(ids) - 1
        loss = total / count
        loss.backward()
        numbers = [float(loss.detach())]
        for n, p in named:
            g = p.grad.flatten().double()
            numbers += [float(g.norm()), *(float(g @ d) for d in directions[n])]
        lines.append(" ".join(f"{x:.9g}" for x in numbers))
        optimiser.step()
    Path(out, name).write_text("\n".join(lines) + "\n")
    print(name, [round(float(line.split()[0]), 4) for line in lines[1:]])


if __name__ == "__main__":
    for model_name in MODELS:
        write(*sys.argv[1:3], model_name)
