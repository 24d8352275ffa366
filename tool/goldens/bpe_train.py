#!/usr/bin/env python3
"""A tokenizer that the `tokenizers` library trained on test/golden/tokenizers/cases, a document each.

    pip install tokenizers==0.23.3
    tool/goldens/bpe_train.py

Small counts make many ties; words of few letters make tokens to which two ways lead."""
import json

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

FOLDER = "test/golden/tokenizers/"
documents = open(FOLDER + "cases", encoding="utf-8", newline="").read().split("\0")
documents += [a * n + b * m + a for a in "abc" for b in "abc" for n in range(1, 8) for m in range(1, 8)]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=["<|endoftext|>", "<pad>"], show_progress=False,
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
tokenizer.train_from_iterator(documents, trainer)
model = json.loads(tokenizer.to_str())["model"]
with open(FOLDER + "trained.json", "w", encoding="utf-8") as f:
    json.dump({"vocab": model["vocab"], "merges": model["merges"]}, f, ensure_ascii=False, separators=(",", ":"))
    f.write("\n")
