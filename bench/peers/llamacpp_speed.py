#!/usr/bin/env python3
"""Speeds of random weights of real shapes in Hone and in llama.cpp, by turns, beside what Hone is meant to reach.

    CMAKE_ARGS=-DGGML_NATIVE=ON pip install llama-cpp-python==0.3.36
    bench/peers/llamacpp_speed.py build/hone --preset llama-3.2-1b --formats q8_0,q4_0,q4_k_m [--ik LLAMA_BENCH] [--json]

`hone bench model` makes the GGUF files, in its cache, and measures its own side; all read the same file. Prefill is of 512
tokens, decode of 1, 8, 16 and 32 sequences behind prompts of 128. Ratios are medians of alternating turns, 2 threads.
LLAMA_BENCH is that of ik_llama.cpp, built by hand beside this repository (cmake -DGGML_NATIVE=ON -DCMAKE_BUILD_TYPE=Release,
target llama-bench); of its two layouts (-rtr 0 and 1) the faster one counts."""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import time

import llama_cpp as ll

PREFILL, PROMPT, STEPS = 512, 128, 24
# What a row is meant to reach: of its roof, of llama.cpp, of ik_llama.cpp.
REQUIRED = {
    "llama-3.2-1b": {
        "q8_0": {"b1": (0.90, None, None), "prefill": (0.50, 3.0, None), "b8": (None, 2.0, None), "b16": (None, 2.0, None),
                 "b32": (None, 2.0, None)},
        "q4_0": {"b1": (0.90, 1.15, None), "prefill": (0.53, 1.9, 1.2), "b8": (None, 2.0, None), "b16": (None, 2.0, None),
                 "b32": (None, 2.0, None)},
        "q4_k_m": {"b1": (0.88, None, None), "prefill": (0.45, 2.0, 1.1), "b8": (None, 1.8, None), "b16": (None, 1.8, None),
                   "b32": (None, 1.8, None)},
    },
}
SMALL = {"b1": (None, 1.4, 1.0), "prefill": (None, 1.5, None)}  # llama-110m, every format
FAST_HOST, FAST_SHARE = 60e9, 0.85  # where memory gives more than this, decode is meant to reach this share of it
ROWS = {"b1": "model.decode.b1", "prefill": "model.prefill.512", "b8": "model.decode.b8",
        "b16": "model.decode.b16", "b32": "model.decode.b32"}


def cached(preset, form):
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ["HOME"], ".cache")
    return os.path.join(home, "hone", "models", f"{preset}.{form}.gguf")


