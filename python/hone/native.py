"""The shared library: where it is, its structs and functions as hone/hone.h and hone/model.h declare them, and its
errors as exceptions."""

from __future__ import annotations

import ctypes
import enum
import os
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_uint64,
                    c_void_p)
from typing import Any

SOVERSION = "0.1"
ADD_SPECIAL, TRUST_SPECIAL, SHOW_SPECIAL = 1, 2, 4


class Status(enum.IntEnum):
    """The kinds of errors."""

    OK = 0
    BAD_ARGUMENT = 1
    BAD_DATA = 2
    UNSUPPORTED = 3
    NO_MEMORY = 4
    IO = 5
    BUSY = 6
    CANCELLED = 7
    BUG = 8


class Error(Exception):
    """What the library says went wrong; `status` tells the kind."""

    def __init__(self, message: str, status: Status) -> None:
        super().__init__(message)
        self.status = status


class ModelOptions(Structure):
    _fields_ = [("threads", c_int), ("context", c_int64), ("sequences", c_int64), ("kv_format", c_char_p),
                ("act", c_char_p)]


class ModelFacts(Structure):
    _fields_ = [("architecture", c_char_p), ("layers", c_int64), ("width", c_int64), ("vocabulary", c_int64),
                ("positions", c_int64), ("begin_token", c_int32), ("end_token", c_int32), ("generates", c_int),
                ("chats", c_int)]


class Message(Structure):
    _fields_ = [("role", c_char_p), ("text", c_char_p)]


class Piece(Structure):
    _fields_ = [("request", c_uint64), ("id", c_int32), ("text", c_void_p), ("text_bytes", c_int64),
                ("logprob", c_double), ("finish", c_char_p)]


Tell = CFUNCTYPE(c_int, c_void_p, POINTER(Piece))


class Request(Structure):
    _fields_ = [("prompt", POINTER(c_int32)), ("n_prompt", c_int64), ("most_tokens", c_int64),
                ("temperature", c_double), ("top_k", c_int64), ("top_p", c_double), ("min_p", c_double),
                ("repetition", c_double), ("seed", c_uint64), ("stop", POINTER(c_char_p)), ("n_stop", c_int64),
                ("logprobs", c_int), ("tell", Tell), ("user", c_void_p)]


class TrainerOptions(Structure):
    _fields_ = [("model", c_char_p), ("preset", c_char_p), ("tokenizer", c_char_p), ("tokens", c_int64),
                ("sequences", c_int64), ("optimiser", c_char_p), ("precision", c_char_p), ("weight_decay", c_double),
                ("clip", c_double), ("seed", c_uint64), ("threads", c_int)]


class Batch(Structure):
    _fields_ = [("ids", POINTER(c_int32)), ("targets", POINTER(c_int32)), ("lengths", POINTER(c_int64)),
                ("sequences", c_int64)]


class LearnedStruct(Structure):
    _fields_ = [("loss", c_double), ("norm", c_double), ("tokens", c_int64)]


_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "hone_version": (c_char_p, []),
    "hone_new": (c_void_p, []),
    "hone_free": (None, [c_void_p]),
    "hone_error": (c_char_p, [c_void_p]),
    "hone_error_status": (c_int, [c_void_p]),
    "hone_tokenizer_open": (c_void_p, [c_void_p, c_char_p]),
    "hone_tokenizer_free": (None, [c_void_p]),
    "hone_tokenizer_size": (c_int32, [c_void_p]),
    "hone_tokenize": (c_int64, [c_void_p, c_char_p, c_int64, c_int, POINTER(c_int32), c_int64]),
    "hone_detokenize": (c_int64, [c_void_p, POINTER(c_int32), c_int64, c_int, c_char_p, c_int64]),
    "hone_model_open": (c_void_p, [c_void_p, c_char_p, POINTER(ModelOptions)]),
    "hone_model_free": (None, [c_void_p]),
    "hone_model_describe": (ModelFacts, [c_void_p]),
    "hone_model_tokenizer": (c_void_p, [c_void_p]),
    "hone_chat": (c_int64, [c_void_p, POINTER(Message), c_int64, POINTER(c_int32), c_int64]),
    "hone_submit": (c_int, [c_void_p, POINTER(Request), POINTER(c_uint64)]),
    "hone_step": (c_int, [c_void_p]),
    "hone_busy": (c_int, [c_void_p]),
    "hone_cancel": (None, [c_void_p, c_uint64]),
    "hone_embed": (c_int, [c_void_p, POINTER(c_char_p), c_int64, POINTER(c_float)]),
    "hone_trainer_new": (c_void_p, [c_void_p, POINTER(TrainerOptions)]),
    "hone_trainer_free": (None, [c_void_p]),
    "hone_train_step": (c_int, [c_void_p, POINTER(Batch), c_double, POINTER(LearnedStruct)]),
    "hone_trainer_save": (c_int, [c_void_p, c_char_p, c_char_p]),
}


def _library_name() -> str:
    """HONE_LIBRARY; in the repository, what was built there; else what is installed."""
    built = os.path.join(os.path.dirname(__file__), "..", "..", "build", f"libhone.so.{SOVERSION}")
    usual = built if os.path.exists(built) else f"libhone.so.{SOVERSION}"
    return os.environ.get("HONE_LIBRARY", usual)


def _load() -> ctypes.CDLL:
    name = _library_name()
    try:
        library = ctypes.CDLL(name)
    except OSError as why:
        raise ImportError(f"{why}: install Hone (`make install`), or let HONE_LIBRARY name the file") from None
    for function, (result, arguments) in _PROTOTYPES.items():
        prototype = getattr(library, function)
        prototype.restype, prototype.argtypes = result, arguments
    found = library.hone_version().decode()
    if not found.startswith(SOVERSION + "."):
        raise ImportError(f"{name} is of version {found}; this package needs {SOVERSION}")
    return library


library = _load()


def version() -> str:
    """The library's own version."""
    return str(library.hone_version().decode())


def text(value: str | None) -> bytes | None:
    """A string as the library takes it; None stays NULL."""
    return None if value is None else os.fsencode(value)


class Context:
    """A context and one thing made in it, which is freed first."""

    def __init__(self) -> None:
        self.handle: int | None = None
        self._free: Any = None
        self._context = library.hone_new()
        if not self._context:
            raise MemoryError

    def make(self, function: str, free: str, *arguments: Any) -> None:
        self.handle = getattr(library, function)(self._context, *arguments)
        self._free = getattr(library, free)
        if not self.handle:
            error = self.error()
            self.close()
            raise error

    def error(self) -> Error:
        words = library.hone_error(self._context).decode(errors="replace")
        return Error(words, Status(library.hone_error_status(self._context)))

    def check(self, status: int) -> None:
        if status:
            raise self.error()

    def count(self, number: int) -> int:
        if number < 0:
            raise self.error()
        return number

    def close(self) -> None:
        """Gives back what the library holds; fine twice."""
        if self.handle:
            self._free(self.handle)
        if self._context:
            library.hone_free(self._context)
        self.handle = self._context = None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self.close()
