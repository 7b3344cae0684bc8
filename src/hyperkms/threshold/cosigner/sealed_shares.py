"""Where sealed shares are: in their rows of the database, or in secrets elsewhere that the rows name.

The row alone says that a share counts, and how far it has come. A secret is made once and never changed: a share that
is sealed anew is in another one. It is made before a row names it, and destroyed after none does any more, never the
other way round; what is cut off in between is found by its note (`state/share_secrets.py`).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Protocol, TypeVar

from hyperkms.custody.aws.last_fault import LastFault
from hyperkms.custody.key_store import NamedStore
from hyperkms.errors import NotFound, Refused, Tampered, Unavailable
from hyperkms.state.share_rows import ShareRow
from hyperkms.state.share_secrets import ShareSecret, ShareSecrets
from hyperkms.wallet import WalletId

LATE_MS = 60_000
"""So long after its note a call that was cut off may still make a secret: what is destroyed before is not forgotten."""
MOST_CALLS = 4
"""At a time: half of the threads that answer, so that a store that hangs leaves room for signing with open shares."""
ROOM_S = 0.5
"""How long the next one waits for room."""

T = TypeVar("T")


class SealedShares(Protocol):
    """The bytes of sealed shares. Unavailable where the place is away, Withdrawn where it says no."""

    def stored(self, row: ShareRow) -> AbstractContextManager[ShareRow]:
        """Store what the row has sealed; within the block the row as the database takes it, which names what is stored.

        What no row names at the end of the block is destroyed by `sweep`.
        """

    def read(self, row: ShareRow) -> bytes:
        """What was stored, byte for byte; Refused for a share that is destroyed, Tampered for one gone or changed."""

    def destroy_unnamed(self, wallet: WalletId, version: int) -> None:
        """Nothing is left of a version but what its rows name; Unavailable where it cannot be, which `sweep` mends."""

    def sweep(self) -> None:
        """The same of all, but for what may be under way still."""


class SharesInRows:
    """Sealed shares in the database itself: they go with their rows."""

    @contextmanager
    def stored(self, row: ShareRow) -> Iterator[ShareRow]:
        """The row itself."""
        yield row

    def read(self, row: ShareRow) -> bytes:
        """What the row has."""
        if row.sealed is None:
            raise share_destroyed(row)
        return row.sealed

    def destroy_unnamed(self, wallet: WalletId, version: int) -> None:
        """There is none."""

    def sweep(self) -> None:
        """There is nothing."""


class SharesInSecrets:
    """Sealed shares elsewhere: `<identity key>/<wallet>/v<version>/e<epoch>/<SHA-256 of what is sealed>/<piece>`.

    One of a secp256k1 key is in as many pieces as the store needs, one after another from 1 on. Whoever changes a
    secret is found out by its name, before any root key is asked. Where the store hangs it takes some of the threads
    that sign with open shares, and never all: few calls are made at a time, and none for a second after an outage.
    """

    def __init__(self, store: NamedStore, secrets: ShareSecrets, identity: bytes, clock: Callable[[], int]) -> None:
        """`identity` is the cosigner's public key: no other one has its names. The clock is in milliseconds."""
        self._store = store
        self._secrets = secrets
        self._identity = identity
        self._clock = clock
        self._last = LastFault("secrets-unavailable")
        self._room = threading.BoundedSemaphore(MOST_CALLS)
        self._changing = threading.Lock()
        self._making: set[bytes] = set()

    @contextmanager
    def stored(self, row: ShareRow) -> Iterator[ShareRow]:
        """Note it, make the secrets, and within the block the row that names them."""
        if row.sealed is None:
            raise share_destroyed(row)
        size = self._store.largest
        pieces = [row.sealed[place : place + size] for place in range(0, len(row.sealed), size)]
        secret = ShareSecret(
            digest=sha256(row.sealed).digest(),
            wallet=row.wallet,
            version=row.version,
            epoch=row.epoch,
            pieces=len(pieces),
            noted_at=self._clock(),
        )
        with self._made(secret.digest):
            self._secrets.note(secret)
            for name, piece in zip(self._names(secret), pieces, strict=True):
                self._asked(partial(self._store.create, name, piece))
            yield replace(row, sealed=None, secret=secret.digest)

    def read(self, row: ShareRow) -> bytes:
        """What is in the secrets that the row names."""
        if row.secret is None:
            raise share_destroyed(row)
        place = f"wallet {row.wallet}, version {row.version}, epoch {row.epoch}"
        try:
            sealed = self._joined(row, row.secret)
        except NotFound as gone:
            words = f"{place}: the sealed share is gone, and this cosigner has not destroyed it: {gone.message}"
            raise Tampered("share-missing", words) from gone
        if sha256(sealed).digest() != row.secret:
            words = f"{place}: the secrets of the sealed share have other bytes than those that were stored"
            raise Tampered("share-tampered", words)
        return sealed

    def destroy_unnamed(self, wallet: WalletId, version: int) -> None:
        """Each secret of the version that was noted and that no row names."""
        try:
            self._destroy(self._secrets.unnamed(wallet, version))
        except Unavailable as fault:
            words = f"wallet {wallet}, version {version}: sealed shares that sign nothing more could not be destroyed"
            more = "yet; while the cosigner runs that is tried again every few seconds"
            raise type(fault)(fault.code, f"{words} {more}: {fault.message}", fault.details) from fault

    def sweep(self) -> None:
        """Each that was noted long enough ago."""
        before = self._clock() - LATE_MS
        self._destroy([secret for secret in self._secrets.unnamed() if secret.noted_at <= before])

    def _destroy(self, unnamed: Sequence[ShareSecret]) -> None:
        """Those of them that are under way nowhere.

        What was noted when they were looked for, is not under way after that and is still not named never will be.
        """
        with self._changing:
            making = frozenset(self._making)
        for secret in unnamed:
            if secret.digest in making or not self._secrets.is_unnamed(secret):
                continue
            for name in self._names(secret):
                self._asked(partial(self._store.delete, name))
            if secret.noted_at <= self._clock() - LATE_MS:
                self._secrets.forget(secret)

    @contextmanager
    def _made(self, digest: bytes) -> Iterator[None]:
        with self._changing:
            self._making.add(digest)
        try:
            yield
        finally:
            with self._changing:
                self._making.discard(digest)

    def _asked(self, call: Callable[[], T]) -> T:
        self._last.require_no_outage()
        if not self._room.acquire(timeout=ROOM_S):
            words = f"{MOST_CALLS} calls of the store of sealed shares are under way, and none has an answer"
            raise Unavailable("secrets-unavailable", f"{words}: it hangs, or is slow")
        try:
            answer = call()
        except Unavailable as fault:
            self._last.note(fault)
            raise
        finally:
            self._room.release()
        self._last.note(None)
        return answer

    def _joined(self, row: ShareRow, digest: bytes) -> bytes:
        """The pieces of what was noted; of another place than the row's there is none."""
        secret = self._secrets.find(digest)
        if secret is None or (secret.wallet, secret.version, secret.epoch) != (row.wallet, row.version, row.epoch):
            raise NotFound("sealed-key-not-found", "none was noted")
        return b"".join(self._asked(partial(self._store.get, name)) for name in self._names(secret))

    def _names(self, secret: ShareSecret) -> Sequence[str]:
        return secret_names(self._identity, secret)


def secret_names(identity: bytes, secret: ShareSecret) -> Sequence[str]:
    """Of each piece. A slash is in no wallet id: no two places share a name."""
    place = f"{identity.hex()}/{secret.wallet}/v{secret.version}/e{secret.epoch}"
    return [f"{place}/{secret.digest.hex()}/{piece}" for piece in range(1, secret.pieces + 1)]


def share_destroyed(row: ShareRow) -> Refused:
    """The refusal of a share that is retired."""
    words = f"wallet {row.wallet}, version {row.version}, epoch {row.epoch}: the share is retired and destroyed"
    return Refused("share-retired", f"{words}; it never signs again")
