#!/usr/bin/env python3
"""What the ops are claimed to reach of this machine's roofs, measured here at 1 and 2 threads: `make bench-ops`.

    bench/ops.py build/hone [--only RE] [--threads 1 2] [--repeat N]

Every row of `hone bench ops` that has a bar is one line, as soon as it is measured: what is required, what was measured.
A row that stays above its roof, however often the program measures it, tells nothing and does not hold. Of rows that
are repeated, medians count. Nothing else should be running. The whole takes about three minutes; a part by names, such
as --only '^attention', has the same bars. The exit status is 1 where a claim does not hold; the end lists those."""
import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import time

from claims import Claims

ROUND, ODD = "512x2048x2048", "509x2039x2053"
BARS = [  # names; the least share
    (r"matmul\.(f32|bf16|int8)\.packed", 0.90),
    (r"matmul\.(f32|bf16|int8)\.(forward|dx|dw)", 0.82),
    (r"matmul\.bf16\.m[124]", 0.90),
    (r"matmul\.bf16\.m8", 0.78),
    (r"attention\.fwd\.d64", 0.68),
    (r"attention\.fwdbwd\.d64", 0.50),
    (r"attention\.fwd\.d128", 0.72),
    (r"attention\.fwdbwd\.d128", 0.55),
    (r"attention\.decode", 0.65),
    (r"(layer_norm|rms_norm|rope|gated_mlp|cross_entropy|adamw|cast)\..*", 0.80),
]
LIMITS = [(r"chain\.500", {1: 1, 2: 2}), (r"rebind\.1000", {1: 20, 2: 20}), (r"plan\.1000", {1: 10000, 2: 10000})]


class Bench(Claims):
    def __init__(self):
        super().__init__()
        self.short = []
        self.count = 0

    def claim(self, name, required, value, holds):
        super().claim(name, required, value, holds)
        self.count += 1
        if not holds:
            self.short.append(f"{name}: {value} (required {required})")

    def run(self, hone, threads, names, repeat):
        """Measures rows by name `repeat` times and judges them by their medians, each as its last turn comes."""
        found, rows = {}, {}
        for turn in range(repeat):
            with subprocess.Popen([hone, "bench", "ops", "--threads", str(threads), "--json", "--filter", names],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as done:
                for row in map(json.loads, done.stdout):
                    key = row["name"], row["case"]
                    found.setdefault(key, []).append(row)
                    if turn + 1 == repeat:
                        rows[key] = {**row, "value": statistics.median(r["value"] for r in found[key]),
                                     "share": statistics.median(r["share"] for r in found[key])}
                        self.judge(rows[key], rows)
                wrong = done.stderr.read()
            if done.returncode and "roof is broken" not in wrong:  # such a row was judged
                self.claim(f"{names}, threads {threads}", "to be measured", wrong.strip(), False)

    def judge(self, row, rows):
        what = f"{row['name']} {row['case']}, threads {row['threads']}"
        if row["share"] > 1.03 * row.get("most", math.inf):
            self.claim(what, "<= 1.03 of what its roof allows", f"{row['share']:.2f} of the roof", False)
            return
        for names, least in BARS:
            if not re.fullmatch(names, row["name"]):
                continue
            if row["case"] != ODD:
                self.claim(what, f">= {least}", f"{row['share']:.2f} of the roof", row["share"] >= least)
            elif (row["name"], ROUND) in rows:
                part = row["value"] / rows[row["name"], ROUND]["value"]
                self.claim(what, ">= 0.85", f"{part:.2f} of the rate of {ROUND}", part >= 0.85)
        for names, most in LIMITS:
            if re.fullmatch(names, row["name"]):
                limit = most.get(row["threads"], most[2])
                self.claim(what, f"<= {limit}", f"{row['value']:.3g} us", row["value"] <= limit)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("hone")
    p.add_argument("--only", metavar="RE", help="only names that this regular expression finds")
    p.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    p.add_argument("--repeat", type=int, default=1, metavar="N", help="measure each row N times")
    o = p.parse_args()
    b, began = Bench(), time.monotonic()
    for threads in o.threads:
        for names in [o.only] if o.only else [f"^{names}$" for names, _ in BARS + LIMITS]:
            b.run(o.hone, threads, names, max(1, o.repeat))
    print(f"{b.count} claims in {time.monotonic() - began:.0f} s, {len(b.short)} do not hold", *b.short, sep="\n  ")
    sys.exit(b.failed or not b.count)


if __name__ == "__main__":
    main()
