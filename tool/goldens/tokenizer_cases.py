#!/usr/bin/env python3
"""Goldens of test/tokenizer.c: small tokenizers and the ids that their own library gives.

    pip install tokenizers==0.23.3
    tool/goldens/tokenizer_cases.py CORPUS.txt test/golden/tokenizers

Writes NAME.json (a tokenizer.json) for each kind of tokenizer, `cases` (texts, each closed by a zero
byte) and NAME.ids (for each text three lines: ids, ids with the special ones around, and ids of the
text when special tokens in it are plain text)."""
import json
import random
import sys
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, __version__, decoders, models
from tokenizers import normalizers as n, pre_tokenizers as p, processors, trainers

assert __version__ == "0.23.3", __version__

CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPERS, LOWERS = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LEAD, SHORT = r"[^\r\n\p{L}\p{N}]?", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (f"{LEAD}{UPPERS}*{LOWERS}+{SHORT}|{LEAD}{UPPERS}+{LOWERS}*{SHORT}" r"|\p{N}{1,3}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
             r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
UNPUBLISHED = r"\p{Lu}\p{Ll}+|\d{2}|\s+|[^\s\p{L}]+?"
SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>"]


def byte_level(pre, normalizer=None):
    return models.BPE(), normalizer, pre, decoders.ByteLevel(), "bytes"


def split(pattern):
    return p.Sequence([p.Split(Regex(pattern), "isolated"),
                       p.ByteLevel(add_prefix_space=False, use_regex=False)])


def chain(*patterns):
    return p.Sequence([p.Split(Regex(x), "isolated") for x in patterns] +
                      [p.ByteLevel(add_prefix_space=False, use_regex=False)])


KINDS = {
    "gpt2": lambda: byte_level(p.ByteLevel(add_prefix_space=False)),
    "prefixed": lambda: byte_level(p.ByteLevel(add_prefix_space=True)),
    "cl100k": lambda: byte_level(split(CL100K % "{1,3}")),
    "qwen2": lambda: byte_level(split(CL100K % ""), n.NFC()),
    "o200k": lambda: byte_level(split(O200K)),
    "deepseek3": lambda: byte_level(chain(r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", DEEPSEEK3)),
    "unpublished": lambda: byte_level(split(UNPUBLISHED), n.NFKC()),
    "digits": lambda: byte_level(p.Sequence([p.Digits(individual_digits=True), p.Punctuation(),
                                             p.ByteLevel(add_prefix_space=False)])),
    "llama": lambda: (models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"),
                      n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), None,
                      decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                         decoders.Fuse(), decoders.Strip(" ", 1, 0)]), "words"),
    "metaspace": lambda: (models.BPE(unk_token="<unk>"), n.NFKD(),
                          p.Metaspace(prepend_scheme="first"), decoders.Metaspace(), "words"),
    "unigram": lambda: (models.Unigram(), n.Sequence([n.Nmt(), n.Replace(Regex(" {2,}"), " ")]),
                        p.Metaspace(), decoders.Metaspace(), "unigram"),
    "wordpiece": lambda: (models.WordPiece(unk_token="<unk>"), n.BertNormalizer(),
                          p.BertPreTokenizer(), decoders.WordPiece(), "wordpiece"),
    "words": lambda: (models.WordLevel(unk_token="<unk>"),
                      n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase(), n.Strip()]),
                      p.Whitespace(), None, "wordlevel"),
}


def trainer(kind):
    size = 400
    if kind == "bytes":
        return trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False,
                                   initial_alphabet=p.ByteLevel.alphabet())
    if kind == "words":
        return trainers.BpeTrainer(
            vocab_size=size + 256, show_progress=False, limit_alphabet=80,
            special_tokens=SPECIAL + [f"<0x{i:02X}>" for i in range(256)])
    if kind == "unigram":
        return trainers.UnigramTrainer(vocab_size=size, special_tokens=SPECIAL, unk_token="<unk>",
                                       show_progress=False)
    if kind == "wordpiece":
        return trainers.WordPieceTrainer(vocab_size=size, special_tokens=SPECIAL,
                                         show_progress=False)
    return trainers.WordLevelTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False)


