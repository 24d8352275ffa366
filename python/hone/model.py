"""Tokenizers and models."""

from __future__ import annotations

import ctypes
from array import array
from collections import deque
from typing import Callable, Iterator, Mapping, Sequence, Union

from . import native
from .native import Context, library

Prompt = Union[str, Sequence[int]]
Messages = Sequence[Mapping[str, str]]


def _ids(ids: Sequence[int]) -> "ctypes.Array[ctypes.c_int32]":
    return (ctypes.c_int32 * max(len(ids), 1))(*ids)


def _collect(count: Callable[["ctypes.Array[ctypes.c_int32]", int], int], guess: int) -> list[int]:
    """Asks once, and again with room for all where the guess was too small."""
    room = guess
    while True:
        out = (ctypes.c_int32 * max(room, 1))()
        found = count(out, room)
        if found <= room:
            return out[:found]
        room = found


class Tokenizer:
    """Text to ids and back, as the model's own tokenizer does it."""

    def __init__(self, path: str, *, _model: "Model | None" = None) -> None:
        self._context: Context = _model if _model else Context()
        if _model:
            self._handle = library.hone_model_tokenizer(_model.handle)
        else:
            self._context.make("hone_tokenizer_open", "hone_tokenizer_free", native.text(path))
            self._handle = self._context.handle

    def __len__(self) -> int:
        return int(library.hone_tokenizer_size(self._handle))

    def encode(self, text: str | bytes, *, add_special: bool = False, trust_special: bool = False) -> list[int]:
        """add_special puts the ids that begin and end a sequence around it; trust_special takes text that reads like
        a special token for that token."""
        data = text.encode() if isinstance(text, str) else text
        flags = add_special * native.ADD_SPECIAL | trust_special * native.TRUST_SPECIAL
        count = self._context.count
        return _collect(lambda out, room: count(
            library.hone_tokenize(self._handle, data, len(data), flags, out, room)), len(data) + 2)

    def decode_bytes(self, ids: Sequence[int], *, show_special: bool = False) -> bytes:
        given, room, flags = _ids(ids), 16 * len(ids) + 1, show_special * native.SHOW_SPECIAL
        while True:
            out = ctypes.create_string_buffer(room)
            found = self._context.count(library.hone_detokenize(self._handle, given, len(ids), flags, out, room))
            if found <= room:
                return out.raw[:found]
            room = found

    def decode(self, ids: Sequence[int], *, show_special: bool = False) -> str:
        return self.decode_bytes(ids, show_special=show_special).decode(errors="replace")


class Generation(Iterator[str]):
    """A request that runs: its text in pieces, as it comes. Several may run side by side; stepping one moves all."""

    def __init__(self, model: "Model", request: native.Request) -> None:
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.finish: str | None = None
        self._model = model
        self._pieces: deque[str] = deque()
        self._tell = native.Tell(self._hear)
        request.tell = self._tell
        number = ctypes.c_uint64()
        model.check(library.hone_submit(model.handle, request, number))
        self._number = number.value
        model._running[self._number] = self

    def _hear(self, _user: object, at: "ctypes._Pointer[native.Piece]") -> int:
        piece = at.contents
        if piece.id >= 0:
            self.ids.append(piece.id)
            self.logprobs.append(piece.logprob)
        if piece.text_bytes:
            self._pieces.append(ctypes.string_at(piece.text, piece.text_bytes).decode(errors="replace"))
        if piece.finish:
            self.finish = piece.finish.decode()
            self._model._over.append(self._number)
        return 0

    def __next__(self) -> str:
        while not self._pieces:
            if self.finish or not self._model.handle:
                raise StopIteration
            self._model._step()
        return self._pieces.popleft()

    def text(self) -> str:
        """All that is still to come."""
        return "".join(self)

    def close(self) -> None:
        """Ends it; what else runs goes on."""
        if not self.finish and self._model.handle:
            library.hone_cancel(self._model.handle, self._number)


class Model(Context):
    """A model's folder as Hugging Face writes it, or a GGUF file. Weights are loaded by what first needs them."""

    def __init__(self, path: str, *, threads: int = 0, context: int = 0, sequences: int = 0,
                 kv_format: str | None = None, act: str | None = None) -> None:
        super().__init__()
        self._running: dict[int, Generation] = {}
        self._over: list[int] = []
        options = native.ModelOptions(threads, context, sequences, native.text(kv_format), native.text(act))
        self.make("hone_model_open", "hone_model_free", native.text(path), options)
        facts = library.hone_model_describe(self.handle)
        self.architecture: str = facts.architecture.decode()
        self.layers: int = facts.layers
        self.width: int = facts.width
        self.vocabulary: int = facts.vocabulary
        self.positions: int = facts.positions
        self.begin_token: int = facts.begin_token
        self.end_token: int = facts.end_token
        self.generates = bool(facts.generates)
        self.chats = bool(facts.chats)
        self.tokenizer = Tokenizer(path, _model=self)

    def _step(self) -> None:
        self.check(library.hone_step(self.handle))
        for number in self._over:
            self._running.pop(number, None)
        self._over.clear()

    def generate(self, prompt: Prompt, *, max_tokens: int = 0, temperature: float = 0, top_k: int = 0,
                 top_p: float = 0, min_p: float = 0, repetition: float = 0, seed: int = 0,
                 stop: Sequence[str] = (), logprobs: bool = False) -> Generation:
        """Continues a text, or ids. Temperature 0 takes the most likely token each time; max_tokens 0 goes on as long
        as the context has room."""
        ids = self.tokenizer.encode(prompt, add_special=True) if isinstance(prompt, str) else prompt
        given, stops = _ids(ids), (ctypes.c_char_p * max(len(stop), 1))(*[s.encode() for s in stop])
        return Generation(self, native.Request(
            prompt=given, n_prompt=len(ids), most_tokens=max_tokens, temperature=temperature, top_k=top_k,
            top_p=top_p, min_p=min_p, repetition=repetition, seed=seed, stop=stops, n_stop=len(stop),
            logprobs=logprobs))

    def chat_ids(self, messages: Messages) -> list[int]:
        """A conversation, [{"role": "user", "content": "..."}, ...], by the model's own template."""
        given = (native.Message * max(len(messages), 1))(
            *[native.Message(m["role"].encode(), m["content"].encode()) for m in messages])
        guess = 64 + sum(len(m["content"]) + 16 for m in messages)
        return _collect(lambda out, room: self.count(
            library.hone_chat(self.handle, given, len(messages), out, room)), guess)

    def chat(self, messages: Messages, **options: object) -> Generation:
        """The answer to a conversation; options as of generate."""
        return self.generate(self.chat_ids(messages), **options)  # type: ignore[arg-type]

    def embed(self, texts: Sequence[str]) -> "list[array[float]]":
        """A vector for each text, as an array of floats; numpy.asarray takes it without copying."""
        given = (ctypes.c_char_p * max(len(texts), 1))(*[text.encode() for text in texts])
        out = (ctypes.c_float * max(len(texts) * self.width, 1))()
        self.check(library.hone_embed(self.handle, given, len(texts), out))
        return [array("f", out[i * self.width:(i + 1) * self.width]) for i in range(len(texts))]
