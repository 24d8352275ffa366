#!/usr/bin/env python3
"""Equal ids with the `tokenizers` and `sentencepiece` libraries: on megabytes of text of all scripts, and on every
code point of Unicode in several surroundings; the text is there again when its ids are decoded; and the ratio of times
on the text, the library's within its process, Hone's with its start, reading and printing.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 gguf==0.19.0 regex==2026.11.15
    RAYON_NUM_THREADS=1 bench/peers/tokenize_equal.py build/hone ../shared/data [--megabytes 10] [--only NAME]

Byte-level BPE is GPT-2's own vocabulary (from its GGUF file) under each published pattern; for the code points, one
in which every two bytes have a merge, so that ids tell where words were cut. SentencePiece models are Llama's own (from
its GGUF file, written as a .model here) and two that are trained here, with the normalisation that the library has as
its default."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata

import regex
import sentencepiece
from gguf import GGUFReader
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from texts import documents

SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LEAD, UPPERS, LOWERS = r"[^\r\n\p{L}\p{N}]?", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DEEPSEEK_LLM = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}"]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PATTERNS = {
    "gpt2": None,
    "cl100k": [SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST],
    "qwen2": [SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST],
    "o200k": [f"{LEAD}{UPPERS}*{LOWERS}+{SHORT}?|{LEAD}{UPPERS}+{LOWERS}*{SHORT}?" r"|\p{N}{1,3}" + O200K_REST],
    "tekken": [f"{LEAD}{UPPERS}*{LOWERS}+|{LEAD}{UPPERS}+{LOWERS}*" r"|\p{N}" + O200K_REST],
    "deepseek3": [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
                  r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
                  r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "deepseek_coder": DEEPSEEK_LLM,
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
    "starcoder": ["digits", GPT2],
    "words": [r"\p{Lu}\p{Ll}+|\d{2}|\s+|[^\s\p{L}]+?"],
}


# Whose text is another after normalisation: ids need not lead back to it.
NORMALISED = ("qwen2", "sentencepiece unigram", "sentencepiece bpe")


def step(pattern):
    if pattern == "digits":
        return pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def fields(path):
    return {name: field for name, field in GGUFReader(path).fields.items()}


def strings(field):
    return [bytes(field.parts[i]).decode() for i in field.data]


def byte_level(folder, data, pairs):
    if pairs:
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        merges = [(a, b) for a in letters for b in letters]
        words = letters + [a + b for a, b in merges]
    else:
        f = fields(os.path.join(data, "tokenizers/ggml-vocab-gpt-2.gguf"))
        words = strings(f["tokenizer.ggml.tokens"])
        merges = [tuple(m.split(" ")) for m in strings(f["tokenizer.ggml.merges"])]
    vocab = {w: i for i, w in enumerate(words)}
    for name, patterns in PATTERNS.items():
        if pairs and name == "words":
            continue  # no published one: PCRE2 has it, whose tables are of its own version of Unicode
        t = Tokenizer(models.BPE(vocab=vocab, merges=merges))
        steps = [] if patterns is None else [step(p) for p in patterns]
        last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=patterns is None)
        t.pre_tokenizer = pre_tokenizers.Sequence(steps + [last]) if steps else last
        t.decoder = decoders.ByteLevel()
        if name == "qwen2":
            t.normalizer = normalizers.NFC()
        path = os.path.join(folder, name + ".json")
        t.save(path)
        yield name, path, lambda text, t=t: t.encode(text, add_special_tokens=False).ids


def steps(folder):
    """The library's own steps one by one, each before a vocabulary that tells where words were cut and what of them
    was left."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(a, b) for a in letters for b in letters]
    vocab = {w: i for i, w in enumerate(letters + [a + b for a, b in merges])}
    cuts = {"Whitespace": pre_tokenizers.Whitespace(), "WhitespaceSplit": pre_tokenizers.WhitespaceSplit(),
            "BertPreTokenizer": pre_tokenizers.BertPreTokenizer(), "Punctuation": pre_tokenizers.Punctuation(),
            "Digits": pre_tokenizers.Digits(), "CharDelimiterSplit": pre_tokenizers.CharDelimiterSplit("1")}
    forms = {"NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(),
             "NFKD": normalizers.NFKD(), "Lowercase": normalizers.Lowercase(), "Nmt": normalizers.Nmt(),
             "StripAccents": normalizers.StripAccents(), "BertNormalizer": normalizers.BertNormalizer()}
    for name in [*cuts, *forms]:
        t = Tokenizer(models.BPE(vocab=vocab, merges=merges))
        last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        t.pre_tokenizer = pre_tokenizers.Sequence([cuts[name], last]) if name in cuts else last
        if name in forms:
            t.normalizer = forms[name]
        path = os.path.join(folder, name + ".json")
        t.save(path)
        yield name, path, lambda text, t=t: t.encode(text, add_special_tokens=False).ids


