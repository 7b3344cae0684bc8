"""What a coordinator wants signed is compared, member by member, with what the client itself has signed."""

import json
from typing import Any

import hyperkms_cosign as cosign
import msgspec
import pytest

from hyperkms.errors import HyperkmsError, Malformed
from hyperkms.http.asked_for import asked_for
from hyperkms.hyperliquid.action_type import ActionKind
from hyperkms.hyperliquid.actions import ACTIONS
from hyperkms.hyperliquid.market import Market
from hyperkms.hyperliquid.user_signed import DEFAULT_CHAIN_ID
from hyperkms.state.share_rows import ShareRow, ShareState
from hyperkms.threshold.cosigner.comparing import require_same
from hyperkms.threshold.cosigner.intent import read_intent, require_expiry
from hyperkms.threshold.wire import Intent, SignedRequest
from hyperkms.wallet import KeyType, WalletId
from support.good_actions import ADDRESS, GOOD, ORDER

NOW = 1_780_000_000_000
CANCEL = {"type": "cancel", "cancels": [{"a": 1, "o": 82382}]}
OTHER_ORDER = {"type": "order", "orders": [{**ORDER, "s": "0.002"}], "grouping": "na"}
ONE_ORDER = {"type": "order", "orders": [ORDER], "grouping": "na"}
SEND = {"type": "usdSend", "destination": ADDRESS, "amount": "12.5"}
GROUP = cosign.Group(threshold=2, identities=[bytes([7] * 31 + [number]) for number in (1, 2, 3)])
VAULT = "0x" + "ab" * 20
USER = {name for name, of_type in ACTIONS.items() if of_type.kind is ActionKind.USER}


def row(key_type: KeyType = KeyType.SECP256K1, network: str = "testnet") -> ShareRow:
    return ShareRow(
        wallet=WalletId("treasury"),
        version=1,
        epoch=0,
        state=ShareState.IN_FORCE,
        key_type=key_type,
        network=network,
        sealed=b"",
        public_key=b"",
        group_key=b"",
        session=b"",
        acknowledgement=b"",
        created_at=NOW,
    )


def context(of: ShareRow) -> cosign.ShareContext:
    network: Any = of.network
    return cosign.ShareContext(
        wallet=of.wallet,
        version=of.version,
        key_type=of.key_type.value,
        network=network,
        group=GROUP,
        index=1,
        epoch=of.epoch,
    )


def request(body: object, path: str = "/hyperliquid/sign", method: str = "POST") -> SignedRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SignedRequest(authorization=b"", method=method.encode(), target=path.encode(), body=raw)


def intent(action: object = ONE_ORDER, **changes: Any) -> Intent:
    made = Intent(
        form="action",
        operation="sign-action",
        action=action if isinstance(action, bytes) else json.dumps(action).encode(),
        nonce=NOW,
        expires_after=NOW + 10_000,
        network="testnet",
    )
    return msgspec.structs.replace(made, **changes)


def no_market() -> Market:
    raise AssertionError("no coin is named")


def judge(asked: SignedRequest, wanted: Intent, of: ShareRow | None = None) -> cosign.Form:
    share = of or row()
    to_sign = read_intent(wanted, share, context(share))
    require_expiry(to_sign, NOW)
    require_same(asked_for(asked, wanted.position, share.key_type, no_market, NOW), wanted, to_sign, share, NOW)
    return to_sign.form


def body(action: object = ONE_ORDER, **more: Any) -> dict[str, Any]:
    return {"walletId": "treasury", "action": action, **more}


