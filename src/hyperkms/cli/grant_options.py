"""What `client create` and `client grant` say of grants."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from hyperkms.access.policy.document import read_limits
from hyperkms.cli.policy_file import read_file
from hyperkms.http.client_schemas import ActionClassName

ACTIONS = click.option(
    "--actions",
    multiple=True,
    type=click.Choice(get_args(ActionClassName)),
    help="A class of actions it may sign; without one, whatever the wallet's policy allows.",
)


def _read(_context: click.Context, _option: click.Parameter, path: Path | None) -> Any:
    return None if path is None else msgspec.to_builtins(read_limits(read_file(path)))


LIMITS = click.option(
    "--limits",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    callback=_read,
    metavar="FILE",
    help="Rules, in TOML or JSON, that must hold beside those of the policy (docs/policy.md).",
)


def grants_body(
    wallets: Sequence[str], allow: Sequence[str], actions: Sequence[str], limits: Any, expires: int | None
) -> dict[str, Any]:
    """The members of a body; what was not said is left out."""
    body: dict[str, Any] = {}
    for name, words in (("wallets", wallets), ("allow", allow), ("actions", actions)):
        if words:
            body[name] = list(words)
    if limits is not None:
        body["limits"] = limits
    if expires is not None:
        body["expiresInDays"] = expires
    return body


def grant_words(view: dict[str, Any]) -> str:
    """What holds a grant to something, for a person."""
    words = []
    if "actions" in view:
        words.append(f"actions {', '.join(view['actions'])}")
    if "limits" in view:
        words.append(f"limits {json.dumps(view['limits']['rules'])}")
    if "expiresAt" in view:
        words.append(f"until {view['expiresAt']}")
    return "; ".join(words)
