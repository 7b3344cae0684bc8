"""A share is destroyed for ever: where its client says so."""

from dataclasses import replace

import sqlalchemy as sa

from hyperkms.access.clients import Operation
from hyperkms.errors import Malformed, Refused
from hyperkms.state.share_rows import ShareRow, ShareState, retire_within
from hyperkms.strict_json import parse
from hyperkms.threshold.cosigner.evidence import named, require_bearer_allowed, verified
from hyperkms.threshold.cosigner.holding import no_such_share
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import changed, write
from hyperkms.threshold.wire import Asker, Done, Retire, ShareName, SignedRequest
from hyperkms.wallet import VersionState, WalletId, parse_wallet_id
from hyperkms.wallet_life import Change, WalletHistory

_MEMBERS = {"walletId", "version", "reason", "destroy"}


def retire(cosigner: Cosigner, ask: Retire) -> Done:
    """Destroy every share of a version, durable on return; nothing is done where that is so already.

    It is done where the client's signed request asks for it; without one only where a bearer key is enough for this
    wallet. That another version followed and its grace is over does not count: a coordinator alone can have that so.
    """
    place, asker = Place.of(ShareName(wallet=ask.wallet, version=ask.version, epoch=0)), named(ask.asker)
    rows = [row for row in cosigner.holding.rows.all(place.wallet) if row.version == place.version]
    if not rows:
        raise no_such_share(place)
    due = [row for row in rows if row.state is not ShareState.RETIRED]
    if not due:
        return Done()
    asker = _require_asked(cosigner, place, asker)
    _retire(cosigner, place, due[-1], asker)
    cosigner.holding.forget(place.wallet, place.version)
    return Done()


def _require_asked(cosigner: Cosigner, place: Place, asker: Asker) -> Asker:
    """Who asks for it, as far as that is known."""
    if asker.signed is not None:
        _, client = verified(cosigner, asker.signed)
        wallet, version = _read(asker.signed)
        if wallet != place.wallet or version not in (None, place.version):
            words = f"the client's request is about other keys than wallet {place.wallet}, version {place.version}"
            raise Refused("intent-differs", words)
        client.require_wallet(place.wallet, Operation.RETIRE)
        return Asker(client=client.name, request_id=asker.request_id)
    require_bearer_allowed(cosigner, place.wallet)
    return asker


def _read(request: SignedRequest) -> tuple[WalletId, int | None]:
    """Which wallet and version a request to retire names; the whole wallet is destroyed only where it says so."""
    target = request.target.partition(b"?")[0].decode("latin-1")
    parts = target.removeprefix("/mpc").split("/")
    body = parse(request.body) if request.body else {}
    if request.method != b"POST" or not isinstance(body, dict) or not body.keys() <= _MEMBERS:
        raise _no_retirement()
    match parts:
        case ["", "wallets", "retire"]:
            wallet = parse_wallet_id(body.get("walletId"))
        case ["", "wallets", name, "retire"] if "walletId" not in body:
            wallet = parse_wallet_id(name)
        case _:
            raise _no_retirement()
    version = body.get("version")
    if version is not None and type(version) is not int:
        raise Malformed.at("version", "a key version is due")
    if version is None and body.get("destroy") is not True:
        words = "the request retires the wallet after its grace, and destroys no share now: it says no `destroy`"
        raise Refused("intent-differs", words)
    return wallet, version


def _no_retirement() -> Refused:
    return Refused("intent-differs", "the client's request is none to retire a wallet or a version")


def _retire(cosigner: Cosigner, place: Place, row: ShareRow, asker: Asker) -> None:
    def before_commit(connection: sa.Connection) -> None:
        retire_within(connection, place.wallet, place.version)
        write(cosigner, changed(cosigner, asker, row, "retire-share", "retired"))

    change = None
    if cosigner.wallets.find(place.wallet) is not None:
        change = _change(cosigner.wallets.history(place.wallet), place, cosigner.clock())
    if change is None:
        cosigner.holding.rows.change(before_commit)
    else:
        cosigner.wallets.apply(change, before_commit=before_commit)


def _change(history: WalletHistory, place: Place, now: int) -> Change | None:
    """The version is retired, and with its last one the wallet; None for a version that is not listed."""
    wallet = history.wallet
    found = next((one for one in history.versions if one.number == place.version), None)
    if found is None:
        return None
    retired = replace(found, state=VersionState.RETIRED, retired_at=now)
    wallet = replace(wallet, revision=wallet.revision + 1)
    if wallet.current.number == place.version:
        wallet = replace(wallet, current=retired)
    others = [one for one in history.versions if one.number != place.version]
    if wallet.retired_at is None and all(one.state is VersionState.RETIRED for one in others):
        wallet = replace(wallet, retired_at=now, retired_reason="its shares are destroyed")
    return Change(wallet=wallet, versions=(retired,))
