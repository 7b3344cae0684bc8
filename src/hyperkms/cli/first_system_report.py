"""What became of each wallet of the first system, for a person, for a program, and for the file that is kept."""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from hyperkms.custody.first_system.wallets import FoundWallet
from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.state.durable import sync
from hyperkms.wallet import iso_time
from hyperkms.wallet_life import WalletHistory


class Verdict(Enum):
    """What became of a wallet, or would."""

    TO_IMPORT = "to import"
    IMPORTED = "imported"
    HERE = "here already"
    IN_SHARES = "in shares"
    REFUSED = "refused"


LEFT = frozenset({Verdict.IN_SHARES, Verdict.REFUSED})
"""It is not here, and an import does not bring it."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One wallet of the first system, or a record of it that is left over."""

    name: str
    """As the first system had it."""
    verdict: Verdict
    wallet: str | None = None
    versions: Sequence[Mapping[str, Any]] = ()
    records: Sequence[str] = ()
    code: str | None = None
    words: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of them."""

    prefix: str
    at: int
    lines: Sequence[Line] = field(default_factory=list)
    others: Sequence[str] = ()
    """Records without a key that are of no wallet."""

    @property
    def is_complete(self) -> bool:
        """Nothing is left in the first system alone."""
        return all(line.verdict not in LEFT for line in self.lines)

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "prefix": self.prefix,
            "at": iso_time(self.at),
            "counts": {one.value: sum(line.verdict is one for line in self.lines) for one in Verdict},
            "wallets": [_line_view(line) for line in self.lines],
            "others": list(self.others),
        }


def found_line(found: FoundWallet, verdict: Verdict) -> Line:
    """A wallet as its records tell of it."""
    versions = [
        {
            "version": version.number,
            "state": version.state.value,
            "publicKey": None if version.recorded is None else f"0x{version.recorded.hex()}",
        }
        for version in found.versions
    ]
    return Line(name=found.id, verdict=verdict, wallet=found.id, versions=versions, records=[*sorted(found.records)])


def imported_line(found: FoundWallet, history: WalletHistory, verdict: Verdict) -> Line:
    """A wallet that is here."""
    versions = [
        {"version": version.number, "state": version.state.value, "publicKey": version.public_key_text}
        for version in history.versions
    ]
    return Line(
        name=found.id,
        verdict=verdict,
        wallet=history.wallet.id,
        versions=versions,
        records=[*sorted(found.records)],
    )


def refused_line(name: str, error: HyperkmsError) -> Line:
    """What cannot be imported, and why."""
    verdict = Verdict.IN_SHARES if error.code == "first-system-in-shares" else Verdict.REFUSED
    return Line(name=name, verdict=verdict, code=error.code, words=error.message)


def write_report(path: Path, report: Report) -> None:
    """Put it in the place of the one before, of mode 0600, complete and durable; it has no secret in it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.draft")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(report.view(), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync(path.absolute().parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Unavailable("report-not-written", f"the report {path} cannot be written: {error.strerror}") from error


def _line_view(line: Line) -> dict[str, Any]:
    told = {
        "name": line.name,
        "verdict": line.verdict.value,
        "walletId": line.wallet,
        "versions": list(line.versions),
        "records": list(line.records),
        "code": line.code,
        "reason": line.words,
    }
    return {name: value for name, value in told.items() if value not in (None, [])}
