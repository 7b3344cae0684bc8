"""`hyperkms client`: create, list, show, revoke, rotate, add-key, grant, end-grant."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

import click

from hyperkms.access.client_terms import DEFAULT_OVERLAP_HOURS
from hyperkms.cli.bot_address import SERVICE_URL, BotAddress, bot_address
from hyperkms.cli.client_desk import ClientDesk, desk
from hyperkms.cli.grant_options import ACTIONS, LIMITS, grant_words, grants_body
from hyperkms.cli.identity import PUBLIC_KEY, public_key_of
from hyperkms.cli.names import complete_clients
from hyperkms.cli.printing import FORM, Form, show, show_json, show_rows
from hyperkms.cli.spans import Days, Hours
from hyperkms.cli.target import Target, with_target
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import NotFound, Unavailable
from hyperkms.http.client_schemas import Allowable, RoleName
from hyperkms.wallet import parse_wallet_id

_NAME = click.argument("name", metavar="NAME", shell_complete=complete_clients)
_NEW_NAME = click.argument("name", metavar="NAME")


@click.group()
def client() -> None:
    """Make, list and end the clients of a service: who may ask it, and for what."""


@client.command("create")
@_NEW_NAME
@click.option("--wallet", "wallets", multiple=True, metavar="ID", help="A wallet it is for; without one, every wallet.")
@click.option(
    "--allow", multiple=True, type=click.Choice(get_args(Allowable)), help="What it may; without one, nothing."
)
@click.option("--expires", type=Days(), metavar="90d", help="When it ends by itself; never unless told.")
@ACTIONS
@LIMITS
@click.option(
    "--from",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="An address or network it may ask from, or `unix`; without one, anywhere.",
)
@click.option("--role", type=click.Choice(get_args(RoleName)), default="bot", show_default=True)
@PUBLIC_KEY
@SERVICE_URL
@with_target
@FORM
def create_command(
    name: str,
    wallets: tuple[str, ...],
    allow: tuple[str, ...],
    expires: int | None,
    actions: tuple[str, ...],
    limits: Any,
    networks: tuple[str, ...],
    role: str,
    public_key: str | None,
    service_url: str | None,
    target: Target,
    form: Form,
) -> None:
    """Make a client and print the lines for its .env; its key is shown this once."""
    body: dict[str, Any] = {"name": name, "role": role}
    body |= grants_body(wallets, allow, actions, limits, expires)
    if networks:
        body["networks"] = list(networks)
    if public_key is not None:
        body["publicKey"] = public_key_of(public_key)
    address = bot_address(target, service_url)
    with desk(target) as opened:
        doubts = [*_doubts_of(wallets, allow, opened)]
        answer = opened.create(body)
    if not answer["client"]["may"]:
        doubts.append(f"without --allow client {name} may do nothing until it is granted something")
    for doubt in doubts:
        tell_operator(f"hyperkms: warning: {doubt}")
    _show_key(answer, address, form)


@client.command("list")
@with_target
@FORM
def list_command(
    target: Target,
    form: Form,
) -> None:
    """Print every client, revoked ones included."""
    with desk(target) as opened:
        answer = opened.list()
    if form is Form.JSON:
        show_json({"clients": answer["clients"], "count": answer["count"]})
        return
    for view in answer["clients"]:
        click.echo(f"{view['name']:24} {view['role']:13} {view['state']:8} {_sentence(view)}")


@client.command("show")
@_NAME
@with_target
@FORM
def show_command(
    name: str,
    target: Target,
    form: Form,
) -> None:
    """Print one client; of its keys the first characters."""
    with desk(target) as opened:
        show(opened.show(name)["client"], form)


@client.command("revoke")
@_NAME
@with_target
@FORM
def revoke_command(
    name: str,
    target: Target,
    form: Form,
) -> None:
    """End a client and its keys, at once and for ever."""
    with desk(target) as opened:
        show(opened.revoke(name)["client"], form)


@client.command("rotate")
@_NAME
@click.option(
    "--overlap",
    type=Hours(),
    default=DEFAULT_OVERLAP_HOURS,
    metavar="24h",
    help="How long its keys until now stay good: 24h unless told; 0 ends them at once.",
)
@PUBLIC_KEY
@SERVICE_URL
@with_target
@FORM
def rotate_command(
    name: str,
    overlap: int,
    public_key: str | None,
    service_url: str | None,
    target: Target,
    form: Form,
) -> None:
    """Give a client a new key and print the lines for its .env."""
    address = bot_address(target, service_url)
    given = None if public_key is None else public_key_of(public_key)
    with desk(target) as opened:
        _show_key(opened.rotate(name, overlap_hours=overlap, public_key=given), address, form)


@client.command("add-key")
@_NAME
@click.option("--public-key", required=True, metavar="KEY|FILE", help="What `hyperkms identity create` printed.")
@with_target
@FORM
def add_key_command(
    name: str,
    public_key: str,
    target: Target,
    form: Form,
) -> None:
    """Add a key that signs a client's requests; the keys it has stay as good as they were."""
    given = public_key_of(public_key)
    with desk(target) as opened:
        show(opened.add_key(name, given)["client"], form)


