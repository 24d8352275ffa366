#!/usr/bin/env python3
"""GGUF files in Hone and in llama.cpp: the same greedy tokens and the same perplexity (speeds: llamacpp_speed.py).

    CMAKE_ARGS=-DGGML_NATIVE=ON pip install llama-cpp-python==0.3.36
    bench/peers/llamacpp.py build/hone MODEL.gguf... --text FILE [--json]

Greedy tokens may part where two candidates are nearly equal, since the two round activations of quantised products in
different orders; files in f32 or bf16 must agree in full. Perplexity is by llama.cpp's convention: disjoint windows
of 512, whose second halves are scored."""
import argparse
import json
import math
import subprocess

import llama_cpp
import numpy

WINDOW, DRAWN = 512, 64


def hone(args, *words):
    done = subprocess.run([args.hone, *words, "--threads", str(args.threads), "--json"], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


def peer_open(path, args):
    return llama_cpp.Llama(path, n_ctx=WINDOW + DRAWN, n_batch=WINDOW, n_ubatch=WINDOW, verbose=False,
                           n_threads=args.threads, n_threads_batch=args.threads, logits_all=True)


def peer_greedy(model, ids, count):
    out = []
    for token in model.generate(list(ids), temp=0.0, top_k=1, repeat_penalty=1.0):
        out.append(token)
        if len(out) == count:
            return out
    return out


def peer_perplexity(model, text):
    """As llama-perplexity: a begin token in front of each window where the model has one."""
    ids = model.tokenize(text, add_bos=False, special=False)
    begin = model.token_bos() if llama_cpp.llama_vocab_get_add_bos(llama_cpp.llama_model_get_vocab(model.model)) else None
    total, count = 0.0, 0
    for start in range(0, len(ids) - WINDOW + 1, WINDOW):
        window = list(ids[start:start + WINDOW])
        if begin is not None:
            window[0] = begin
        model.reset()
        model.eval(window)
        rows = numpy.array(model.scores[:WINDOW], dtype=numpy.float64)
        for i in range(WINDOW // 2, WINDOW - 1):
            row = rows[i]
            top = row.max()
            total -= row[window[i + 1]] - top - math.log(numpy.exp(row - top).sum())
            count += 1
    return math.exp(total / count)


def measure(path, text, args):
    prompt = text[:200].decode(errors="ignore")
    model = peer_open(path, args)
    ids = model.tokenize(prompt.encode(), add_bos=False, special=False)
    theirs = peer_greedy(model, ids, DRAWN)
    drawn = hone(args, "run", path, "-p", prompt, "-n", str(DRAWN), "--temp", "0", "--ignore-end")["ids"]
    row = {"model": path, "same_tokens": sum(a == b for a, b in zip(drawn, theirs)), "tokens": len(theirs)}
    row["peer_perplexity"] = peer_perplexity(model, text)
    row["perplexity"] = hone(args, "eval", "ppl", path, args.text, "--convention", "llama.cpp")["perplexity"]
    row["difference"] = row["perplexity"] / row["peer_perplexity"] - 1
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hone")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--text", required=True, help="for perplexity; its beginning is the prompt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with open(args.text, "rb") as f:
        text = f.read()
    for path in args.models:
        row = measure(path, text, args)
        if args.json:
            print(json.dumps(row))
            continue
        print(f"{path}: {row['same_tokens']} of {row['tokens']} greedy tokens equal; perplexity "
              f"{row['perplexity']:.4f}, llama.cpp {row['peer_perplexity']:.4f} ({100 * row['difference']:+.3f}%)")


main()
