#!/usr/bin/env python3
"""Training byte-level BPE against the `tokenizers` library: equal vocabulary and merges, the result opens there
and encodes alike, and the ratio of times.

    pip install tokenizers==0.23.3
    RAYON_NUM_THREADS=2 bench/peers/tokenize_train.py build/hone TEXT... [--megabytes 12] [--vocab 32000]

The texts are cut into documents of some lines and repeated with other words of many scripts until there are so many
megabytes. The library is timed within its process from documents in memory, Hone from a JSONL file with its start,
reading and writing. The median of three alternating pairs counts."""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

sys.path.insert(0, os.path.dirname(__file__))
from texts import documents

PATTERNS = {
    "gpt2": None,
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
              r"|\s*[\r\n]+|\s+(?!\S)|\s+",
}
SPECIAL = ["<|endoftext|>"]


def peer_train(texts, vocab, pattern):
    t = Tokenizer(models.BPE())
    if PATTERNS[pattern]:
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(PATTERNS[pattern]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(texts, trainer, len(texts))
    return json.loads(t.to_str())["model"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hone")
    parser.add_argument("text", nargs="+")
    parser.add_argument("--megabytes", type=float, default=12)
    parser.add_argument("--vocab", type=int, default=32000)
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    texts = documents(args.text, args.megabytes)
    size, failed = sum(len(t.encode()) for t in texts) / 1e6, False
    with tempfile.TemporaryDirectory() as folder:
        data, made = os.path.join(folder, "text.jsonl"), os.path.join(folder, "tokenizer.json")
        with open(data, "w", encoding="utf-8") as f:
            f.writelines(json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in texts)
        for pattern in PATTERNS:
            ratios = []
            for _ in range(args.pairs):
                start = time.perf_counter()
                want = peer_train(texts, args.vocab, pattern)
                middle = time.perf_counter()
                subprocess.run([args.hone, "tokenize", "--train", "--vocab", str(args.vocab), "--pattern", pattern,
                                "--threads", "2", "-o", made, data], check=True, capture_output=True)
                ratios.append((middle - start) / (time.perf_counter() - middle))
            got = json.load(open(made, encoding="utf-8"))["model"]
            same = got["vocab"] == want["vocab"] and got["merges"] == want["merges"]
            peer, sample = Tokenizer.from_file(made), "\n".join(random.Random(5).sample(texts, 200))
            ids = subprocess.run([args.hone, "tokenize", made], input=sample.encode(), capture_output=True,
                                 check=True).stdout
            same &= list(map(int, ids.split())) == peer.encode(sample).ids
            failed |= not same
            print(f"{pattern}, {size:.1f} MB, {len(got['merges'])} merges: {'equal' if same else 'DIFFERENT'}, "
                  f"{statistics.median(ratios):.2f} times as fast")
    sys.exit(failed)


main()
