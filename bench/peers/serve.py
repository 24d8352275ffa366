#!/usr/bin/env python3
"""`hone serve` beside llama-server (llama.cpp), on the same GGUF file of random weights, under the same load in one run:
generated tokens a second, time to the first token, time between tokens.

    bench/peers/serve.py build/hone LLAMA_SERVER --preset llama-110m --format q8_0 --streams 16
    bench/peers/serve.py build/hone [LLAMA_SERVER] --bars

`--bars` prints a row for each thing that is required, with what was measured; without a LLAMA_SERVER those that need none.
LLAMA_SERVER is built by hand beside this repository (cmake -DGGML_NATIVE=ON -DCMAKE_BUILD_TYPE=Release, target llama-server).
The load is `hone bench serve`: distinct prompts of 128 random tokens, 64 generated, each stream sending its next request
when the last is answered; the servers take turns, and the median of each figure's ratios counts. `alone` is one stream
beside `hone run` with the same prompt. Weights and files lie in the cache of `hone bench model`."""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import time
import urllib.request

PROMPT, DRAWN, IDS = 128, 64, 1000
LIMITS = {("llama-3.2-1b", "q4_0", 32): 2.2, ("llama-3.2-1b", "q4_0", 8): 2.0, ("llama-110m", "q8_0", 16): 3.0}


