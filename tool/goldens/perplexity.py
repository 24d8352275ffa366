#!/usr/bin/env python3
"""A text's perplexity under a model folder, as transformers' page "Perplexity of fixed-length models" computes it.
For test/train_run.c.

    pip install torch==2.13.0 transformers==5.23.0
    tool/goldens/perplexity.py FOLDER TEXT CONTEXT STRIDE"""
import math
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    folder, text, context, stride = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = AutoTokenizer.from_pretrained(folder)(open(text, encoding="utf-8", newline="").read(), return_tensors="pt")
    ids, before, total, count = ids.input_ids, 0, 0.0, 0
    for begin in range(0, ids.size(1), stride):
        end = min(begin + context, ids.size(1))
        window = ids[:, begin:end]
        labels = window.clone()
        labels[:, :before - end] = -100
        with torch.no_grad():
            loss = model(window, labels=labels).loss.item()
        scored = (labels != -100).sum().item() - 1
        total, count, before = total + loss * scored, count + scored, end
        if end == ids.size(1):
            break
    print(f"{ids.size(1)} {math.exp(total / count):.9f}")


if __name__ == "__main__":
    main()
