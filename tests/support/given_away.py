"""Everything that can be had of what a function gives back, in bytes that can be searched for secrets."""

import copy
import ctypes
import gc
import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperkms.errors import HyperkmsError


@dataclass
class Seen:
    """Everything that came out, by where it came from, in bytes to be searched."""

    contents: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, where: str, value: object) -> None:
        """Take a value with all that can be had of it."""
        if isinstance(value, tuple | list):
            for member in value:
                self.add(where, member)
            return
        if isinstance(value, BaseException):
            self._add_error(where, value)
            return
        self.contents.append((where, value if isinstance(value, bytes) else repr(value).encode()))
        if not isinstance(value, bytes | str | int | None):
            self._add_object(where, value)

    def _add_object(self, where: str, value: object) -> None:
        for ask in PROBES:
            try:
                self.contents.append((f"{where}: {ask.__name__}", _as_bytes(ask(value))))
            except Exception as error:  # noqa: BLE001 (whatever is raised is searched too)
                self._add_error(f"{where}: {ask.__name__}", error)
        for name in dir(value):
            attribute = getattr(value, name)
            self.contents.append((f"{where}.{name}", _as_bytes(attribute)))

    def _add_error(self, where: str, error: BaseException) -> None:
        texts = [str(error), repr(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)]
        self.contents.append((f"{where}: {type(error).__name__}", "\n".join(texts).encode()))


def the_memory_of_the_object(value: object) -> bytes:
    return ctypes.string_at(id(value), sys.getsizeof(value))


def what_it_refers_to(value: object) -> list[object]:
    return [referent for referent in gc.get_referents(value) if not isinstance(referent, type)]


def every_pickle(value: object) -> list[bytes]:
    return [pickle.dumps(value, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]


PROBES: tuple[Callable[[Any], object], ...] = (
    str,
    format,
    bytes,
    memoryview,
    iter,
    vars,
    hash,
    int,
    list,
    sys.getsizeof,
    copy.copy,
    copy.deepcopy,
    every_pickle,
    the_memory_of_the_object,
    what_it_refers_to,
)


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()


def private_file(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def attempt(ask: Callable[..., object], *arguments: object) -> object:
    """What it answers, or the error that it raises."""
    try:
        return ask(*arguments)
    except (HyperkmsError, TypeError, ValueError, OverflowError) as error:
        return error
