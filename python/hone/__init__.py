"""Hone's models from Python, over the shared library's public C API (hone/model.h).

    import hone

    with hone.Model("storyteller") as model:
        for piece in model.generate("One windy day,", max_tokens=100):
            print(piece, end="", flush=True)

There is nothing to build: the package loads libhone.so, which `make install` installs, by its soname; HONE_LIBRARY
names another file. An object and what was made from it belong to one thread at a time.
"""

from .model import Generation, Model, Tokenizer
from .native import Error, Status, version
from .trainer import Learned, Trainer

__all__ = ["Error", "Generation", "Learned", "Model", "Status", "Tokenizer", "Trainer", "version"]
