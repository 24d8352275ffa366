#!/usr/bin/env python3
"""`hone convert` beside the libraries that read its files: small models of random weights with tokenizers of each kind
go to GGUF in every format and back to a folder; `gguf` must find what transformers had in metadata and tensors,
transformers must load the folder with the same logits, ids and chats.

    pip install torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 gguf==0.19.0 safetensors==0.8.0
    bench/peers/convert_equal.py build/hone ../shared/data [--only NAME]"""
import argparse
import glob
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import sentencepiece
import torch
import transformers
from gguf import GGUFReader, GGUFWriter, dequantize
from safetensors import safe_open
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import (Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from texts import documents

TEMPLATE = """{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}<|{{ m.role }}|>
{{ m['content'] | trim }}{% endfor %}{% if add_generation_prompt %}<|assistant|>
{% endif %}"""
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "  Où est l'été ? "}]
FORMATS = ["f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k",
           "iq4_nl", "iq4_xs", "mxfp4", "q4_k_m", "q5_k_m"]
ERRORS = {"f32": 0, "f16": 1e-3, "bf16": 8e-3, "q8_0": 0.01, "q6_k": 0.03, "q5_k": 0.06}  # of the largest; else 0.35


def corpus(folder, texts):
    path = os.path.join(folder, "sample.txt")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(line.replace("\0", "") + "\n" for t in texts for line in t.split("\n") if line.strip())
    return path


def around(t, bos, eos=None):
    pair = [(x, t.token_to_id(x)) for x in (bos, eos) if x]
    t.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A" + (f" {eos}" if eos else ""), pair=f"{bos} $A {bos} $B", special_tokens=pair)


def sentencepiece_bpe(folder, sample, prefix=True):
    """As Llama (prefix) and Gemma (none, runs of spaces and newlines as tokens of the user's) have it."""
    runs = [] if prefix else ["\n" * k for k in range(2, 6)] + ["▁" * k for k in range(2, 8)]
    made = os.path.join(folder, "sp")
    sentencepiece.SentencePieceTrainer.train(
        input=sample, model_prefix=made, vocab_size=3000, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=prefix,
        user_defined_symbols=runs, character_coverage=0.99, minloglevel=2, max_sentence_length=20000)
    m = proto.ModelProto()
    m.ParseFromString(open(made + ".model", "rb").read())
    words = [p.piece for p in m.pieces]
    order, merges = {w: i for i, w in enumerate(words)}, []
    for p in m.pieces:
        if p.type in (1, 4):
            merges += [(p.score, len(p.piece[:k]), len(p.piece[k:]), p.piece[:k], p.piece[k:])
                       for k in range(1, len(p.piece)) if p.piece[:k] in order and p.piece[k:] in order]
    merges.sort(key=lambda x: x[:3], reverse=True)  # as transformers does
    t = Tokenizer(models.BPE(vocab=order, merges=[(a, b) for *_, a, b in merges], unk_token="<unk>", fuse_unk=True,
                             byte_fallback=True))
    replace = normalizers.Replace(" ", "▁")
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prefix else replace
    if not prefix:
        t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    last = [decoders.Strip(" ", 1, 0)] if prefix else []
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + last)
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.add_tokens(runs)
    around(t, "<s>")
    return t, made + ".model"


