"""`hyperkms status`: of a running service, or of a data directory."""

import sys
from collections.abc import Iterator

import click

from hyperkms.cli.desk import View, built, opened
from hyperkms.cli.printing import FORM, Form, show_json, show_rows
from hyperkms.cli.remote import Remote
from hyperkms.cli.running import is_served
from hyperkms.cli.target import Target, with_target
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.errors import Forbidden, HyperkmsError, Unavailable


@click.command()
@with_target
@FORM
def status(target: Target, form: Form) -> None:
    """Say whether it is alive and can sign, and what it holds; exit status 0 only if it could sign now."""
    remote = target.remote()
    view = _of_service(remote) if remote else _of_directory(target.settings())
    if form is Form.JSON:
        show_json(view)
    else:
        show_rows(_rows(view))
    sys.exit(0 if view["ready"] else 1)


def _of_service(remote: Remote) -> View:
    try:
        remote.get("/health")
    except Unavailable as error:
        return {"target": remote.url, "alive": False, **_not_ready(error)}
    try:
        answer = remote.get("/status")
    except Forbidden:
        tell_operator("hyperkms: what it holds is told to an administrator only; HYPERKMS_API_KEY is another client's")
        answer = _open_part(remote)
    return {"target": remote.url, "alive": True, **answer}


def _open_part(remote: Remote) -> View:
    try:
        remote.get("/ready")
    except Unavailable as error:
        return _not_ready(error)
    return {"ready": True, "notReady": None}


def _of_directory(config: Config) -> View:
    head = {"target": str(config.data), "alive": is_served(config.data)}
    try:
        with opened(config, create=False) as parts:
            from hyperkms.http.status_views import status_view  # noqa: PLC0415 (as in `desk.opened`)
            from hyperkms.operations.status import status as status_of  # noqa: PLC0415

            return {**head, **built(status_view(status_of(parts), parts.mode))}
    except HyperkmsError as error:
        return {**head, **_not_ready(error)}


def _not_ready(error: HyperkmsError) -> View:
    return {"ready": False, "notReady": {"code": error.code, "error": error.message}}


def _rows(view: View) -> Iterator[tuple[str, str]]:
    yield "target", view["target"]
    yield "alive", "yes: a service answers or holds the directory" if view["alive"] else "no service runs on it"
    wrong = view["notReady"]
    yield "ready", f"no: {wrong['error']} [{wrong['code']}]" if wrong else "yes: it could sign now"
    if "wallets" not in view:
        return
    yield "version", f"{view['version']} ({view['mode']})"
    yield "service", f"{view['service']} (HYPERKMS_SERVICE of clients that sign their requests)"
    yield "memory", view["memory"]
    yield "wallets", f"{view['wallets']['live']}; {view['wallets']['retired']} retired"
    yield "clients", f"{view['clients']['active']}; {view['clients']['ended']} revoked or expired"
    yield "last sweep", view["lastSweepAt"] or "never"
    records = view["records"]
    yield "record", f"{records['files']} files, {records['bytes']} bytes; newest {records.get('newest', '-')}"
    if records.get("durability") == "os":
        yield "", "a signature leaves before its record is on the disk (HYPERKMS_AUDIT_DURABILITY=os)"
    yield "pending", f"{view['pending']['count']} versions wait for their activation"
    for one in view["pending"]["first"]:
        yield "", f"{one['walletId']} version {one['version']}, since {one['createdAt']}"
    yield "in grace", f"{view['inGrace']['count']} versions"
    for one in view["inGrace"]["first"]:
        yield "", f"{one['walletId']} version {one['version']}, until {one['expiresAt']}"
