"""What the desks have in common: each stands at a running service or at its data directory, and answers the same."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from hyperkms.cli.remote import Remote
from hyperkms.cli.target import Target
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.mode import Kind

if TYPE_CHECKING:
    from hyperkms.operations.parts import Parts

View: TypeAlias = dict[str, Any]
"""An answer as JSON."""
Desk = TypeVar("Desk")


@contextmanager
def desk_at(
    target: Target,
    at_service: Callable[[Remote], Desk],
    at_directory: "Callable[[Parts], Desk]",
    directory: "Callable[[], AbstractContextManager[Parts]] | None" = None,
) -> Iterator[Desk]:
    """The desk of the service or directory that the options and settings name, closed at the end.

    `directory` opens another one than that which is there.
    """
    remote = target.remote()
    if remote:
        try:
            yield at_service(remote)
        finally:
            remote.close()
        return
    with directory() if directory else opened(target.settings(), create=False) as parts:
        yield at_directory(parts)


@contextmanager
def opened(config: Config, *, create: bool, kind: Kind | None = None) -> "Iterator[Parts]":
    """The parts of a data directory, closed at the end; of either kind, unless it is said."""
    from hyperkms.cli.assemble import assemble  # noqa: PLC0415 (half a second, for who opens a directory alone)

    parts = assemble(config, create=create, warn=tell_operator, kind=kind)
    try:
        yield parts
    finally:
        parts.close()


def built(answer: msgspec.Struct) -> View:
    """The JSON that the service would send."""
    view: View = msgspec.json.decode(msgspec.json.encode(answer))
    return view
