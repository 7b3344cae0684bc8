"""What goes into the digest of an action: read, checked, decided over, numbered."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from typing import Any, NamedTuple, Protocol

import msgspec

from hyperkms.access.approvals import MOST_AHEAD_MS, NONE_SHOWN, Conditions, Matter, Shown
from hyperkms.access.authority import Decision, Wanted, decide
from hyperkms.access.clients import Client
from hyperkms.errors import Malformed, Refused
from hyperkms.hyperliquid.action_type import ActionKind
from hyperkms.hyperliquid.actions import ACTIONS, Action, parse_action
from hyperkms.hyperliquid.explain import explain
from hyperkms.hyperliquid.signable import numbered, require_fitting
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.parts import Parts
from hyperkms.operations.signer import resolve
from hyperkms.state.approval_use import Use
from hyperkms.wallet import KeyType, KeyVersion, Network, Wallet, WalletId

COSIGNED_EXPIRY_MS = 10_000
"""How long an action of a wallet in shares holds, where neither its request nor its policy says."""


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
    approvals: tuple[str, ...] = ()
    """As they came."""


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
    approvals: tuple[str, ...]
    """As they came, for cosigners."""
    stamps: tuple[int, ...] | None
    """When it came, and when each stage until here ended, in nanoseconds; None for one that is resumed."""


class Claims(Protocol):
    """Takes what no two signatures may have."""

    def nonce(self, address: str, nonce: int) -> None:
        """A nonce that the caller chose; Conflict if the signer has used it."""

    def approvals(self, uses: Sequence[Use]) -> None:
        """The approvals that count; Conflict if one was used."""


def settle_action(
    parts: Parts, client: Client, request: ActionRequest, known: Signer | None, claims: Claims
) -> SettledAction:
    """Steps 1 to 5."""
    came = perf_counter_ns()
    action = parse_action(request.action, _numbers(parts))  # (1)
    parsed = perf_counter_ns()
    signer = known or resolve(parts, client, request.wallet, request.version, operation=request.operation)  # (2)
    wallet = require_secp256k1(signer.wallet)
    network = settle_network(wallet, request.network)
    check_action(parts, action, request, network)  # (3)
    approvals = shown_approvals(parts, client, request, action, network)
    wanted = Wanted(action, request.vault_address, request.expires_after, parts.clock(), approvals)
    found = perf_counter_ns()
    decision = decide_for(parts, signer, wanted, network)  # (4)
    decided = perf_counter_ns()
    try:
        nonce = _number(parts, signer.version, request, claims)  # (5)
        if decision is not None and decision.approved:
            claims.approvals([one.use for one in decision.approved])
    except BaseException:
        give_back(parts, decision)
        raise
    return SettledAction(
        signer=signer,
        wire=numbered(action, network, nonce),
        nonce=nonce,
        vault_address=request.vault_address,
        expires_after=_expiry(
            parts, signer.wallet, action, decision.expires_after if decision else request.expires_after
        ),
        network=network,
        operation=request.operation,
        decision=decision,
        explained=explain(action, parts.prices[network].name),
        approvals=request.approvals,
        stamps=(came, parsed, found, decided, perf_counter_ns()),
    )


def _expiry(parts: Parts, wallet: Wallet, action: Action, settled: int | None) -> int | None:
    """Cosigners sign no L1 action that could be held back and posted much later: by default it ends in 10 s."""
    if settled is not None or not wallet.is_mpc or parts.replay_vectors or ACTIONS[action.type].kind is ActionKind.USER:
        return settled
    return parts.clock() + COSIGNED_EXPIRY_MS


def decide_for(parts: Parts, signer: Signer, wanted: Wanted, network: Network) -> Decision | None:
    """What grants and policy say, with what counts over time reserved; None where vectors are replayed."""
    if parts.replay_vectors:
        return None
    if signer.authority is None:
        raise AssertionError("a signer of actions has its authority")
    return decide(signer.authority, wanted, parts.prices[network], parts.reservations)


def shown_approvals(parts: Parts, client: Client, request: ActionRequest, action: Action, network: Network) -> Shown:
    """The approvals that came with a request, to be counted by whatever rule asks for some."""
    if not request.approvals:
        return NONE_SHOWN
    return _shown(parts, client, request.approvals, Matter(request.wallet, network, request.vault_address, action))


def resumed_approvals(parts: Parts, client: Client, texts: Sequence[str], matter: Matter) -> Shown:
    """Those of a plan: it has used them itself."""
    return _shown(parts, client, texts, matter, was_used=lambda *_: False) if texts else NONE_SHOWN


def _shown(
    parts: Parts,
    client: Client,
    texts: Sequence[str],
    matter: Matter,
    was_used: Callable[[str, str], bool] | None = None,
) -> Shown:
    def is_askers(key: str) -> bool:
        found = parts.signed_requests.client_of(key)
        return found is not None and found.name == client.name

    fenced_at = parts.approvals.fenced_at
    conditions = Conditions(
        now=parts.clock(),
        not_before=0 if fenced_at is None else fenced_at + MOST_AHEAD_MS,
        is_askers=is_askers,
        was_used=was_used or parts.approvals.was_used,
    )
    return Shown(texts, matter, conditions)


def give_back(parts: Parts, decision: Decision | None) -> None:
    """What a request had reserved that came to nothing."""
    if decision is None:
        return
    for taken in (decision.reservation, decision.watched):
        if taken is not None:
            parts.reservations.give_back(taken)


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


def _numbers(parts: Parts) -> Numbers:
    return Numbers.AS_WRITTEN if parts.replay_vectors else Numbers.CANONICAL


def _number(parts: Parts, version: KeyVersion, request: ActionRequest, claims: Claims) -> int:
    address = str(version.address)
    if request.nonce is None:
        return parts.nonces.allocate(address)
    if not parts.replay_vectors:
        claims.nonce(address, request.nonce)
    return request.nonce
