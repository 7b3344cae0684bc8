"""What an action does, and what grants and policy would say to it: nothing is numbered, reserved or signed."""

from dataclasses import dataclass

from hyperkms.access.authority import Verdict, Wanted, consider
from hyperkms.access.clients import Client, Operation
from hyperkms.hyperliquid.actions import Action, parse_action
from hyperkms.hyperliquid.explain import explain
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.operations.parts import Parts
from hyperkms.operations.permission import wallet_for
from hyperkms.operations.settle import (
    ActionRequest,
    check_action,
    require_secp256k1,
    settle_network,
    shown_approvals,
)
from hyperkms.operations.signer import authority_over
from hyperkms.wallet import Network, Wallet


@dataclass(frozen=True, kw_only=True)
class Explained:
    """An action in words, and the verdict."""

    wallet: Wallet
    action: Action
    network: Network
    sentence: str
    verdict: Verdict


def explain_action(parts: Parts, client: Client, request: ActionRequest) -> Explained:
    """For whoever may read the wallet; the verdict is for this client.

    Malformed for what could not be signed whatever the rules say, as the signing route says it.
    """
    action = parse_action(request.action, Numbers.CANONICAL)
    wallet = require_secp256k1(wallet_for(parts, client, request.wallet, Operation.READ))
    network = settle_network(wallet, request.network)
    check_action(parts, action, request, network)
    grants = client.grants_for(wallet.id, Operation.TRADE)
    approvals = shown_approvals(parts, client, request, action, network)
    wanted = Wanted(action, request.vault_address, request.expires_after, parts.clock(), approvals)
    authority = authority_over(parts, client, wallet, grants, parts.reservations.known_meter)
    return Explained(
        wallet=wallet,
        action=action,
        network=network,
        sentence=explain(action, parts.prices[network].name),
        verdict=consider(authority, wanted, parts.prices[network], parts.reservations),
    )