def ours(args, preset, form, row):
    done = subprocess.run([args.hone, "bench", "model", "--preset", preset, "--format", form, "--threads",
                           str(args.threads), "--tokens", "64", "--filter", f"^{ROWS[row]}$", "--json"],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


class Peer:
    def __init__(self, path, threads):
        ll.llama_backend_init()
        self.threads = threads
        self.silent = ll.llama_log_callback(lambda *_: None)
        ll.llama_log_set(self.silent, ctypes.c_void_p(0))
        self.model = ll.llama_model_load_from_file(path.encode(), ll.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp cannot read '{path}'")

    def context(self, sequences, tokens):
        how = ll.llama_context_default_params()
        how.n_ctx, how.n_seq_max = sequences * tokens, sequences
        how.n_batch = how.n_ubatch = PREFILL
        how.n_threads = how.n_threads_batch = self.threads
        return ll.llama_init_from_model(self.model, how)

    def step(self, context, tokens, all_rows):
        """Decodes (id, position, sequence) triples."""
        batch = ll.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, (token, position, sequence) in enumerate(tokens):
            batch.token[i], batch.pos[i] = token, position
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
            batch.logits[i] = all_rows or i == len(tokens) - 1
        begin = time.perf_counter()
        if ll.llama_decode(context, batch):
            raise SystemExit("llama.cpp cannot decode")
        took = time.perf_counter() - begin
        ll.llama_batch_free(batch)
        return took

    def prefill(self):
        context = self.context(1, 2 * PREFILL)
        took = []
        for _ in range(3):
            ll.llama_memory_clear(ll.llama_get_memory(context), True)
            took.append(self.step(context, [(7 + i % 1000, i, 0) for i in range(PREFILL)], False))
        ll.llama_free(context)
        return PREFILL / statistics.median(took)

    def decode(self, sequences):
        context = self.context(sequences, PROMPT + STEPS + 8)
        for s in range(sequences):
            self.step(context, [(7 + (31 * s + i) % 1000, i, s) for i in range(PROMPT)], False)
        took = [self.step(context, [(9 + s, PROMPT + i, s) for s in range(sequences)], True) for i in range(STEPS)]
        ll.llama_free(context)
        return sequences / statistics.median(took)

    def measure(self, row):
        return self.prefill() if row == "prefill" else self.decode(int(row[1:]))


class IkPeer:
    """ik_llama.cpp, by its llama-bench; it has no decode of several sequences."""

    def __init__(self, program, path, threads):
        self.words = [program, "-m", path, "-t", str(threads), "-fa", "1", "-r", "3", "-o", "json"]

    def measure(self, row):
        if row not in ("prefill", "b1"):
            return None
        work = ["-p", str(PREFILL), "-n", "0"] if row == "prefill" else ["-p", "0", "-n", "64"]
        rates = []
        for repack in "01":
            done = subprocess.run([*self.words, *work, "-rtr", repack], check=True, capture_output=True, text=True)
            rates.append(json.loads(done.stdout)[0]["avg_ts"])
        return max(rates)


def ratio_of(turns, at):
    """Of our figure to a peer's, and the peer's own; None, None: it has no such row."""
    if turns[0][at] is None:
        return None, None
    return statistics.median(t[0]["value"] / t[at] for t in turns), statistics.median(t[at] for t in turns)


def compare(args, preset, form):
    ours(args, preset, form, "b1")  # writes the file and its packed layouts
    path = cached(preset, form)
    peers = {"llama.cpp": Peer(path, args.threads)}
    if args.ik:
        peers["ik_llama.cpp"] = IkPeer(args.ik, path, args.threads)
    for row in args.rows.split(","):
        turns = [(ours(args, preset, form, row), *(p.measure(row) for p in peers.values())) for _ in range(args.pairs)]
        share, *least = REQUIRED.get(preset, {}).get(form, SMALL).get(row, (None, None, None))
        value = statistics.median(t[0]["value"] for t in turns)
        host = statistics.median(t[0]["roof"] for t in turns) * os.path.getsize(path)
        if row == "b1" and share and host > FAST_HOST:
            share = FAST_SHARE
        out = {"name": ROWS[row], "case": f"{preset} {form}", "value": value, "required_share": share,
               "share": statistics.median(t[0]["share"] for t in turns), "peers": {}}
        text = f"{out['name']:20} {out['case']:20} {value:8.1f}  {out['share']:.2f} of the roof {wanted(share):9}"
        for i, name in enumerate(peers):
            ratio, rate = ratio_of(turns, i + 1)
            if not ratio:
                continue
            out["peers"][name] = {"value": rate, "ratio": ratio, "required": least[i]}
            text += f"  {name} {rate:7.1f} {ratio:5.2f}x {wanted(least[i]):8}"
        print(json.dumps(out) if args.json else text, flush=True)


def wanted(least):
    return f"(>= {least})" if least else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hone")
    parser.add_argument("--preset", default="llama-110m")
    parser.add_argument("--formats", default="q8_0,q4_0,q4_k_m")
    parser.add_argument("--rows", default=",".join(ROWS), help="of %(default)s")
    parser.add_argument("--ik", metavar="LLAMA_BENCH", help="llama-bench of ik_llama.cpp")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unknown = set(args.rows.split(",")) - set(ROWS)
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}: must be of {','.join(ROWS)}")
    for form in args.formats.split(","):
        compare(args, args.preset, form)


main()
