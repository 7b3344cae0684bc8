"""An import of the first system, wallet by wallet: what is wrong with one keeps no other from coming."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from hyperkms.cli.first_system_report import Line, Report, Verdict, found_line, imported_line, refused_line
from hyperkms.cli.operator import actor
from hyperkms.custody.first_system.scan import Kept, Scan, Wrong, scan
from hyperkms.custody.first_system.store import FirstSystem
from hyperkms.custody.first_system.wallets import FoundWallet, find_wallet
from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.operations.generate import check_metadata
from hyperkms.operations.import_first_system import check_first_system, import_first_system, require_same, standing
from hyperkms.operations.parts import Parts

_OF_ONE = frozenset({"kms-access-denied", "secrets-access-denied"})
"""What is denied for one record may be given for the others; what is away is away for all."""


class Bar(Protocol):
    """Shows how far it is."""

    def update(self, steps: int, /) -> None:
        """So many are done."""


OpenBar = Callable[[int, str], AbstractContextManager[Bar]]


def found_in(first: FirstSystem, only: Sequence[str], *, now: int, bar: OpenBar) -> Scan:
    """What there is: everything that is listed, or the wallets that are named, which need not be listed."""
    kept = Kept(first)
    if not only:
        names = list(first.names())
        with bar(len(names), "reading") as shown:
            return scan(kept, names, now=now, progress=lambda: shown.update(1))
    found: list[FoundWallet] = []
    wrong: list[Wrong] = []
    for name in dict.fromkeys(only):
        try:
            found.append(find_wallet(kept, name, now=now))
        except HyperkmsError as error:
            _require_of_one(error)
            wrong.append(Wrong(name, error))
    return Scan(found=found, wrong=wrong, others=[])


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was found, and where."""

    first: FirstSystem
    found: Scan
    prefix: str
    now: int

    def apply(self, parts: Parts, bar: OpenBar) -> Report:
        """Import each; one that is refused leaves nothing of itself here."""
        return self._each(lambda found: _apply(parts, self.first, found), bar, "importing")

    def look(self, parts: Parts | None, bar: OpenBar, *, checks: bool) -> Report:
        """Say what `apply` would do; `checks`: have each key decrypted for it."""
        label = "checking" if checks else "looking"
        return self._each(lambda found: _look(parts, self.first, found, checks=checks), bar, label)

    def _each(self, work: Callable[[FoundWallet], Line], bar: OpenBar, label: str) -> Report:
        lines = [refused_line(one.name, one.error) for one in self.found.wrong]
        with bar(len(self.found.found), label) as shown:
            for found in self.found.found:
                try:
                    lines.append(work(found))
                except HyperkmsError as error:
                    _require_of_one(error)
                    lines.append(refused_line(found.id, error))
                shown.update(1)
        lines.sort(key=lambda line: line.name)
        return Report(prefix=self.prefix, at=self.now, lines=lines, others=self.found.others)


def _apply(parts: Parts, first: FirstSystem, found: FoundWallet) -> Line:
    imported = import_first_system(parts, actor(), first, found)
    return imported_line(found, imported.history, Verdict.IMPORTED if imported.is_new else Verdict.HERE)


def _look(parts: Parts | None, first: FirstSystem, found: FoundWallet, *, checks: bool) -> Line:
    here = None if parts is None else standing(parts, found)
    if here is not None:
        if checks:
            require_same(first, here, found)
        return imported_line(found, here, Verdict.HERE)
    check_metadata(found.metadata)
    if parts is not None:
        for version in found.versions:
            if version.recorded is not None:
                parts.wallets.require_new_key(found.id, version.recorded)
    if checks:
        check_first_system(first, found)
    return found_line(found, Verdict.TO_IMPORT)


def _require_of_one(error: HyperkmsError) -> None:
    if isinstance(error, Unavailable) and error.code not in _OF_ONE:
        raise error