def unigram(folder, sample):
    made = os.path.join(folder, "uni")
    sentencepiece.SentencePieceTrainer.train(input=sample, model_prefix=made, vocab_size=3000, model_type="unigram",
                                             character_coverage=0.99, minloglevel=2, max_sentence_length=20000)
    m = proto.ModelProto()
    m.ParseFromString(open(made + ".model", "rb").read())
    t = Tokenizer(models.Unigram([(p.piece, p.score) for p in m.pieces], unk_id=0, byte_fallback=False))
    t.normalizer = normalizers.Sequence([  # as transformers has it
        normalizers.Precompiled(m.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "▁")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    t.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    around(t, "<s>")
    return t, made + ".model"


def byte_level(folder, sample):
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
                                   r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train([sample], trainers.BpeTrainer(vocab_size=3000, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    around(t, "<s>")
    return t, None


def llama(vocabulary):
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2))


def gemma(vocabulary):
    return transformers.Gemma2ForCausalLM(transformers.Gemma2Config(
        vocab_size=vocabulary, hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=64, max_position_embeddings=512, sliding_window=64, bos_token_id=1,
        eos_token_id=2, pad_token_id=0))


CASES = {"llama, sentencepiece": (llama, lambda f, s: sentencepiece_bpe(f, s)),
         "gemma, sentencepiece": (gemma, lambda f, s: sentencepiece_bpe(f, s, False)),
         "llama, unigram": (llama, unigram), "llama, bytes": (llama, byte_level)}


def make_folder(path, make_model, t, model_file, shard):
    torch.manual_seed(1)
    m = make_model(t.get_vocab_size() + 6).float().eval()  # tables are often longer than the vocabulary
    with torch.no_grad():
        for p in m.parameters():
            p.copy_(torch.randn_like(p) * 0.05 + (p.dim() == 1))
    m.save_pretrained(path, max_shard_size="700KB" if shard else "5GB")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<s>", eos_token="</s>",
                                                unk_token="<unk>", chat_template=TEMPLATE)
    fast.save_pretrained(path)
    return m, fast


def convert(hone, *args, fails=False):
    done = subprocess.run([hone, "convert", *args], capture_output=True, text=True)
    assert (done.returncode != 0) == fails, (args, done.stderr)
    return done.stderr


def hone_ids(hone, path, text, trust=True):
    out = subprocess.run([hone, "tokenize", *(["--trust-special"] if trust else []), path], input=text.encode(), capture_output=True,
                         check=True).stdout
    return list(map(int, out.split()))


def field(reader, key):
    return reader.fields[key].contents()


def check_metadata(gguf_path, fast, model_file):
    r = GGUFReader(gguf_path)
    words = field(r, "tokenizer.ggml.tokens")
    vocab = fast.get_vocab()
    assert all(words[i] == w for w, i in vocab.items()), "tokens"
    assert len(words) == len(field(r, "tokenizer.ggml.token_type")) == len(vocab) + 6
    assert field(r, "tokenizer.chat_template") == fast.chat_template
    assert words[field(r, "tokenizer.ggml.bos_token_id")] == "<s>"
    assert words[field(r, "tokenizer.ggml.eos_token_id")] == "</s>"
    if model_file:
        m = proto.ModelProto()
        m.ParseFromString(open(model_file, "rb").read())
        scores, types = field(r, "tokenizer.ggml.scores"), field(r, "tokenizer.ggml.token_type")
        alike = [i for i, p in enumerate(m.pieces) if p.type == 1 and len(p.piece) > 1]
        want = sorted(alike, key=lambda i: (-m.pieces[i].score, i))
        assert sorted(alike, key=lambda i: (-scores[i], i)) == want, "order of scores"
        if m.trainer_spec.byte_fallback:
            assert all(types[i] == p.type for i, p in enumerate(m.pieces) if p.type != 4), "types"


def tensors_of(folder):
    out = {}
    for path in glob.glob(os.path.join(folder, "*.safetensors")):
        with safe_open(path, "np") as f:
            out.update({k: f.get_tensor(k) for k in f.keys()})
    return out


def check_tensors(gguf_path, exact, kind):
    worst = 0
    for t in GGUFReader(gguf_path).tensors:
        want = exact[t.name]
        got = dequantize(t.data, t.tensor_type).reshape(want.shape).astype(np.float32)
        worst = max(worst, float(np.abs(got - want).max() / np.abs(want).max()))
    assert worst <= ERRORS.get(kind, 0.35), (kind, worst)
    assert kind == "f32" or worst > 0, kind
    return worst


def split_file(path, prefix, parts=3):
    """The file in parts, as gguf writes them."""
    r = GGUFReader(path)
    w = GGUFWriter(None, field(r, "general.architecture"), split_max_tensors=-(-len(r.tensors) // parts))
    for key, f in r.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        sub = f.types[-1] if len(f.types) > 1 else None
        w.add_key_value(key, f.contents(), f.types[0], sub_type=sub)
    for t in r.tensors:
        w.add_tensor(t.name, t.data, raw_dtype=t.tensor_type)
    w.write_header_to_file(pathlib.Path(prefix + ".gguf"))
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return sorted(glob.glob(prefix + "-00001-of-*.gguf"))[0]


def check_back(args, folder, m, fast, texts, exact):
    again = transformers.AutoTokenizer.from_pretrained(folder)
    for text in texts:
        want = fast.encode(text)
        assert again.encode(text) == want, ("tokenizer.json out of GGUF", text[:80])
        assert again.decode(want) == fast.decode(want)
    for prompt in (False, True):
        assert again.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=prompt) == \
            fast.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=prompt), "chat"
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder).float().eval()
    ids = torch.tensor([fast.encode(texts[0])[:40]])
    apart = (loaded(ids).logits - m(ids).logits).abs().max().item() / m(ids).logits.abs().max().item()
    assert apart <= (1e-6 if exact else 0.05), ("logits", apart)
    return apart


