"""`hyperkms mpc` at a running service: status, refresh, replace."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from hyperkms.cli.desk import View
from hyperkms.cli.printing import FORM, Form, show, show_json, show_rows
from hyperkms.cli.remote import Remote
from hyperkms.cli.settings import ENV_FILE
from hyperkms.cli.target import URL, Target
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import Malformed, Refused
from hyperkms.wallet import parse_wallet_id

_CEREMONY_S = 90
"""For an answer: a wallet that is begun is finished, and takes up to a minute."""
_FAILED = 1


def _at_service(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --url and --env-file."""
    return URL(ENV_FILE(command))


@click.command("status")
@_at_service
@FORM
def status_command(url: str | None, env_file: Path | None, form: Form) -> None:
    """Say who the cosigners of a service are and who answers; to an administrator also how each is.

    Exit status 0 only if as many answer as sign together.
    """
    with _service(url, env_file) as remote:
        view = remote.get("/mpc/status")
        conditions = _conditions(remote) if view["mpcEnabled"] else None
    if form is Form.JSON:
        show_json(view if conditions is None else {**view, "conditions": conditions})
    else:
        _show_status(view, conditions)
    sys.exit(0 if view.get("quorumLeft", -1) >= 0 else _FAILED)


@click.command("refresh")
@click.argument("wallet_id", metavar="WALLET")
@_at_service
@click.option("--version", type=click.IntRange(1), help="That key version; else the current one.")
@FORM
def refresh_command(wallet_id: str, url: str | None, env_file: Path | None, version: int | None, form: Form) -> None:
    """Let all cosigners make new shares of the same key, and destroy those before; the address stays."""
    wallet = parse_wallet_id(wallet_id)
    with _service(url, env_file) as remote:
        body = {} if version is None else {"version": version}
        answer = remote.post(f"/mpc/wallets/{wallet}/refresh", body)
    show({name: value for name, value in answer.items() if name != "success"}, form)


@click.command("replace")
@_at_service
@FORM
def replace_command(url: str | None, env_file: Path | None, form: Form) -> None:
    """After a cosigner was replaced: make its shares of all wallets, then new ones of all, so that none lost is of use.

    Give it again whenever something failed: what is done is left as it is. Exit status 0 only if nothing is left to do.
    """
    with _service(url, env_file) as remote:
        done = list(_replaced(remote, tell_operator if form is Form.TEXT else lambda _words: None))
    failed = [one for one in done if one["outcome"] == "failed"]
    if form is Form.JSON:
        show_json({"wallets": done, "failed": len(failed)})
    elif not done:
        tell_operator("hyperkms: there are no wallets in shares here")
    else:
        show_rows([("WALLET", "OUTCOME", "SHARES"), *([one["walletId"], one["outcome"], _what(one)] for one in done)])
    sys.exit(_FAILED if failed else 0)


@contextmanager
def _service(url: str | None, env_file: Path | None) -> Iterator[Remote]:
    service = Target(url, None, env_file).service()
    if service is None:
        words = "or HYPERKMS_URL is due: cosigners are asked by the service that they belong to"
        raise Malformed.at("--url", words)
    remote = Remote(service, read_s=_CEREMONY_S)
    try:
        yield remote
    finally:
        remote.close()


def _conditions(remote: Remote) -> list[View] | None:
    try:
        found: list[View] = remote.get("/mpc/cosigners")["cosigners"]
    except Refused:  # no key, or one of another client
        tell_operator("hyperkms: how each cosigner is, is told to an administrator only (HYPERKMS_API_KEY)")
        return None
    return found


def _replaced(remote: Remote, tell: Callable[[str], object]) -> Iterator[View]:
    body: View = {}
    while True:
        answer = remote.post("/mpc/replace", body)
        yield from answer["wallets"]
        if "next" not in answer:
            return
        tell(f"hyperkms: as far as wallet {answer['next']}")
        body = {"after": answer["next"]}


def _what(done: View) -> str:
    if "error" in done:
        return f"{done['error']} [{done['code']}]"
    if not done["versions"]:
        return "each cosigner has its own already"
    return "; ".join(
        f"version {one['version']}: made for {', '.join(one['repaired']) or 'nobody'}, then epoch {one['epoch']} of all"
        for one in done["versions"]
    )


def _show_status(view: View, conditions: list[View] | None) -> None:
    if not view["mpcEnabled"]:
        click.echo("MPC is off: MPC_ENABLED is not true")
        return
    head = {
        "group": f"{view['group']}  {view['fingerprint']}",
        "signs": f"{view['threshold']} of {view['totalShares']}; {view['algorithm']}",
        "deployment": f"{view['deployment']}: {view['protects']}",
        "quorum left": f"{view['quorumLeft']} of those that answer could be lost"
        if view["quorumLeft"] >= 0
        else "too few answer: nothing is signed now",
    }
    show(head, Form.TEXT)
    alive = {one["index"]: one for one in view["cosigners"]}
    if conditions is None:
        rows = [[one["index"], one["name"], "yes" if one["alive"] else "no"] for one in alive.values()]
        show_rows([("", "COSIGNER", "ANSWERS"), *rows])
        return
    names = ("", "COSIGNER", "ANSWERS", "ADDRESS", "WALLETS", "GIVEN", "REFUSED", "BANNED", "MEMORY", "CLOCK", "LOG")
    show_rows([names, *(_row(one) for one in conditions)])
    for one in conditions:
        if "error" in one:
            tell_operator(f"hyperkms: {one['error']}")


def _row(one: View) -> list[object]:
    head: list[object] = [one["index"], one["name"], "no" if "error" in one else "yes", one["address"]]
    if "error" in one:
        return [*head, *[None] * 7]
    banned = ", ".join(map(str, one.get("banned", []))) or "nobody"
    ahead, log = f"{one.get('clockAheadMs', 0):+d} ms", f"{one.get('log', '-')[:8]}, {one.get('logLines', 0)} lines"
    return [
        *head,
        *(one.get(name, 0) for name in ("wallets", "sharesGiven", "refused")),
        banned,
        one["memory"],
        ahead,
        log,
    ]


COMMANDS = (status_command, refresh_command, replace_command)
