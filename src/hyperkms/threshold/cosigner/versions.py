"""Which version of a wallet signs: decided here, by what clients asked for and this cosigner's own clock."""

from hyperkms.errors import Refused
from hyperkms.state.generation import Generation
from hyperkms.state.remembered import Remembered
from hyperkms.state.share_rows import ShareRow
from hyperkms.state.wallets import WalletRecords
from hyperkms.threshold.cosigner.asked import AskedFor
from hyperkms.wallet import VersionState, WalletId
from hyperkms.wallet_life import WalletHistory, is_admitted, require_live, require_signing

OVERLAP_MS = 60_000
"""So long after another version became the current one a request that names none may be for the one before: it, or its
service, knew no better when it was sent."""


class Versions:
    """The versions of each wallet, at hand until a wallet changes."""

    def __init__(self, wallets: WalletRecords, changes: Generation) -> None:
        self._wallets = wallets
        self._remembered: Remembered[WalletId, WalletHistory] = Remembered(changes)

    def require(self, row: ShareRow, asked: AskedFor | None, now: int) -> None:
        """Refused unless this version signs now, and is the one that the client's request means.

        A pending version does not sign before it is admitted, nor one whose grace is over. Where the request names
        none, the current one is meant, or an admitted one, whichever the service has current; without a client's
        request there is only the coordinator's word for it.
        """
        history = self._remembered.get(row.wallet, lambda: self._wallets.history(row.wallet))
        version = history.version(row.version)
        if is_admitted(version):
            require_live(history.wallet)
            return
        require_signing(history.wallet, version, now=now)
        if asked is None or asked.version is not None or version.state is VersionState.ACTIVE:
            return
        current = history.wallet.current
        if current.activated_at is None or now >= current.activated_at + OVERLAP_MS:
            words = f"the client's request names no version, and {current.number} is the current one of wallet"
            raise Refused("version-not-current", f"{words} {row.wallet}; this would be signed with {row.version}")