@client.command("grant")
@_NAME
@click.option("--wallet", "wallets", multiple=True, metavar="ID", help="A wallet it is for; without one, every wallet.")
@click.option("--allow", multiple=True, required=True, type=click.Choice(get_args(Allowable)), help="What it may.")
@ACTIONS
@LIMITS
@click.option("--expires", type=Days(), metavar="7d", help="When the grant ends by itself; never unless told.")
@with_target
@FORM
def grant_command(
    name: str,
    wallets: tuple[str, ...],
    allow: tuple[str, ...],
    actions: tuple[str, ...],
    limits: Any,
    expires: int | None,
    target: Target,
    form: Form,
) -> None:
    """Give a bot more, from its next request on."""
    with desk(target) as opened:
        for doubt in _doubts_of(wallets, allow, opened):
            tell_operator(f"hyperkms: warning: {doubt}")
        _show_grants(opened.grant(name, grants_body(wallets, allow, actions, limits, expires))["client"], form)


@client.command("end-grant")
@_NAME
@click.argument("grant", metavar="GRANT")
@with_target
@FORM
def end_grant_command(name: str, grant: str, target: Target, form: Form) -> None:
    """Take a grant back, by its id, from the bot's next request on."""
    with desk(target) as opened:
        _show_grants(opened.end_grant(name, grant)["client"], form)


def _show_grants(view: dict[str, Any], form: Form) -> None:
    if form is Form.JSON:
        show(view, form)
        return
    show_rows(
        (one["id"], one["operation"], one.get("wallet", "every wallet"), grant_words(one)) for one in view["grants"]
    )


def _doubts_of(wallets: Iterable[str], allow: Iterable[str], opened: ClientDesk) -> Iterator[str]:
    """What speaks against these wallets for a client; it is made all the same, for a wallet may come later."""
    for wallet in dict.fromkeys(wallets):
        try:
            found = opened.wallet(parse_wallet_id(wallet))["wallet"]
        except NotFound:
            yield f"there is no wallet {wallet} so far: if that is no slip, make it before the client asks for it"
        except Unavailable as error:
            yield f"wallet {wallet} and those after it were not looked up: {error}"
            return
        else:
            if "retiredAt" in found:
                yield f"wallet {wallet} is retired: nothing is signed with it any more"
            if "trade" in allow and found["keyType"] == "ed25519":
                yield f"wallet {wallet} has an ed25519 key and signs messages alone: there is nothing to trade with it"


def _show_key(answer: dict[str, Any], address: BotAddress, form: Form) -> None:
    """On standard output exactly what the bot needs; on standard error what the person should know."""
    view, key = answer["client"], answer.get("apiKey")
    for doubt in address.doubts:
        tell_operator(f"hyperkms: {doubt}")
    if form is Form.JSON:
        new = {"service": answer["service"]} if key is None else {"apiKey": key}
        show_json({"client": view, "url": address.url, **new})
        return
    tell_operator(f"hyperkms: client {view['name']} {_sentence(view)}")
    if key is None:
        tell_operator(
            "hyperkms: it signs its requests; these lines go into its .env, with the path of its private key:"
        )
        click.echo(f"HYPERKMS_URL={address.url}\nHYPERKMS_REQUEST_KEY=\nHYPERKMS_SERVICE={answer['service']}")
        return
    made_at = next(own["createdAt"] for own in view["keys"] if key.startswith(own["prefix"]))
    for older in view["keys"]:
        if not key.startswith(older["prefix"]) and older.get("expiresAt", "") > made_at:
            tell_operator(f"hyperkms: its key {older['prefix']}... is good until {older['expiresAt']}")
    tell_operator("hyperkms: the key is not shown again; these lines go into its .env:")
    click.echo(f"HYPERKMS_URL={address.url}\nHYPERKMS_API_KEY={key}")


def _sentence(view: dict[str, Any]) -> str:
    may = "everything" if view["role"] == "administrator" else ", ".join(view["may"]) or "nothing"
    wallets = ", ".join(view["wallets"]) if "wallets" in view else "every wallet"
    until = f", until {view['expiresAt']}" if "expiresAt" in view else ""
    return f"may {may}; for {wallets}{until}"
