"""Who wants a key made, used, made anew or destroyed: a client by its signed request, and no coordinator alone.

Where a bearer key is evidence enough to sign with a wallet, it is for this too: in development, and in production where
this cosigner was told so for the wallet.
"""

from collections.abc import Callable
from hashlib import sha256

from hyperkms.access.clients import Operation
from hyperkms.errors import Refused
from hyperkms.threshold.cosigner.asked_changes import AskedChange, asked_change
from hyperkms.threshold.cosigner.evidence import MOST_POSITION, named, request_of, require_bearer_allowed, verified
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.promises import Promise
from hyperkms.threshold.wire import Asker, SignedRequest


def require_mandate(
    cosigner: Cosigner, place: Place, asker: Asker, *operations: Operation, fits: Callable[[AskedChange], bool]
) -> Asker:
    """Who asks, as far as that is known.

    Unauthorized, Forbidden or Refused unless a client that may do one of these operations with the wallet has signed
    that it wants this, in time and for this group's coordinator.
    """
    asker = named(asker)
    if asker.signed is None:
        require_bearer_allowed(cosigner, place.wallet)
        return asker
    _, client = verified(cosigner, asker.signed)
    asked = asked_change(asker.signed)
    if asked.wallet not in {None, place.wallet} or not fits(asked):
        words = f"the client's request wants something else than this of wallet {place.wallet}, version {place.version}"
        raise Refused("intent-differs", words)
    client.require_wallet(place.wallet, *operations)
    return Asker(client=client.name, request_id=asker.request_id)


def claim_once(cosigner: Cosigner, place: Place, signed: SignedRequest | None) -> None:
    """From now on the request is for this version alone: it makes no second key, however often it is shown."""
    if signed is None:
        return
    thing = sha256(f"{place.wallet} {place.version}".encode()).digest()
    promise = Promise(digest=thing, address=None, nonce=0, request=request_of(signed), position=MOST_POSITION)
    cosigner.promises.claim(promise)