def texts():
    r = random.Random(7)
    found = ["", " ", "  ", "Hello world", " Hello  world ", "I'll we'RE 'tis 'S ſ'ſ it's",
             "a\n\n b\r\n\t c  \n", "12 1234 ½ ٣٤ Ⅷ x1y22", "<s>x</s> <|im_start|>user <unk>",
             "naïve café Ω Å é ﬁ Ａ １", "i̇İ ß ẞ ǅ Ǆ", "e\u0323\u0301\u0301\u0323 가 각 ᄀ\u1161",
             "我想在apple工作1314151天～ テスト。ひらがな", "किसी भाषा में", "🚀👩‍👩‍👧 ok ☃️", "XMLHttpRequest fooBAR Foo",
             "a_b-c.d,e!f?g (h) [i] {j}", "\u00a0\u2003x\u3000y\u200bz\u0085", "x" * 300, " " * 70,
             "e\u0301" * 60, "newtok  anewtok newtok. rtok  x  ltok ntok Ntok", "don't you'd y'all"]
    ranges = [(0x20, 0x7F), (0x20, 0x250), (0x300, 0x370), (0x370, 0x600), (0x900, 0xD80),
              (0x1100, 0x1200), (0x2000, 0x2C00), (0x3000, 0x3200), (0x4E00, 0x9FFF),
              (0xAC00, 0xD7A3), (0xFB00, 0xFE00), (0xFF00, 0xFFEF), (0x1F300, 0x1F650)]
    for i in range(160):
        low, high = ranges[i % len(ranges)]
        # Only characters that every table knows: parts of the library still use Unicode 8.
        known = [chr(c) for c in range(low, high) if unicodedata.ucd_3_2_0.category(chr(c)) != "Cn"
                 or low > 0xFFFF]
        found.append("".join(r.choice(" \n'eE") if r.random() < 0.25 else r.choice(known)
                             for _ in range(r.randrange(1, 24))))
    return found


def build(name, corpus):
    model, normalizer, pre, decoder, kind = KINDS[name]()
    t = Tokenizer(model)
    if normalizer: t.normalizer = normalizer
    if pre: t.pre_tokenizer = pre
    if decoder: t.decoder = decoder
    t.train_from_iterator(corpus, trainer(kind))
    t.add_tokens([AddedToken("newtok", single_word=True, normalized=False),
                  AddedToken("ltok", lstrip=True, normalized=False),
                  AddedToken("rtok", rstrip=True, normalized=False),
                  AddedToken("Ntok", normalized=True)])
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", t.token_to_id("<s>")),
                                              ("</s>", t.token_to_id("</s>"))])
    return t


def main():
    corpus = Path(sys.argv[1]).read_text().splitlines()[:2500]
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    cases = texts()
    (folder / "cases").write_bytes(b"".join(c.encode() + b"\0" for c in cases))
    for name in KINDS:
        t = build(name, corpus)
        saved = json.loads(t.to_str())
        if name in ("gpt2", "llama"):  # as older files write them
            saved["model"]["merges"] = [" ".join(m) for m in saved["model"]["merges"]]
        if name == "cl100k":
            saved["model"]["ignore_merges"] = True
            saved["model"] = {k: saved["model"][k] for k in ["merges"] + sorted(saved["model"])}
        text = json.dumps(saved, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text)
        t = Tokenizer.from_str(text)
        lines = []
        for c in cases:
            lines.append(t.encode(c, add_special_tokens=False).ids)
            lines.append(t.encode(c).ids)
            t.encode_special_tokens = True
            lines.append(t.encode(c, add_special_tokens=False).ids)
            t.encode_special_tokens = False
        (folder / f"{name}.ids").write_text("".join(" ".join(map(str, l)) + "\n" for l in lines))


main()
