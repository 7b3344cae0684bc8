"""Names that a shell completes: those of the data directory, or none if it cannot be read at once."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from hyperkms.cli.places import address_of
from hyperkms.config import load_from_process, service_is_named
from hyperkms.errors import HyperkmsError
from hyperkms.state.names import clients_with, wallets_with

if TYPE_CHECKING:
    from hyperkms.state.postgresql_address import DatabaseAddress


def complete_wallets(context: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of wallets."""
    return _names(context, wallets_with, incomplete)


def complete_clients(context: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of clients."""
    return _names(context, clients_with, incomplete)


def _names(
    context: click.Context, named: Callable[["DatabaseAddress", str], Sequence[str]], incomplete: str
) -> list[str]:
    """None where a service is asked: a key press makes no request."""
    data, env_file = context.params.get("data"), context.params.get("env_file")
    try:
        if not data and (context.params.get("url") or service_is_named(env_file)):
            return []
        config = load_from_process({"data": data}, env_file)
        return list(named(address_of(config), incomplete))
    except HyperkmsError:
        return []
