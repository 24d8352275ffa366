#!/usr/bin/env python3
"""Speeds of random weights of real shapes in Hone and in llama.cpp, by turns, beside what Hone is meant to reach.

    CMAKE_ARGS=-DGGML_NATIVE=ON pip install llama-cpp-python==0.3.36
    bench/peers/llamacpp_speed.py build/hone --preset llama-3.2-1b --formats q8_0,q4_0,q4_k_m [--json]

`hone bench model` makes the GGUF files, in its cache, and measures its own side; both read the same file. Prefill is of 512
tokens, decode of 1, 8, 16 and 32 sequences behind prompts of 128. Ratios are medians of alternating pairs, 2 threads."""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import time

import llama_cpp as ll

PREFILL, PROMPT, STEPS = 512, 128, 24
REQUIRED = {
    "llama-3.2-1b": {
        "q8_0": {"prefill": 3.0, "b8": 2.0, "b16": 2.0, "b32": 2.0},
        "q4_0": {"b1": 1.15, "prefill": 1.9, "b8": 2.0, "b16": 2.0, "b32": 2.0},
        "q4_k_m": {"prefill": 2.0, "b8": 1.8, "b16": 1.8, "b32": 1.8},
    },
}
SMALL = {"b1": 1.4, "prefill": 1.5}  # of llama-110m, every format
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


def compare(args, preset, form):
    ours(args, preset, form, "b1")  # writes the file and its packed layouts
    peer = Peer(cached(preset, form), args.threads)
    required = REQUIRED.get(preset, {}).get(form, SMALL)
    for row in args.rows.split(","):
        pairs = [(ours(args, preset, form, row), peer.measure(row)) for _ in range(args.pairs)]
        ratio = statistics.median(mine["value"] / theirs for mine, theirs in pairs)
        out = {"name": ROWS[row], "case": f"{preset} {form}", "ratio": ratio, "required": required.get(row),
               "value": statistics.median(mine["value"] for mine, _ in pairs),
               "share": statistics.median(mine["share"] for mine, _ in pairs),
               "peer": statistics.median(theirs for _, theirs in pairs)}
        if args.json:
            print(json.dumps(out), flush=True)
        else:
            wanted = f">= {out['required']}" if out["required"] else ""
            print(f"{out['name']:20} {out['case']:22} {out['value']:9.1f} ({out['share']:.2f} of the roof)  llama.cpp "
                  f"{out['peer']:8.1f}  {ratio:5.2f}x {wanted}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hone")
    parser.add_argument("--preset", default="llama-110m")
    parser.add_argument("--formats", default="q8_0,q4_0,q4_k_m")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    for form in args.formats.split(","):
        compare(args, args.preset, form)


main()
