"""Which nonces the exchange takes. Nonces are milliseconds since 1970.

Source: the exchange's page on nonces and API wallets. It keeps the 100 highest nonces of each signer; a new
one must be unused and larger than the smallest kept, and within two days before and one day after the
clock. The page does not exempt a set with fewer than 100 nonces, so neither does this: the first nonce of a
fresh signer is a floor for all later ones.
"""

from dataclasses import dataclass

from hyperkms.sandbox.refusals import Refused

KEPT = 100
DAY_MS = 86_400_000


@dataclass(frozen=True)
class NonceSet:
    """The nonces kept for one signer, ascending, at most `KEPT`."""

    kept: tuple[int, ...] = ()

    def with_nonce(self, nonce: int) -> "NonceSet":
        """Return the set after `nonce` was used, or raise `Refused`: a duplicate, or below the smallest."""
        if nonce in self.kept:
            raise Refused(f"Invalid nonce: duplicate nonce {nonce}")
        if self.kept and nonce < self.kept[0]:
            raise Refused(f"Invalid nonce: nonce too low {nonce} < {self.kept[0]}")
        return NonceSet(tuple(sorted((*self.kept, nonce))[-KEPT:]))


def check_nonce_window(nonce: int, *, now_ms: int) -> None:
    """Refuse a nonce outside the open interval (now - 2 days, now + 1 day)."""
    earliest, latest = now_ms - 2 * DAY_MS, now_ms + DAY_MS
    if not earliest < nonce < latest:
        raise Refused(
            f"Invalid nonce: {nonce} is not within 2 days before and 1 day after the exchange's time {now_ms}"
        )