def run_case(args, name, folder, texts, sample):
    make_model, make_tokenizer = CASES[name]
    t, model_file = make_tokenizer(folder, sample)
    base, gguf = os.path.join(folder, "in"), os.path.join(folder, "all.gguf")
    m, fast = make_folder(base, make_model, t, model_file, True)
    shards = len(glob.glob(os.path.join(base, "*.safetensors")))
    assert shards > 1, shards
    convert(args.hone, base, gguf)
    check_metadata(gguf, fast, model_file)
    for text in texts:
        assert hone_ids(args.hone, gguf, text) == fast.encode(text, add_special_tokens=False), ("ids", text[:80])
    exact = {x.name: x.data.astype(np.float32).copy() for x in GGUFReader(gguf).tensors}
    worst = {}
    for kind in FORMATS:
        path = os.path.join(folder, kind + ".gguf")
        convert(args.hone, base, path, "--format", kind)
        worst[kind] = check_tensors(path, exact, kind)
    for source, kind in ((gguf, None), (split_file(gguf, os.path.join(folder, "part")), None),
                         (os.path.join(folder, "q8_0.gguf"), "bf16")):
        back = os.path.join(folder, "back" + str(len(os.listdir(folder))))
        convert(args.hone, source, back, *(["--format", kind] if kind else []))
        check_back(args, back, m, fast, texts, kind is None)
    for kind in ("nf4", "int4g32", "q9_9", "i32"):
        said = convert(args.hone, base, os.path.join(folder, "no.gguf"), "--format", kind, fails=True)
        assert kind in said, said
    assert not os.path.exists(os.path.join(folder, "no.gguf"))
    if model_file:  # a folder with the SentencePiece model alone
        os.remove(os.path.join(base, "tokenizer.json"))
        os.rename(model_file, os.path.join(base, "tokenizer.model"))
        again = os.path.join(folder, "model.gguf")
        convert(args.hone, base, again)
        pieces = sentencepiece.SentencePieceProcessor(model_file=os.path.join(base, "tokenizer.model"))
        for text in texts:
            assert hone_ids(args.hone, again, text, False) == pieces.encode(text), ("ids of the .model through GGUF", text[:80])
    print(f"{name}: {shards} shards, {len(FORMATS)} formats, {len(texts)} texts equal; moved by "
          + ", ".join(f"{k} {v:.2g}" for k, v in worst.items()), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hone")
    parser.add_argument("data")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    texts = documents([os.path.join(args.data, "text", "wikitext-2.valid.txt")], 0.4)
    failed = False
    for name in CASES:
        if args.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                run_case(args, name, folder, [t.replace("\0", "") for t in texts[:60]], corpus(folder, texts[::2]))
            except AssertionError as error:
                print(f"{name}: DIFFERENT: {error}", flush=True)
                failed = True
    sys.exit(failed)


main()
