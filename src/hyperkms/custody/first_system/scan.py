"""Everything that the first system has, sorted: wallets, what is wrong with others, and what is no wallet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hyperkms.custody.first_system.names import OWN, told_by
from hyperkms.custody.first_system.records import has_key, says_who
from hyperkms.custody.first_system.store import FirstSystem
from hyperkms.custody.first_system.wallets import FoundWallet, find_wallet
from hyperkms.errors import HyperkmsError, NotFound, Tampered, Unavailable


@dataclass(frozen=True)
class Wrong:
    """A wallet, or a record, that cannot be imported as it stands."""

    name: str
    """Of the wallet, or of the record if that tells of none."""
    error: HyperkmsError


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What there is; each in order of name."""

    found: Sequence[FoundWallet]
    wrong: Sequence[Wrong]
    others: Sequence[str]
    """Records without a private key that no wallet is made of."""


def scan(first: FirstSystem, names: Sequence[str], *, now: int, progress: Callable[[], None]) -> Scan:
    """Read every record; `progress` is called once for each name.

    1. Wallets that a name tells of.  2. Wallets that only a record tells of, from before there were versions.
    3. Records with a key that no wallet accounts for: they are named, so that no key is left behind unseen.
    """
    listed = sorted(name for name in names if not name.startswith(OWN))
    sorting = _Sorting(first, now)
    for wallet in sorted({told for name in listed if (told := told_by(name))}):  # (1)
        sorting.look_for(wallet)
    for name in listed:  # (2) (3)
        progress()
        sorting.account_for(name)
    return sorting.outcome()


class _Sorting:
    """What is known so far."""

    def __init__(self, first: FirstSystem, now: int) -> None:
        self._first = first
        self._now = now
        self._found: dict[str, FoundWallet] = {}
        self._wrong: dict[str, HyperkmsError] = {}
        self._used: set[str] = set()
        self._others: list[str] = []

    def look_for(self, wallet: str) -> None:
        """Find the wallet, or what is wrong with it, once."""
        if self._is_known(wallet):
            return
        try:
            found = find_wallet(self._first, wallet, now=self._now)
        except NotFound:
            return
        except Unavailable:
            raise
        except HyperkmsError as error:
            self._wrong[wallet] = error
            return
        self._found[wallet] = found
        self._used |= found.records

    def account_for(self, name: str) -> None:
        """See that the record is of a wallet, if it has a key."""
        if name in self._used or told_by(name) in self._wrong:
            return
        text = self._first.read(name)
        if text is None:  # it was removed since
            return
        who = says_who(name, text)
        if not has_key(name, text):
            if who is None or not self._is_known(who):
                self._others.append(name)
            return
        if who is not None:
            self.look_for(who)
        if name not in self._used and who not in self._wrong:
            words = f"the record {name} of the first system has a key, and no wallet that it names accounts for it"
            self._wrong[name] = Tampered("first-system-record-left", words)

    def outcome(self) -> Scan:
        """All of it."""
        return Scan(
            found=[self._found[wallet] for wallet in sorted(self._found)],
            wrong=[Wrong(name, self._wrong[name]) for name in sorted(self._wrong)],
            others=self._others,
        )

    def _is_known(self, wallet: str) -> bool:
        return wallet in self._found or wallet in self._wrong


class Kept:
    """The same first system, each of whose records is read once: a scan looks at most of them twice."""

    def __init__(self, first: FirstSystem) -> None:
        self._first = first
        self._texts: dict[str, str | None] = {}
        self.names = first.names
        self.public_key = first.public_key
        self.seal = first.seal
        self.copy_share = first.copy_share

    def read(self, name: str) -> str | None:
        """As the first system has it, or had it when it was first asked."""
        if name not in self._texts:
            self._texts[name] = self._first.read(name)
        return self._texts[name]