SAME: dict[str, tuple[SignedRequest, Intent]] = {
    "an order of which the service fills in nonce, network and expiry": (request(body()), intent()),
    "an action that the client wrote in another order of members": (
        request(b'{"action":{"cancels":[{"o":82382,"a":1}],"type":"cancel"},"walletId":"treasury"}'),
        intent(CANCEL),
    ),
    "everything named": (
        request(body(nonce=NOW, vaultAddress=VAULT.upper().replace("X", "x"), expiresAfter=NOW + 90_000, version=1)),
        intent(nonce=NOW, vault_address=VAULT, expires_after=NOW + 90_000),
    ),
    "the second of a batch": (
        request({"requests": [body(CANCEL), body()]}, "/hyperliquid/sign-batch"),
        intent(position=1),
    ),
    "a transfer whose time and chain the service fills in": (
        request(body(SEND)),
        intent(
            {**SEND, "signatureChainId": DEFAULT_CHAIN_ID, "hyperliquidChain": "Testnet", "time": NOW},
            expires_after=None,
        ),
    ),
    "a text": (
        request({"walletId": "treasury", "message": "hello"}, "/wallets/sign"),
        Intent(form="eip191", operation="sign-message", message=b"hello"),
    ),
    "the same by the route for wallets in shares": (
        request({"walletId": "treasury", "message": "hello"}, "/mpc/wallets/sign"),
        Intent(form="eip191", operation="sign-message", message=b"hello"),
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_what_the_client_asked_for_is_signed(case: str) -> None:
    asked, wanted = SAME[case]
    assert len(judge(asked, wanted).digest) == 32


DIFFERENT: dict[str, tuple[SignedRequest, Intent, str]] = {
    "a larger order": (request(body()), intent(OTHER_ORDER), "action"),
    "an action of another type": (request(body()), intent(CANCEL), "action.type"),
    "another nonce": (request(body(nonce=NOW)), intent(nonce=NOW + 1), "nonce"),
    "a vault that nobody named": (request(body()), intent(vault_address=VAULT), "vaultAddress"),
    "no vault where one was named": (request(body(vaultAddress=VAULT)), intent(), "vaultAddress"),
    "a later expiry": (request(body(expiresAfter=NOW + 5_000)), intent(), "expiresAfter"),
    "an expiry far ahead where none was named": (
        request(body()),
        intent(expires_after=NOW + 60_001),
        "expiresAfter",
    ),
    "another version": (request(body(version=2)), intent(), "version"),
    "the other place of a batch": (
        request({"requests": [body(), body(CANCEL)]}, "/hyperliquid/sign-batch"),
        intent(CANCEL, position=0),
        "action.type",
    ),
    "a transfer to somebody else": (
        request(body(SEND)),
        intent({**SEND, "destination": "0x" + "11" * 20, "time": NOW}, expires_after=None),
        "action",
    ),
    "a transfer that pretends to another chain": (
        request(body({**SEND, "signatureChainId": "0xa4b1"})),
        intent({**SEND, "signatureChainId": "0x1", "time": NOW}, expires_after=None),
        "action",
    ),
    "an action where a message was asked for": (
        request({"walletId": "treasury", "message": "hello"}, "/wallets/sign"),
        intent(),
        "operation",
    ),
    "another message": (
        request({"walletId": "treasury", "message": "hello"}, "/wallets/sign"),
        Intent(form="eip191", operation="sign-message", message=b"hullo"),
        "message",
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_the_client_did_not_ask_for_is_refused(case: str) -> None:
    asked, wanted, member = DIFFERENT[case]
    with pytest.raises(HyperkmsError) as refused:
        judge(asked, wanted)
    assert (refused.value.code, refused.value.details["member"]) == ("intent-differs", member)


REFUSED: dict[str, tuple[SignedRequest, Intent, str]] = {
    "a request for something else than a signature": (request({}, "/wallets/generate"), intent(), "intent-differs"),
    "a request of another method": (request(body(), method="GET"), intent(), "intent-differs"),
    "a body with a member twice": (
        request(b'{"walletId":"treasury","walletId":"treasury","action":{"type":"noop"}}'),
        intent({"type": "noop"}),
        "malformed-json",
    ),
    "a body with a member that is none": (request(body(more=1)), intent(), "unknown-field"),
    "a place beyond a batch": (
        request({"requests": [body()]}, "/hyperliquid/sign-batch"),
        intent(position=1),
        "malformed",
    ),
    "a place in what is no batch": (request(body()), intent(position=1), "malformed"),
    "an action that nobody knows": (request(body()), intent({"type": "mint"}), "unknown-action"),
    "an action with a member that is none": (request(body()), intent({**ONE_ORDER, "x": 1}), "unknown-field"),
    "an action in which a member stands twice": (
        request(body()),
        intent(b'{"type":"noop","type":"noop"}'),
        "malformed-json",
    ),
    "an order without an expiry": (request(body()), intent(expires_after=None), "expires-after-required"),
    "an order that has expired": (request(body()), intent(expires_after=NOW), "already-expired"),
    "a transfer with an expiry, which nobody signs": (
        request(body(SEND)),
        intent({**SEND, "time": NOW}),
        "member-not-signed",
    ),
    "a transfer with another time than its nonce": (
        request(body(SEND)),
        intent({**SEND, "time": NOW + 1}, expires_after=None),
        "nonce-mismatch",
    ),
    "the other network": (request(body()), intent(network="mainnet"), "wrong-network"),
    "no network": (request(body()), intent(network="none"), "network-required"),
    "a message in the form of an Ed25519 wallet": (
        request({"walletId": "treasury", "message": "hello"}, "/wallets/sign"),
        Intent(form="ed25519", operation="sign-message", message=b"hello"),
        "wrong-key-type",
    ),
    "a form under another operation": (request(body()), intent(operation="sign-message"), "malformed"),
    "a nonce below zero": (request(body()), intent(nonce=-1), "malformed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_signed_is_refused(case: str) -> None:
    asked, wanted, code = REFUSED[case]
    with pytest.raises(HyperkmsError) as refused:
        judge(asked, wanted)
    assert refused.value.code == code


def test_an_order_payload_is_signed_by_an_ed25519_wallet_as_javascript_prints_it() -> None:
    asked = request(b'{"walletId":"treasury","orderPayload":{"sz":1.50,"coin":"BTC"}}', "/mpc/wallets/sign-order")
    wanted = Intent(form="ed25519", operation="sign-order", message=b'{"sz":1.5,"coin":"BTC"}')
    judge(asked, wanted, row(KeyType.ED25519, "none"))
    changed = msgspec.structs.replace(wanted, message=b'{"sz":2.5,"coin":"BTC"}')
    with pytest.raises(HyperkmsError, match="other bytes"):
        judge(asked, changed, row(KeyType.ED25519, "none"))


@pytest.mark.parametrize("name", GOOD)
def test_every_action_type_is_the_same_as_itself_and_as_no_other(name: str) -> None:
    """With whatever of its nonce stands inside, as it is posted."""
    action = {key: value for key, value in GOOD[name].items() if key not in ("nonce", "time")}
    if name == "scheduleCancel":
        action = GOOD[name]
    wanted = intent(action, expires_after=None if name in USER else NOW + 10_000)
    other = CANCEL if name == "noop" else {"type": "noop"}
    assert judge(request(body(action)), wanted).digest != judge(request(body(other)), intent(other)).digest
    with pytest.raises(HyperkmsError):
        judge(request(body(other)), wanted)


def test_an_order_of_the_first_system_needs_a_network_for_its_coins() -> None:
    payload = {"action": "order", "coin": "BTC", "isBuy": True, "sz": 1, "limitPx": 2, "timestamp": NOW}

    def refused() -> Market:
        raise Malformed.at("walletId", "is bound to no network", "network-required")

    asked = request({"walletId": "treasury", "orderPayload": payload}, "/wallets/sign-order")
    with pytest.raises(Malformed) as failed:
        asked_for(asked, 0, KeyType.SECP256K1, refused, NOW)
    assert failed.value.code == "network-required"
