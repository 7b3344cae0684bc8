"""What decides over the actions of a wallet for who asks, at hand until a wallet, its policy or a client changes."""

from hyperkms.access.authority import Authority, ReadyGrant
from hyperkms.access.clients import Client
from hyperkms.access.grants import NEVER, Grant
from hyperkms.access.policy.standing import standing_authority
from hyperkms.access.policy.store import Policies
from hyperkms.access.policy.verdicts import Demand
from hyperkms.access.reservations import Lacking, Reservation, Reservations
from hyperkms.state.generation import Generation
from hyperkms.state.remembered import Remembered
from hyperkms.wallet import WalletId

BEARER = ReadyGrant("bearer", None, None, NEVER)
"""What a request without a client's signature has: no grant limits it, and the wallet's policy alone decides."""


class Authorities:
    """Authorities by wallet, client and operation."""

    def __init__(self, policies: Policies, reservations: Reservations, changes: Generation) -> None:
        self._policies = policies
        self._reservations = reservations
        self._changes = changes
        self._remembered: Remembered[tuple[str, WalletId, str], tuple[Client | None, Authority]] = Remembered(changes)

    def watch(self) -> None:
        """Remember nothing any more if changes of other processes would go unseen."""
        self._changes.watch()

    def of_bearer(self, name: str, wallet: WalletId) -> Authority:
        """The client-independent rules."""
        _, found = self._remembered.get(("", wallet, ""), lambda: (None, self._made("", wallet, (BEARER,))))
        return found._replace(client=name)

    def of_client(self, client: Client, wallet: WalletId, operation: str, grants: tuple[Grant, ...]) -> Authority:
        """Those of a client with these grants for this operation."""
        key = (client.name, wallet, operation)
        known, found = self._remembered.get(key, lambda: (client, self._of(client, wallet, grants)))
        # A client that was changed is another object; the wallets did not change, so that this is not forgotten.
        return found if known is client else self._of(client, wallet, grants)

    def _of(self, client: Client, wallet: WalletId, grants: tuple[Grant, ...]) -> Authority:
        meter_of = self._reservations.meter_of
        return self._made(client.name, wallet, tuple(ReadyGrant.of(grant, meter_of) for grant in grants))

    def _made(self, client: str, wallet: WalletId, grants: tuple[ReadyGrant, ...]) -> Authority:
        return standing_authority(self._policies, client, wallet, grants, self._reservations.meter_of)


class CountedBefore(Reservations):
    """For a digest of which a share was given already: it was counted then, and counts once."""

    def __init__(self) -> None:  # it has no meters: nothing is counted
        pass

    def reserve(self, demands: list[Demand]) -> Reservation | Lacking:  # noqa: ARG002 (nothing is taken)
        """Nothing is taken."""
        return Reservation([], 0)

    def watch(self, demands: list[Demand]) -> tuple[Reservation, Lacking | None]:  # noqa: ARG002 (as above)
        """Nothing is counted."""
        return Reservation([], 0), None

    def give_back(self, reservation: Reservation) -> None:
        """Nothing was taken."""
