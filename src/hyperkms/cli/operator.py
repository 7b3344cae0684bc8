"""Who works on a data directory with a command: whoever may read it, named by the number of the user."""

import os
import secrets

from hyperkms.access.clients import Role, client
from hyperkms.operations.caller import Caller
from hyperkms.operations.changing import Actor


def operator() -> Caller:
    """The caller of this one command, for the record."""
    return Caller(client(f"cli:uid-{os.geteuid()}", Role.ADMINISTRATOR), secrets.token_hex(8))


def actor() -> Actor:
    """The same for a change in the life of a wallet."""
    caller = operator()
    return Actor(caller.client.name, caller.request_id)