def llama(folder, data):
    """Llama's SentencePiece model as sentencepiece and as tokenizers hold it."""
    f = fields(os.path.join(data, "tokenizers/ggml-vocab-llama-spm.gguf"))
    words = strings(f["tokenizer.ggml.tokens"])
    scores = [float(f["tokenizer.ggml.scores"].parts[i][0]) for i in f["tokenizer.ggml.scores"].data]
    types = [int(f["tokenizer.ggml.token_type"].parts[i][0]) for i in f["tokenizer.ggml.token_type"].data]
    m = proto.ModelProto()
    for word, score, kind in zip(words, scores, types):
        m.pieces.add(piece=word, score=score, type=kind)
    m.trainer_spec.model_type = proto.TrainerSpec.BPE
    m.trainer_spec.byte_fallback = True
    m.normalizer_spec.name = "identity"
    m.normalizer_spec.remove_extra_whitespaces = False
    path = os.path.join(folder, "llama.model")
    with open(path, "wb") as out:
        out.write(m.SerializeToString())
    s = sentencepiece.SentencePieceProcessor(model_file=path)
    yield "llama .model", path, s.encode
    order = {w: i for i, w in enumerate(words)}
    merges = []
    for i, word in enumerate(words):
        if types[i] == 1:
            local = [(word[:k], word[k:]) for k in range(1, len(word)) if word[:k] in order and word[k:] in order]
            merges += [(-scores[i], order[a], order[b], a, b) for a, b in local]
    merges = [(a, b) for *_, a, b in sorted(merges)]
    t = Tokenizer(models.BPE(vocab=order, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)])
    path = os.path.join(folder, "llama.json")
    t.save(path)
    yield "llama .json", path, lambda text: t.encode(text, add_special_tokens=False).ids


def trained(folder, texts):
    """Unigram and BPE of sentencepiece, its default normalisation (nmt_nfkc)."""
    sample = os.path.join(folder, "sample.txt")
    with open(sample, "w", encoding="utf-8") as out:
        out.writelines(line.replace("\0", "") + "\n" for t in texts[:2000] for line in t.split("\n") if line.strip())
    for kind in ("unigram", "bpe"):
        prefix = os.path.join(folder, "sp_" + kind)
        sentencepiece.SentencePieceTrainer.train(
            input=sample, model_prefix=prefix, vocab_size=12000, model_type=kind, character_coverage=0.995,
            byte_fallback=kind == "bpe", minloglevel=2, num_threads=2, max_sentence_length=20000)
        s = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
        yield "sentencepiece " + kind, prefix + ".model", s.encode


def unknown(x):
    """Whether the library's tables are older than the character."""
    return not pre_tokenizers.Split(Regex(r"\p{Cn}"), "removed").pre_tokenize_str(x) and not regex.match(r"\p{Cn}", x)


