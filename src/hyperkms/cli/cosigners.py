"""The cosigners of a service: those of a group that is described, or those that it starts itself in development."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from hyperkms.cli.layout import SOCKET
from hyperkms.cli.telling import Tell
from hyperkms.config import Config, environment_of_cosigner
from hyperkms.errors import Conflict, Malformed, Refused, Unavailable
from hyperkms.mode import Mode
from hyperkms.operations.in_shares import InShares, Turns
from hyperkms.state.durable import create_file
from hyperkms.state.name_locks import NameLocks
from hyperkms.threshold.coordinator.connecting import MOST_SOCKET
from hyperkms.threshold.coordinator.coordinator import Coordinator
from hyperkms.threshold.group import Group, Member, parse_group, read_group, require_served
from hyperkms.threshold.protocols import cosign

FOLDER = "cosigners"
GROUP = "group.json"
TURNS = "mpc.lock"
INIT_S = 60
_REQUIRED, _TOTAL = 2, 3


def is_embedded(config: Config) -> bool:
    """Whether this service starts its cosigners itself."""
    return config.mpc_enabled and config.mpc_group is None


def in_shares_of(config: Config, service: str, tell: Tell, *, create: bool) -> InShares | None:
    """The cosigners, not yet connected to; None where MPC is not enabled, or none were made yet."""
    if not config.mpc_enabled:
        return None
    if config.mpc_group is not None:
        group, folder = read_group(config.mpc_group), config.data
    else:
        folder = config.data / FOLDER
        if not create and not (folder / GROUP).exists():
            return None
        group = _embedded(config, service, folder, tell)
    _require_asked(config, group)
    if service not in group.coordinators:
        words = f"group {group.name} takes requests for other services than this one, {service}"
        raise Refused("not-a-coordinator", f"{words}: add it to `coordinators` of the group description")
    cosign.start_memory(config.memory_lock)  # no share comes here: what verifies signatures blinds itself in it
    coordinator = Coordinator(
        group,
        folder=folder,
        coordinators=config.workers,
        deployment="embedded" if is_embedded(config) else "separate",
    )
    return InShares(
        coordinator=coordinator,
        turns=Turns(NameLocks(config.data / TURNS)),
        accepts_unaudited=config.accept_unaudited_ecdsa or config.mode is Mode.DEVELOPMENT,
    )


def cosigner_command(*words: str) -> list[str]:
    """The command of this environment, for a cosigner."""
    return [sys.executable, "-c", "from hyperkms.cli.main import main; main()", "cosigner", *words]


def _embedded(config: Config, service: str, folder: Path, tell: Tell) -> Group:
    """That of the data directory; made at the first start: a directory with keys for each, then its description."""
    path = folder / GROUP
    if not path.exists():
        required, total = config.mpc_required or _REQUIRED, config.mpc_total or _TOTAL
        require_served(required, total)
        _require_short(folder / str(total) / SOCKET)
        folder.mkdir(mode=0o700, exist_ok=True)
        tell(f"hyperkms: making {total} cosigners at {folder}, each with keys of its own")
        with ThreadPoolExecutor(total) as threads:
            identities = list(threads.map(lambda index: _init(config, folder / str(index)), range(1, total + 1)))
        made = _group(service, required, identities).describe()
        parse_group(made)
        with suppress(Conflict):  # another start of this moment has made it
            create_file(path, made)
    return read_group(path)


def _group(service: str, required: int, identities: Sequence[bytes]) -> Group:
    return Group(
        name="embedded",
        threshold=required,
        members=tuple(
            Member(
                index=index,
                name=f"cosigner-{index}",
                identity=identity,
                address=f"unix:{index}/{SOCKET}",  # from the folder of the group: a data directory may be moved
                certificate=None,
            )
            for index, identity in enumerate(identities, 1)
        ),
        coordinators=(service,),
    )


def _init(config: Config, data: Path) -> bytes:
    """Make a cosigner's directory, or find it made; its identity key."""
    words = cosigner_command("init", "--data", str(data.absolute()), "--json")
    done = subprocess.run(  # noqa: S603 (this very command, on our own directory)
        words,
        env=environment_of_cosigner(config),
        cwd=data.parent,
        capture_output=True,
        timeout=INIT_S,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unavailable("cosigner-not-started", f"{data}: {said[-1] if said else 'no word of why'}")
    return bytes.fromhex(json.loads(done.stdout)["identity"])


def _require_asked(config: Config, group: Group) -> None:
    standing = (group.threshold, len(group.members))
    asked = (config.mpc_required or standing[0], config.mpc_total or standing[1])
    if asked != standing:
        words = f"MPC_THRESHOLD_REQUIRED and MPC_THRESHOLD_TOTAL ask for {asked[0]} of {asked[1]}, and group"
        raise Refused(
            "another-threshold", f"{words} {group.name} is {standing[0]} of {standing[1]}, as its shares were made"
        )


def _require_short(socket: Path) -> None:
    if sys.platform != "linux" and len(os.fsencode(socket)) > MOST_SOCKET:  # where it has no other way to be named
        words = f"{socket} is too long for a Unix socket, which takes {MOST_SOCKET} bytes: use a shorter --data"
        raise Malformed.at("--data", words, "malformed-setting")
