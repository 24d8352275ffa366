"""Training, a step at a time."""

from __future__ import annotations

import ctypes
from typing import Callable, Iterable, Iterator, NamedTuple, Sequence, Union

from . import native
from .native import Context, library

Sequences = Sequence[Sequence[int]]


class Learned(NamedTuple):
    """What a step learned from."""

    loss: float  # mean over the predicted tokens, in nats, before the update
    norm: float  # of the gradient, before clipping
    tokens: int  # predicted


class Trainer(Context):
    """Either a saved `model` to go on from, or a `preset` ("1m", "3m", ...) with a `tokenizer`, drawn from the seed.
    `tokens` and `sequences` are the most that a step holds."""

    def __init__(self, *, model: str | None = None, preset: str | None = None, tokenizer: str | None = None,
                 tokens: int = 0, sequences: int = 0, optimiser: str | None = None, precision: str | None = None,
                 weight_decay: float = 0, clip: float = 0, seed: int = 0, threads: int = 0) -> None:
        super().__init__()
        self.make("hone_trainer_new", "hone_trainer_free", native.TrainerOptions(
            native.text(model), native.text(preset), native.text(tokenizer), tokens, sequences,
            native.text(optimiser), native.text(precision), weight_decay, clip, seed, threads))

    def step(self, sequences: Sequences, lr: float, targets: Sequences | None = None) -> Learned:
        """One update from sequences of ids. `targets`: what is to follow each id, negative where it does not count;
        without them the sequence's next id."""
        flat = [i for sequence in sequences for i in sequence]
        lengths = (ctypes.c_int64 * max(len(sequences), 1))(*[len(sequence) for sequence in sequences])
        batch = native.Batch((ctypes.c_int32 * max(len(flat), 1))(*flat), None, lengths, len(sequences))
        if targets is not None:
            if [len(t) for t in targets] != list(lengths)[:len(sequences)]:
                raise ValueError("targets and sequences differ in length")
            batch.targets = (ctypes.c_int32 * max(len(flat), 1))(*[i for t in targets for i in t])
        out = native.LearnedStruct()
        self.check(library.hone_train_step(self.handle, batch, lr, out))
        return Learned(out.loss, out.norm, out.tokens)

    def fit(self, batches: Iterable[Sequences], lr: Union[float, Callable[[int], float]]) -> Iterator[Learned]:
        """A step for each batch; `lr` is a number, or a function of the step from 0."""
        for number, batch in enumerate(batches):
            yield self.step(batch, lr(number) if callable(lr) else lr)

    def save(self, folder: str, format: str = "bf16") -> None:
        """Writes a folder that Model and transformers open; format f32, bf16 or f16."""
        self.check(library.hone_trainer_save(self.handle, native.text(folder), native.text(format)))
