"""The cosigners of a service with MPC_ENABLED: who can be reached, and what they are good for where they run."""

import socket
from collections.abc import Iterator
from pathlib import Path

from hyperkms.cli.checks.finding import Finding, bad, good, note
from hyperkms.cli.cosigners import FOLDER, GROUP, is_embedded
from hyperkms.cli.running import is_served
from hyperkms.config import Config
from hyperkms.errors import HyperkmsError
from hyperkms.mode import Mode
from hyperkms.operations.in_shares import PROTECTS
from hyperkms.threshold.coordinator.connecting import UNIX
from hyperkms.threshold.group import Group, Member, read_group

TIMEOUT_S = 3.0


def cosigners(config: Config) -> Iterator[Finding]:
    """Each one that listens, or why it cannot be reached; nothing is asked of it."""
    if not config.mpc_enabled:
        return
    yield from _manner(config)
    embedded = is_embedded(config)
    folder = config.data / FOLDER if embedded else config.data
    file = folder / GROUP if config.mpc_group is None else config.mpc_group
    if embedded and not file.exists():
        yield note("cosigners", "none were made yet", "`hyperkms serve` makes them at its first start")
        return
    try:
        group = read_group(file)
    except HyperkmsError as error:
        yield bad("cosigners", error.message, f"docs/troubleshooting.md has an entry {error.code}")
        return
    if embedded and not is_served(config.data):
        yield note("cosigners", "they run while the service runs, and it does not", "start it, and look again")
        return
    yield from _reached(group, folder)


def _manner(config: Config) -> Iterator[Finding]:
    if is_embedded(config):
        words = f"this service starts them itself: that {PROTECTS['embedded']}"
        yield note("cosigners", words, "describe a group on other hosts: docs/mpc.md, HYPERKMS_MPC_GROUP")
    if config.mode is Mode.DEVELOPMENT or config.accept_unaudited_ecdsa:
        words = "secp256k1 in shares is signed by DKLs23, of which nobody has published an audit"
        yield note("cosigners", words, "weigh it: docs/choosing.md")


def _reached(group: Group, folder: Path) -> Iterator[Finding]:
    away = 0
    for member in group.members:
        why = _why_not_reached(member, folder)
        away += why is not None
        where = f"{member.name} at {member.address}"
        if why is None:
            yield good("cosigner", f"{where} listens")
        else:
            yield note("cosigner", f"{where}: {why}", "start it, or mend the way to it")
    left = len(group.members) - away - group.threshold
    words = f"{group.threshold} of {len(group.members)} sign, and {len(group.members) - away} can be reached"
    if left < 0:
        yield bad("quorum", f"{words}: nothing is signed in shares", "start those that are named above")
    elif away:
        yield note("quorum", f"{words}: no key is made, rotated or refreshed", "start those that are named above")
    else:
        yield good("quorum", words)


def _why_not_reached(member: Member, folder: Path) -> str | None:
    """The reason; None if somebody takes the connection. Whether it is this cosigner, TLS tells the service."""
    try:
        if member.address.startswith(UNIX):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
                asking.settimeout(TIMEOUT_S)
                asking.connect(str(folder / member.address.removeprefix(UNIX)))
            return None
        host, _, port = member.address.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S):
            return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        return reason or type(error).__name__
