"""Which decisions a command is about."""

import functools
from collections.abc import Callable
from typing import Any

import click

from hyperkms.audit.reading.decisions import Query
from hyperkms.audit.reading.times import parse_since, parse_until
from hyperkms.cli.clock import clock
from hyperkms.cli.names import complete_clients, complete_wallets

_OPTIONS = (
    click.option("--wallet", metavar="ID", shell_complete=complete_wallets, help="Of this wallet."),
    click.option("--client", metavar="NAME", shell_complete=complete_clients, help="By this client, or about it."),
    click.option("--operation", metavar="NAME", help="Such as sign-action, rotate, create-client."),
    click.option("--request-id", metavar="ID", help="Of this request (X-Request-Id, or a receipt's requestId)."),
    click.option("--since", metavar="TIME", help="A day, a time in UTC, or a span until now: 2026-11-28, 24h."),
    click.option("--until", metavar="TIME", help="The same; a day ends with its last moment."),
    click.option("--refused", is_flag=True, help="Refusals alone."),
)


def with_query(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the filters; it gets them as `query`."""

    @functools.wraps(command)
    def gathered(
        *,
        wallet: str | None,
        client: str | None,
        operation: str | None,
        request_id: str | None,
        since: str | None,
        until: str | None,
        refused: bool,
        **options: Any,
    ) -> Any:
        now = clock()
        query = Query(
            wallet=wallet,
            client=client,
            operation=operation,
            request_id=request_id,
            since=None if since is None else parse_since(since, now, "--since"),
            until=None if until is None else parse_until(until, now, "--until"),
            refused=True if refused else None,
        )
        return command(query=query, **options)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered
