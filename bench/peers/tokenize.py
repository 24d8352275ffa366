#!/usr/bin/env python3
"""Encoding against the `tokenizers` library: equal ids on mixed text, and the ratio of times.

    pip install tokenizers==0.23.3
    RAYON_NUM_THREADS=1 bench/peers/tokenize.py build/hone TEXT.txt test/golden/tokenizers/*.json

The library is timed within its process, Hone with its start, loading and printing. The median of
three alternating pairs counts. Random words of many scripts are added to the text."""
import random
import statistics
import subprocess
import sys
import time

from tokenizers import Tokenizer

SCRIPTS = [(0x100, 0x250), (0x370, 0x400), (0x400, 0x500), (0x5D0, 0x5EB), (0x620, 0x650),
           (0x905, 0x940), (0xE01, 0xE30), (0x3041, 0x3097), (0x4E00, 0x9000), (0xAC00, 0xD7A4),
           (0x1F600, 0x1F640)]


def mixed(text):
    r, parts = random.Random(3), [text]
    for _ in range(8000):
        low, high = r.choice(SCRIPTS)
        parts.append(" ".join("".join(chr(r.randrange(low, high)) for _ in range(r.randrange(1, 9)))
                              for _ in range(20)) + "\n")
    return "".join(parts)


def main():
    hone, text = sys.argv[1], mixed(open(sys.argv[2], encoding="utf-8", newline="").read())
    failed = False
    for path in sys.argv[3:]:
        peer, ratios = Tokenizer.from_file(path), []
        for _ in range(3):
            start = time.perf_counter()
            want = peer.encode(text, add_special_tokens=False).ids
            middle = time.perf_counter()
            out = subprocess.run([hone, "tokenize", "--trust-special", path], input=text.encode(),
                                 capture_output=True, check=True).stdout
            ratios.append((middle - start) / (time.perf_counter() - middle))
        same = list(map(int, out.split())) == want
        failed |= not same
        print(f"{path}: {'equal' if same else 'DIFFERENT'}, {len(want)} ids, "
              f"{statistics.median(ratios):.1f} times as fast")
    sys.exit(failed)


main()