def every_code_point(old=False):
    """Lines with each code point but the surrogates and the characters that are too new for the library. Its patterns'
    tables are of Unicode 15; those of some of its steps are years older (U+32FF of 2019 has no decomposition there):
    `old` leaves them what Unicode 3.2 had in the category of today, and all that has no character still."""
    lines, left_out = [], 0
    for c in range(0x110000):
        x = chr(c)
        if 0xD800 <= c < 0xE000:
            continue
        was = unicodedata.ucd_3_2_0.category(x)
        if old and (was != unicodedata.category(x) or was == "Cn" and not regex.match(r"\p{Cn}", x)):
            continue
        if unicodedata.category(x) == "Cn" and not regex.match(r"\p{Cn}", x) and unknown(x):
            left_out += 1
            continue
        plain = unicodedata.category(x) in ("Cn", "Co") or 0x3400 <= c < 0xA000 or 0xAC00 <= c < 0xD7A4 or c >= 0x20000
        lines.append(f"a{x} {x}1\n" if plain else f"a{x}b {x}{x} 1{x}2  {x}\n{x}'s\n")
    print(f"{left_out} characters are newer than the library's tables and are left out")
    return "".join(lines)


def printed(hone, path, text):
    trust = [] if path.endswith(".model") else ["--trust-special"]  # sentencepiece takes none from the text
    return subprocess.run([hone, "tokenize", *trust, path], input=text, capture_output=True, check=True).stdout


def hone_ids(hone, path, text):
    return list(map(int, printed(hone, path, text.encode()).split()))


def goes_round(hone, path, raw, ids):
    """Whether the ids' text is the text again, byte for byte."""
    return subprocess.run([hone, "tokenize", "--decode", path], input=ids, capture_output=True, check=True).stdout == raw


def first_difference(peer, hone, path, text):
    """The shortest line or two that are encoded differently, for the report."""
    lines = text.split("\n")
    low, high = 0, len(lines)
    while high - low > 1:
        middle = (low + high) // 2
        part = "\n".join(lines[low:middle])
        if peer(part) != hone_ids(hone, path, part):
            high = middle
        else:
            low = middle
    return lines[low]


def compare(args, name, path, peer, text, timed):
    ratios, raw = [], text.encode()
    for _ in range(args.pairs if timed else 1):
        start = time.perf_counter()
        want = peer(text)
        middle = time.perf_counter()
        out = printed(args.hone, path, raw)
        ratios.append((middle - start) / (time.perf_counter() - middle))
    same = want == list(map(int, out.split()))
    if timed and name not in NORMALISED and not goes_round(args.hone, path, raw, out):
        print(f"{name}: the ids' text is not the text they are of")
        same = False
    print(f"{name}, {'text' if timed else 'code points'}: {'equal' if same else 'DIFFERENT'}, {len(want)} ids"
          + (f", {statistics.median(ratios):.1f} times as fast" if timed else ""), flush=True)
    if not same:
        line = first_difference(peer, args.hone, path, text)
        print(f"    {line!r} {line.encode('unicode_escape')}\n    {peer(line)}\n    "
              f"{hone_ids(args.hone, path, line)}", flush=True)
    return not same


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hone")
    parser.add_argument("data")
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--only")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--what", choices=["text", "points", "both"], default="both")
    args = parser.parse_args()
    files = ["tinyshakespeare.txt", "wikitext-2.valid.txt", "wikitext-2.test.txt"]
    texts = documents([os.path.join(args.data, "text", f) for f in files], args.megabytes)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for timed in (True, False):
            if args.what == ("points" if timed else "text"):
                continue
            text = "".join(texts) if timed else every_code_point()
            for made in (byte_level(folder, args.data, not timed), llama(folder, args.data), trained(folder, texts)):
                for name, path, peer in made:
                    if not args.only or args.only in name:
                        failed |= compare(args, name, path, peer, text, timed)
        old = every_code_point(old=True) if args.what != "text" else ""
        for name, path, peer in steps(folder) if old else []:
            if not args.only or args.only in name:
                failed |= compare(args, name, path, peer, old, False)
    sys.exit(failed)


main()
