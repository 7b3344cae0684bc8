"""Who asks, by what they have signed; the word of a coordinator proves nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hyperkms._core import RequestSignature
from hyperkms.access.approvals import LONGEST_TEXT, MOST
from hyperkms.access.clients import Client
from hyperkms.access.grants import Grant
from hyperkms.access.signed_requests import Sent, invalid_signature
from hyperkms.access.signing_grants import grants_to_sign
from hyperkms.errors import Malformed, Refused
from hyperkms.hyperliquid.market import Market
from hyperkms.mode import Mode
from hyperkms.state.share_rows import ShareRow
from hyperkms.threshold.cosigner.asked import AskedFor
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.wire import Asker, Intent, SignedRequest
from hyperkms.wallet import Network, WalletId

_LONGEST_NAME = 64
_SIGNATURE = 128
MOST_POSITION = 1_000


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Who asks, and how that is known."""

    kind: Literal["signed", "bearer", "test"]
    client: str
    """Of a signed request: whose key it is here. Else as the coordinator says."""
    request_id: str
    request: str | None = None
    """The signature of the client's request: 0x and 128 hex digits."""
    key: str | None = None
    """The fingerprint of the key that made it."""
    found: Client | None = None
    grants: tuple[Grant, ...] = ()
    """Those that allow to sign with this wallet."""
    asked: AskedFor | None = None
    approvals: Sequence[str] = ()
    """Each of which vouches for itself, whoever has shown it."""


def named(asker: Asker) -> Asker:
    """Who asks, as the coordinator says; Malformed for what is no name, before it is written anywhere."""
    for what, text in (("client", asker.client), ("request_id", asker.request_id)):
        if len(text) > _LONGEST_NAME or not text.isprintable():
            raise Malformed.at(f"asker.{what}", f"at most {_LONGEST_NAME} printable characters are due")
    return asker


def to_sign(cosigner: Cosigner, row: ShareRow, intent: Intent, asker: Asker) -> Evidence:
    """Who asks for a signature with this share; Unauthorized, Forbidden or Refused if nothing shows that they may."""
    if asker.signed is None:
        return _bearer(cosigner, row.wallet, asker)
    signature, client = verified(cosigner, asker.signed)
    if not 0 <= intent.position < MOST_POSITION:
        raise Malformed.at("intent.position", "no request has so many actions")
    asked = cosigner.read_asked(
        asker.signed, intent.position, row.key_type, lambda: _market(cosigner, row), cosigner.clock()
    )
    if asked.wallet != row.wallet:
        raise Refused("intent-differs", f"the client's request is for wallet {asked.wallet}, and not for {row.wallet}")
    return Evidence(
        kind="signed",
        client=client.name,
        request_id=asker.request_id,
        request=request_of(asker.signed),
        key=signature.key,
        found=client,
        grants=grants_to_sign(client, row.wallet, row.key_type, asked.operation),
        asked=asked,
        approvals=asked.approvals,
    )


def verified(cosigner: Cosigner, request: SignedRequest) -> tuple[RequestSignature, Client]:
    """The client that signed a request for one of the group's coordinators, in time; Unauthorized otherwise."""
    signature = RequestSignature.read(request.authorization)
    if signature is None:
        raise invalid_signature()
    sent = Sent(request.method, request.target, request.body, request.idempotency_key)
    return signature, cosigner.signed_requests.verify(signature, sent, cosigner.ourselves.group.coordinators)


def request_of(request: SignedRequest) -> str:
    """What names a signed request: its signature, with which the header ends (docs/formats.md)."""
    return "0x" + request.authorization[-_SIGNATURE:].decode("ascii")


def require_bearer_allowed(cosigner: Cosigner, wallet: WalletId) -> None:
    """Refused in production unless this cosigner was told to sign for the wallet without a client's signature."""
    if cosigner.mode is Mode.PRODUCTION and not cosigner.bearer.has(wallet):
        words = f"wallet {wallet}: the request brings no signature of its client, which this cosigner asks for: sign it"
        raise Refused("evidence-required", f"{words}, or allow it here with `hyperkms cosigner allow-bearer`")


def _bearer(cosigner: Cosigner, wallet: WalletId, asker: Asker) -> Evidence:
    require_bearer_allowed(cosigner, wallet)
    if len(asker.approvals) > MOST or any(len(text) > LONGEST_TEXT for text in asker.approvals):
        raise Malformed.at("asker.approvals", f"at most {MOST} approvals are due, of {LONGEST_TEXT} characters each")
    return Evidence(kind="bearer", client=asker.client, request_id=asker.request_id, approvals=asker.approvals)


def _market(cosigner: Cosigner, row: ShareRow) -> Market:
    if row.network not in (Network.MAINNET, Network.TESTNET):
        words = f"wallet {row.wallet} is bound to no one network, so coin names have no meaning; use /hyperliquid/sign"
        raise Malformed.at("walletId", words, "network-required")
    return cosigner.markets[Network(row.network)]