def byte_letters():
    """GPT-2's letters for bytes."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    extra = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(extra)) for b in range(256)]


def make_tokenizer(folder, vocabulary):
    """Bytes, one merge, and words for the other ids, so that both programs have text for every id."""
    words = byte_letters() + ["ab"] + [f"w{i:x}." for i in range(257, vocabulary - 1)] + ["<|endoftext|>"]
    end = {"id": vocabulary - 1, "content": "<|endoftext|>", "special": True, "single_word": False, "lstrip": False,
           "rstrip": False, "normalized": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    (folder / "tokenizer.json").write_text(json.dumps({
        "added_tokens": [end], "pre_tokenizer": level, "decoder": level,
        "model": {"type": "BPE", "vocab": {w: i for i, w in enumerate(words)}, "merges": ["a b"]}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>", "add_bos_token": False}))


def make_model(args):
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "hone" / "models"
    folder, out = cache / args.preset, cache / f"{args.preset}.words.{args.format}.gguf"
    if out.exists():
        return out
    if not (folder / "config.json").exists():
        subprocess.run([args.hone, "bench", "model", "--preset", args.preset, "--filter", "model.load"], check=True)
    worded = cache / f"{args.preset}.words"
    worded.mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        (worded / name).unlink(missing_ok=True)
        (worded / name).symlink_to(folder / name)
    make_tokenizer(worded, json.loads((folder / "config.json").read_text())["vocab_size"])
    subprocess.run([args.hone, "convert", str(worded), str(out), "--format", args.format], check=True)
    return out


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, *words):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen([*words, "--port", str(self.port)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(1200):
            try:
                if urllib.request.urlopen(self.url + "/health").status == 200:
                    return
            except OSError:
                time.sleep(0.05)
            if self.process.poll() is not None:
                break
        raise SystemExit(f"{words[0]} did not start: {' '.join(words)}")

    def end(self):
        self.process.terminate()
        self.process.wait()


def load(args, server, streams, requests, seed):
    done = subprocess.run([args.hone, "bench", "serve", server.url, "--streams", str(streams), "--requests", str(requests),
                           "--prompt", str(PROMPT), "--output", str(DRAWN), "--vocabulary", str(IDS), "--seed", str(seed),
                           "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def figures(run):
    return run["generated_tokens_per_second"], run["ttft_seconds"]["p50"], run["itl_seconds"]["p99"]


def say(args, figures, bars):
    """A line of JSON, or a row for each bar: what, measured, its sign and limit."""
    if not args.bars:
        print(json.dumps(figures), flush=True)
        return
    for what, value, sign, limit in bars:
        holds = value >= limit if sign == ">=" else value <= limit
        name = f"serve.{args.preset}.{args.format}.{what}"
        print(f"{name:44} {value:8.3f}x  {sign} {limit:<5g} {'' if holds else 'NOT'}", flush=True)


def compare(args, model, streams):
    threads = ["--threads", str(args.threads)]
    hone = Server(args.hone, "serve", str(model), "--context", "256", "--sequences", str(streams), *threads)
    peer = Server(args.peer, "-m", str(model), "-c", str(256 * streams), "-np", str(streams), "-t", str(args.threads), "-tb",
                  str(args.threads), "--host", "127.0.0.1")
    pairs = []
    for seed in range(args.pairs + 1):
        few = seed == 0  # the first warms both up
        pairs.append([figures(load(args, s, 1 if few else streams, 1 if few else args.rounds * streams, seed))
                      for s in (hone, peer)])
    hone.end()
    peer.end()
    pairs = pairs[1:]
    rate, first, gap = (statistics.median(ours[i] / theirs[i] for ours, theirs in pairs) for i in range(3))
    ours, theirs = ([statistics.median(p[side][i] for p in pairs) for i in range(3)] for side in range(2))
    limit = LIMITS.get((args.preset, args.format, streams))
    holds = first <= 0.5 and gap <= 1 and rate >= (limit or 0)
    at = f"{streams} streams"
    say(args, {"preset": args.preset, "format": args.format, "streams": streams, "rate": ours[0],
               "rate_of_peer": theirs[0], "rate_ratio": rate, "rate_at_least": limit, "ttft_p50": ours[1],
               "ttft_p50_of_peer": theirs[1], "ttft_ratio": first, "ttft_at_most": 0.5, "itl_p99": ours[2],
               "itl_p99_of_peer": theirs[2], "itl_ratio": gap, "itl_at_most": 1, "holds": holds},
        [(f"{at}, tokens/s", rate, ">=", limit or 0), (f"{at}, first token p50", first, "<=", 0.5),
         (f"{at}, gap p99", gap, "<=", 1)])


def alone(args, model):
    """One stream over `hone run`: tokens a second behind the first token, by turns."""
    server = Server(args.hone, "serve", str(model), "--context", "256", "--threads", str(args.threads))
    ratios = []
    for seed in range(args.pairs + 1):
        served = load(args, server, 1, 3, seed)["tpot_seconds"]["p50"]
        run = subprocess.run([args.hone, "run", str(model), "-p", "ab" * PROMPT, "-n", str(DRAWN), "--ignore-end", "--json",
                              "--temp", "0", "--context", "256", "--threads", str(args.threads)], check=True,
                             capture_output=True, text=True)
        said = json.loads(run.stdout)
        ratios.append(1 / served / said["tokens_per_second"])
    server.end()
    ratio = statistics.median(ratios[1:])
    say(args, {"preset": args.preset, "format": args.format, "alone_beside_run": ratio, "at_least": 0.97,
               "holds": ratio >= 0.97}, [("one stream beside hone run", ratio, ">=", 0.97)])


def bars(args):
    """All that is required."""
    for args.preset, args.format in dict.fromkeys(key[:2] for key in LIMITS):
        model = make_model(args)
        alone(args, model)
        for streams in [key[2] for key in LIMITS if args.peer and key[:2] == (args.preset, args.format)]:
            compare(args, model, streams)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hone")
    parser.add_argument("peer", nargs="?", help="llama-server")
    parser.add_argument("--preset", default="llama-110m")
    parser.add_argument("--format", default="q8_0")
    parser.add_argument("--streams", type=int, nargs="*", default=[16])
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--bars", action="store_true")
    parser.add_argument("--rounds", type=int, default=2, help="requests of each stream")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.bars:
        bars(args)
        return
    if not (args.peer or args.alone):
        parser.error("name a llama-server, or --alone or --bars")
    model = make_model(args)
    if args.alone:
        alone(args, model)
    for streams in args.streams if args.peer else []:
        compare(args, model, streams)


main()
