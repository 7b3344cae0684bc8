"""What a client's own request wants changed of a wallet in shares, as this cosigner reads it for itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hyperkms.errors import Malformed, Refused
from hyperkms.strict_json import parse
from hyperkms.threshold.wire import SignedRequest
from hyperkms.wallet import WalletId, parse_wallet_id

Wanted = Literal["generate", "rotate", "activate", "refresh", "retire", "replace"]
_MEMBERS: Mapping[str, frozenset[str]] = {
    "generate": frozenset({"walletId", "metadata", "keyType", "network"}),
    "rotate": frozenset({"walletId", "reason", "activate"}),
    "activate": frozenset({"version", "reason"}),
    "refresh": frozenset({"version"}),
    "retire": frozenset({"walletId", "version", "reason", "destroy"}),
    "replace": frozenset({"after"}),
}


@dataclass(frozen=True, kw_only=True)
class AskedChange:
    """A request to make a key, to use it, to make its shares anew or to destroy them."""

    wanted: Wanted
    wallet: WalletId | None
    """None: every wallet, as of `replace`."""
    version: int | None
    members: Mapping[str, Any]
    """Those of the body."""


def asked_change(request: SignedRequest) -> AskedChange:
    """Refused for a request to another route, or with members that its route does not know."""
    body = parse(request.body) if request.body else {}
    if request.method != b"POST" or not isinstance(body, dict):
        raise _no_change()
    wanted, wallet = _target(request.target.partition(b"?")[0].decode("latin-1"), body)
    if not body.keys() <= _MEMBERS[wanted]:
        raise _no_change()
    version = body.get("version")
    if version is not None and type(version) is not int:
        raise Malformed.at("version", "a key version is due")
    return AskedChange(wanted=wanted, wallet=wallet, version=version, members=body)


def _target(target: str, body: Mapping[str, Any]) -> tuple[Wanted, WalletId | None]:
    match target.removeprefix("/mpc").split("/"):
        case ["", "replace"]:
            return "replace", None
        case ["", "wallets", ("generate" | "rotate" | "retire") as wanted]:
            return wanted, parse_wallet_id(body.get("walletId"))
        case ["", "wallets", name, ("activate" | "refresh" | "retire") as wanted] if "walletId" not in body:
            return wanted, parse_wallet_id(name)
    raise _no_change()


def _no_change() -> Refused:
    return Refused("intent-differs", "the client's request is none to make, use or destroy a key in shares")
