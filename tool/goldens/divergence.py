#!/usr/bin/env python3
"""Golden of test/eval.c: KL divergence, agreement and perplexities of two tiny models over a text, as transformers has
them.

    pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 numpy
    tool/goldens/divergence.py test/golden/models/llama.json > test/golden/divergence.txt

The models are that golden's and the same with matrices of 0.75 the size (the reference). Id i is the character 32 + i. Windows of
CONTEXT ids move on by STRIDE; each id is scored once, in the first window that reaches it. The line: context, stride,
kl, top1, perplexity, the reference's, then the text."""
import json
import math
import sys
import tempfile
from pathlib import Path

import torch
from models import draw, logits, make_folder, open_model

CONTEXT, STRIDE, IDS = 24, 10, 300


def main():
    golden = json.loads(Path(sys.argv[1]).read_text())
    ids, models = draw("divergence", IDS, 1), []
    for shrunk in (1.0, 0.75):
        tensors = [[name, shape, base, scale * (shrunk if len(shape) == 2 else 1)]
                   for name, shape, base, scale in golden["tensors"]]
        with tempfile.TemporaryDirectory() as folder:
            make_folder(folder, golden["config"], tensors, golden["seed"])
            models.append(open_model(folder, CONTEXT))
    kl, same, loss, other, count, scored = 0.0, 0, 0.0, 0.0, 0, 0
    for begin in range(0, IDS, STRIDE):
        end, first = min(begin + CONTEXT, IDS), max(scored - begin, 1)
        q, p = [torch.log_softmax(logits(m, ids[begin:end]).double(), -1)[first - 1:-1] for m in models]
        target = torch.tensor(ids[begin + first:end])[:, None]
        kl += float((p.exp() * (p - q)).sum())
        same += int((p.argmax(-1) == q.argmax(-1)).sum())
        loss -= float(q.gather(1, target).sum())
        other -= float(p.gather(1, target).sum())
        count += len(target)
        scored = end
        if end == IDS:
            break
    text = "".join(chr(32 + i) for i in ids)
    print(CONTEXT, STRIDE, f"{kl / count:.9f} {same / count:.9f} {math.exp(loss / count):.7f} {math.exp(other / count):.7f}")
    print(text)


if __name__ == "__main__":
    main()
