"""Counting what a client does, where that may wait: several instances count in the database they share."""

from hyperkms.access.clients import Client
from hyperkms.access.limits import What
from hyperkms.http.signed import InThread
from hyperkms.operations.parts import Parts
from hyperkms.state.waiting import MustWait, without_waiting


async def take_limit(parts: Parts, in_thread: InThread, client: Client, what: What, amount: int = 1) -> None:
    """Count it, here or in a thread; Limited when it is too much."""
    try:
        with without_waiting():
            parts.limits.take(client.number, what, amount)
    except MustWait:
        await in_thread(parts.limits.take, client.number, what, amount)
