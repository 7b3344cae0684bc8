"""Sign: a message, an order of the first system's form, or a Hyperliquid action."""

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET

from hyperkms import _core
from hyperkms.access.api_keys import unauthorized
from hyperkms.access.authority import Decision, Wanted, Watched, decide
from hyperkms.access.clients import UNNUMBERED, Client
from hyperkms.access.grants import NEVER
from hyperkms.audit.record import KeyedSignatureRecord, Objection, SignatureRecord
from hyperkms.audit.sink import Position
from hyperkms.errors import Forbidden, Malformed, Refused
from hyperkms.hyperliquid.actions import Action, parse_action
from hyperkms.hyperliquid.explain import explain
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.permission import grants_to_sign
from hyperkms.operations.signed_form import numbered, require_fitting, sign_form, typed_as
from hyperkms.operations.signer import require_still_signing, resolve
from hyperkms.receipt import Receipt
from hyperkms.wallet import KeyType, KeyVersion, Network, Wallet, WalletId


class KeyOfRequest(msgspec.Struct, frozen=True):
    """The Idempotency-Key under which a request is signed, for its line in the record."""

    key: str
    fingerprint: bytes


class Caller(msgspec.Struct, frozen=True):
    """Who asks, in which request."""

    client: Client
    request_id: str
    under: KeyOfRequest | None = None
    generation: int | None = None
    """That of the clients when it was known to be in force; None: that is asked again before anything is signed."""


class SignedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The signature of a message or of an order payload by an Ed25519 or secp256k1 wallet."""

    wallet: Wallet
    version: KeyVersion
    """The one that signed."""
    signature: str
    """0x and 128 hex digits (Ed25519: R, S), or 130 (secp256k1: r, s, v)."""
    receipt: Receipt


class ActionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A Hyperliquid action to sign."""

    wallet: WalletId
    action: object
    """As parsed from JSON; read strictly here."""
    nonce: int | None = None
    """Milliseconds; None lets the service allocate it."""
    vault_address: str | None = None
    """0x and 40 lower-case hex digits."""
    expires_after: int | None = None
    """Milliseconds since 1970."""
    network: Network | None = None
    version: int | None = None
    """None: the current one."""
    operation: str = "sign-action"


class SignedAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action with its signature, ready to be posted to the exchange."""

    wallet: Wallet
    version: KeyVersion
    """The one that signed."""
    action: Mapping[str, Any]
    nonce: int
    vault_address: str | None
    expires_after: int | None
    signature: str
    """0x and 130 hex digits: r, s, v."""
    receipt: Receipt


class _Made(msgspec.Struct, frozen=True):
    signature: str
    digest: str
    operation: str
    signed: dict[str, Any]
    explained: str
    decision: Decision | None = None


def sign_message(
    parts: Parts, caller: Caller, wallet_id: WalletId, message: bytes, version: int | None = None
) -> Pending[SignedMessage]:
    """Sign bytes: raw by an Ed25519 wallet, in EIP-191 form by a secp256k1 wallet."""
    signer = resolve(parts, caller.client, wallet_id, version, operation="sign-message")
    return sign_bytes(parts, caller, signer, message, operation="sign-message")


def sign_bytes(
    parts: Parts, caller: Caller, signer: Signer, message: bytes, *, operation: str
) -> Pending[SignedMessage]:
    """The same by a signer that is at hand.

    1. Sign.  2. Write the record.  3. Release when it is durable.
    """
    require_still_signing(parts, signer)
    require_still_allowed(parts, caller, signer.wallet, operation, grant=None)
    sign = _core.sign_ed25519_message if signer.wallet.key_type is KeyType.ED25519 else _core.sign_eip191
    signature, digest = sign(signer.handle, message)  # (1)
    made = _Made(signature, digest, operation, {"messageBytes": len(message)}, f"a message of {len(message)} bytes")
    record = _record(parts, caller, signer, made)
    ticket = parts.record.append(record)  # (2)

    def finish(position: Position) -> SignedMessage:  # (3)
        parts.metrics.signed(signer.wallet.key_type, operation)
        receipt = receipt_of(position, record)
        return SignedMessage(wallet=signer.wallet, version=signer.version, signature=signature, receipt=receipt)

    return Pending(ticket, finish)


class SettledAction(NamedTuple):
    """An action and its signer with everything that goes into the digest."""

    signer: Signer
    wire: Mapping[str, Any]
    nonce: int
    vault_address: str | None
    expires_after: int | None
    network: Network
    operation: str
    decision: Decision | None
    """None where vectors are replayed."""
    explained: str
    """What the action does, in a sentence."""
    stamps: tuple[int, ...] | None
    """When it came, and when each stage until here ended, in nanoseconds; None for one that is resumed."""


def sign_action(
    parts: Parts, caller: Caller, request: ActionRequest, *, known: Signer | None = None
) -> Pending[SignedAction]:
    """Sign a Hyperliquid action; `known` is the request's signer for who has it already.

    1. Read the action strictly.
    2. Find wallet, version and key, check that the caller may; settle the network.
    3. Check the action against the rest of the request, the market and the clock.
    4. Ask grants and policy; reserve what counts over time. What comes to nothing after this gives it back.
    5. Number it: nothing after this line refuses but a wallet or version that was retired meanwhile.
    6. Sign; the core hashes.
    7. Write the record.
    8. Release when it is durable.
    """
    return sign_or_give_back(parts, caller, settle_action(parts, caller.client, request, known, parts.nonces.claim))


def settle_action(
    parts: Parts, client: Client, request: ActionRequest, known: Signer | None, claim: Callable[[str, int], None]
) -> SettledAction:
    """Steps 1 to 5; a caller's own nonce is given to `claim`, with the signer's address."""
    came = perf_counter_ns()
    action = parse_action(request.action, _numbers(parts))  # (1)
    parsed = perf_counter_ns()
    signer = known or resolve(parts, client, request.wallet, request.version, operation=request.operation)  # (2)
    wallet = require_secp256k1(signer.wallet)
    network = settle_network(wallet, request.network)
    check_action(parts, action, request, network)  # (3)
    wanted = Wanted(action, request.vault_address, request.expires_after, parts.clock())
    found = perf_counter_ns()
    decision = decide_for(parts, signer, wanted, network)  # (4)
    decided = perf_counter_ns()
    try:
        nonce = _number(parts, signer.version, request, claim)  # (5)
    except BaseException:
        give_back(parts, decision)
        raise
    return SettledAction(
        signer=signer,
        wire=numbered(action, network, nonce),
        nonce=nonce,
        vault_address=request.vault_address,
        expires_after=decision.expires_after if decision else request.expires_after,
        network=network,
        operation=request.operation,
        decision=decision,
        explained=explain(action, parts.prices[network].name),
        stamps=(came, parsed, found, decided, perf_counter_ns()),
    )


def decide_for(parts: Parts, signer: Signer, wanted: Wanted, network: Network) -> Decision | None:
    """What grants and policy say, with what counts over time reserved; None where vectors are replayed."""
    if parts.replay_vectors:
        return None
    if signer.authority is None:
        raise AssertionError("a signer of actions has its authority")
    return decide(signer.authority, wanted, parts.prices[network], parts.reservations)


def give_back(parts: Parts, decision: Decision | None) -> None:
    """What a request had reserved that came to nothing."""
    if decision is None:
        return
    for taken in (decision.reservation, decision.watched):
        if taken is not None:
            parts.reservations.give_back(taken)


def sign_or_give_back(parts: Parts, caller: Caller, settled: SettledAction) -> Pending[SignedAction]:
    """Steps 6 to 8; whatever was reserved is given back if they come to nothing."""
    try:
        return sign_settled(parts, caller, settled)
    except BaseException:
        give_back(parts, settled.decision)
        raise


def sign_settled(parts: Parts, caller: Caller, settled: SettledAction) -> Pending[SignedAction]:
    """Steps 6 to 8."""
    signer, nonce, network = settled.signer, settled.nonce, settled.network
    require_still_signing(parts, signer)
    grant = None if settled.decision is None else settled.decision.grant
    require_still_allowed(parts, caller, signer.wallet, settled.operation, grant=grant)
    network_name: Literal["mainnet", "testnet"] = "mainnet" if network is Network.MAINNET else "testnet"
    signature, digest = sign_form(  # (6)
        signer.handle,
        settled.wire,
        nonce=nonce,
        vault_address=settled.vault_address,
        expires_after=settled.expires_after,
        network=network_name,
    )
    signed_at = perf_counter_ns()
    signed = {
        "action": settled.wire,
        "nonce": nonce,
        "vaultAddress": settled.vault_address,
        "expiresAfter": settled.expires_after,
        "network": network_name,
        **typed_as(settled.wire),
    }
    made = _Made(signature, digest, settled.operation, signed, settled.explained, settled.decision)
    record = _record(parts, caller, signer, made)
    ticket = parts.record.append(record)  # (7)

    def finish(position: Position) -> SignedAction:  # (8)
        parts.metrics.signed(signer.wallet.key_type, settled.operation)
        if settled.stamps is not None:
            parts.metrics.stages((*settled.stamps, signed_at, perf_counter_ns()))
        return SignedAction(
            wallet=signer.wallet,
            version=signer.version,
            action=settled.wire,
            nonce=nonce,
            vault_address=settled.vault_address,
            expires_after=settled.expires_after,
            signature=signature,
            receipt=receipt_of(position, record),
        )

    return Pending(ticket, finish)


def require_still_allowed(parts: Parts, caller: Caller, wallet: Wallet, operation: str, *, grant: str | None) -> None:
    """Unauthorized once the client is not in force any more, Forbidden once what permitted it was ended.

    It was known when the request came; a change that was answered since holds for what is signed now.
    """
    client = caller.client
    if client.number == UNNUMBERED:
        return
    is_same = caller.generation is not None and caller.generation == parts.client_generation()
    if is_same and (client.first_end == NEVER or parts.clock() < client.first_end):
        return
    found, now = parts.clients.find(client.name), parts.clock()
    if found is None or found.state(now) != "active":
        raise unauthorized()
    grants = grants_to_sign(found.client.at(now), wallet, operation)
    if grant is not None and all(one.id != grant for one in grants):
        words = f"the grant {grant} of client {client.name} was ended while this waited to be signed"
        raise Forbidden("action-not-granted", words)


def _numbers(parts: Parts) -> Numbers:
    return Numbers.AS_WRITTEN if parts.replay_vectors else Numbers.CANONICAL


def require_secp256k1(wallet: Wallet) -> Wallet:
    """The wallet; Malformed for one whose signatures the exchange does not verify."""
    if wallet.key_type is not KeyType.SECP256K1:
        words = f"wallet {wallet.id} has an ed25519 key; Hyperliquid verifies secp256k1 signatures only"
        raise Malformed.at("walletId", words, "wrong-key-type")
    return wallet


def settle_network(wallet: Wallet, asked: Network | None) -> Network:
    """The network to sign for; Refused for one that the wallet is not bound to."""
    if wallet.network in (Network.MAINNET, Network.TESTNET):
        if asked not in (None, wallet.network):
            words = f"wallet {wallet.id} is bound to {wallet.network.value} and signs for nothing else"
            raise Refused("wrong-network", words)
        return wallet.network
    if asked not in (Network.MAINNET, Network.TESTNET):
        words = f"wallet {wallet.id} is bound to no network: say mainnet or testnet"
        raise Malformed.at("network", words, "network-required")
    return asked


def check_action(parts: Parts, action: Action, request: ActionRequest, network: Network) -> None:
    """Malformed or Refused for what the exchange would not take, or what the signature would not cover."""
    require_fitting(
        action,
        network,
        nonce=request.nonce,
        vault_address=request.vault_address,
        expires_after=request.expires_after,
    )
    if parts.replay_vectors:
        return
    market = parts.markets.get(network)
    if market:
        market.check(action)
    require_unexpired(request.expires_after, parts.clock())


def require_unexpired(expires_after: int | None, now: int) -> None:
    """Malformed if the exchange would refuse it for its age."""
    if expires_after is not None and expires_after <= now:
        words = f"{expires_after} is not after now, {now}: the exchange would refuse it as expired"
        raise Malformed.at("expiresAfter", words, "already-expired")


def _number(parts: Parts, version: KeyVersion, request: ActionRequest, claim: Callable[[str, int], None]) -> int:
    address = str(version.address)
    if request.nonce is None:
        return parts.nonces.allocate(address)
    if not parts.replay_vectors:
        claim(address, request.nonce)
    return request.nonce


def _record(parts: Parts, caller: Caller, signer: Signer, made: _Made) -> SignatureRecord:
    decision = made.decision
    record = SignatureRecord(
        time=parts.clock(),
        request_id=caller.request_id,
        client=caller.client.name,
        wallet=signer.wallet.id,
        key_version=signer.version.number,
        public_key=signer.version.public_key_text,
        operation=made.operation,
        signed=made.signed,
        digest=made.digest,
        signature=made.signature,
        explained=made.explained,
        policy=None if decision is None else decision.policy,
        grant=None if decision is None else decision.grant,
        reserved=UNSET if decision is None else _counted(decision) or UNSET,
        shadow=UNSET if decision is None or decision.would_refuse is None else _objection(decision.would_refuse),
    )
    if caller.under is None:
        return record
    key, fingerprint = caller.under.key, "0x" + caller.under.fingerprint.hex()
    return KeyedSignatureRecord(**msgspec.structs.asdict(record), idempotency_key=key, fingerprint=fingerprint)


def _counted(decision: Decision) -> list[list[int]]:
    """All that limits over time have counted for it, those that only watch included."""
    if decision.watched is None:
        return [] if decision.reservation is None else decision.reservation.shown
    return [one for taken in (decision.reservation, decision.watched) if taken for one in taken.shown]


def _objection(watched: Watched) -> Objection:
    return Objection(policy=watched.policy, rule=watched.refusal.rule, words=watched.refusal.words)


def receipt_of(position: Position, record: SignatureRecord) -> Receipt:
    """The receipt of a signature whose record stands there."""
    return Receipt(
        log=position.log,
        index=position.index,
        request_id=record.request_id,
        key_version=record.key_version,
        digest=record.digest,
        leaf_hash=f"0x{position.leaf_hash}",
        durability=position.durability,
        head=position.head,
    )
