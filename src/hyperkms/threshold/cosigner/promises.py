"""What this cosigner has given shares for: one digest a nonce of a signer, a request of a client, and an approval.

The same digest again is allowed, since another quorum may have to make the same signature; another digest never is. The
memory is made again at start from the cosigner's own record, in which every line was durable before its share left.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hyperkms.access.approvals import MOST_AHEAD_MS
from hyperkms.errors import Conflict, Malformed, Unavailable
from hyperkms.state.approval_use import Use
from hyperkms.state.peer_heads import Fence

WINDOW_PAST_MS = 2 * 24 * 3600 * 1000
WINDOW_FUTURE_MS = 24 * 3600 * 1000
"""The exchange takes nonces from 2 days back to 1 day ahead."""
KEPT_MS = WINDOW_PAST_MS + WINDOW_FUTURE_MS
"""A line so old is of a nonce that nobody takes any more."""
REQUEST_KEPT_MS = 300_000
"""Longer than a signed request can be in time and a session of it can last, with room for a clock that is set."""
MOST_BACK_MS = 5_000
"""How far the clock may be behind the latest time that it has shown: more is a clock that was set back."""
MOST = 2_000_000
_TIDY_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A digest, and what it is the only one for."""

    digest: bytes
    address: str | None
    """The signer; None for what has no nonce."""
    nonce: int
    request: str | None
    """The signature of the client's request; None without one."""
    position: int
    approvals: tuple[Use, ...] = ()
    """Each of them permits this digest alone."""


class Promises:
    """Every promise that still counts."""

    def __init__(
        self, clock: Callable[[], int], earlier: Iterable[tuple[int, Promise]] = (), fence: Fence | None = None
    ) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._nonces: dict[tuple[str, int], bytes] = {}
        self._requests: dict[tuple[str, int], tuple[bytes, int]] = {}
        self._approvals: dict[tuple[str, str], tuple[bytes, int]] = {}
        self.approvals_from = 0 if fence is None else fence.at + MOST_AHEAD_MS
        """Approvals that were made up to then may have been used before an `mpc fence`."""
        self._resumes = 0 if fence is None else fence.at + REQUEST_KEPT_MS
        self._forgotten = 0 if fence is None else fence.at + WINDOW_FUTURE_MS
        self._tidied = clock()
        self._latest = 0
        for time, promise in earlier:
            self._note(promise, time)
            if fence is None or not fence.at < time <= fence.newest:
                self._latest = max(self._latest, time)
        self._tidy(clock())

    def require(self, promise: Promise) -> None:
        """Conflict if another digest was signed for nonce, request or approval; Malformed outside the nonce window."""
        with self._turn:
            self._require(promise)

    def is_known(self, promise: Promise) -> bool:
        """Whether a share was given for this very digest with this nonce."""
        with self._turn:
            return promise.address is not None and self._nonces.get((promise.address, promise.nonce)) == promise.digest

    def was_used(self, key: str, id_: str, digest: bytes) -> bool:
        """Whether a share was given for another digest with this approval."""
        with self._turn:
            return self._approvals.get((key, id_), (digest, 0))[0] != digest

    def claim(self, promise: Promise) -> bool:
        """The same as `require`, and from now on it is the only one; False if a share of it was claimed before."""
        now = self._clock()
        with self._turn:
            if now - self._tidied >= _TIDY_MS:
                self._tidy(now)
            self._require(promise)
            if len(self._nonces) + len(self._requests) + len(self._approvals) >= MOST:
                words = f"{MOST} nonces are remembered, and no further one can be: it would be signed unremembered"
                raise Unavailable("nonce-memory-full", words)
            is_new = promise.address is None or (promise.address, promise.nonce) not in self._nonces
            self._note(promise, now)
        return is_new

    def _require(self, promise: Promise) -> None:
        self._require_clock(self._clock())
        if promise.address is not None:
            self._require_nonce(promise.address, promise.nonce, promise.digest)
        if promise.request is not None:
            known = self._requests.get((promise.request, promise.position))
            if known is not None and known[0] != promise.digest:
                words = "this signed request was used for something else: one request signs one thing"
                raise Conflict("request-used", words)
        for use in promise.approvals:
            self._require_approval(use, promise.digest)

    def _require_approval(self, use: Use, digest: bytes) -> None:
        """Conflict also for one that has ended meanwhile: what is remembered of it is not kept longer."""
        known = self._approvals.get((use.key, use.id))
        if known is not None and known[0] != digest:
            words = f"the approval by key {use.key} was used for another action: one approval, one signature"
            raise Conflict("approval-used", words)
        if use.until <= self._clock():
            raise Conflict("approval-used", f"the approval by key {use.key} ended while this waited to be signed")

    def _require_clock(self, now: int) -> None:
        """Unavailable where the clock was set back: what was let go of because of its time could come again."""
        if now < self._latest - MOST_BACK_MS:
            words = f"the clock here is {self._latest - now} ms behind a time that it has shown before: set it right"
            raise Unavailable("clock-behind", f"{words}; if it was ahead before, wait, or replace this cosigner")
        if now < self._resumes:
            words = f"requests that were signed before `mpc fence` could come again for {self._resumes - now} ms more"
            raise Unavailable("record-fenced", f"{words}; nothing is signed here until then")
        self._latest = max(self._latest, now)

    def _require_nonce(self, address: str, nonce: int, digest: bytes) -> None:
        now = self._clock()
        if not now - WINDOW_PAST_MS < nonce < now + WINDOW_FUTURE_MS:
            words = f"{nonce} is outside the exchange's window of 2 days back to 1 day ahead of now, {now}"
            raise Malformed.at("nonce", words, "nonce-outside-window")
        if nonce <= self._forgotten:
            words = f"nonce {nonce} is so old, or of before an `mpc fence`, that its use is no longer remembered"
            raise Conflict("nonce-forgotten", words)
        if self._nonces.get((address, nonce), digest) != digest:
            words = f"signer {address} has signed something else with nonce {nonce}: a nonce is for one action"
            raise Conflict("nonce-signed", words)

    def _note(self, promise: Promise, time: int) -> None:
        if promise.address is not None:
            self._nonces[promise.address, promise.nonce] = promise.digest
        if promise.request is not None:
            self._requests[promise.request, promise.position] = promise.digest, time + REQUEST_KEPT_MS
        for use in promise.approvals:
            self._approvals[use.key, use.id] = promise.digest, use.until + MOST_BACK_MS

    def _tidy(self, now: int) -> None:
        """Let go of what cannot come again; a nonce that is let go of is refused, should the clock go back."""
        self._tidied = now
        self._forgotten = max(self._forgotten, now - WINDOW_PAST_MS)
        self._nonces = {place: digest for place, digest in self._nonces.items() if place[1] > self._forgotten}
        self._requests = {place: known for place, known in self._requests.items() if known[1] > now}
        self._approvals = {place: known for place, known in self._approvals.items() if known[1] > now}
