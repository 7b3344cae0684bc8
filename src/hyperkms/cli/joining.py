"""A cosigner joins a group, or follows it when another member is replaced: by the word of its operator alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hyperkms.audit.record import GroupRecord, LifeRecord, Record, VersionRecord
from hyperkms.cli.assemble_cosigner import (
    GROUP,
    LOCK,
    NEXT_GROUP,
    Directory,
    alone,
    opened_directory,
    standing_group,
)
from hyperkms.cli.operator import actor
from hyperkms.config import Config
from hyperkms.errors import HyperkmsError, NotFound, Refused
from hyperkms.state.durable import create_file, replace_file, sync
from hyperkms.state.share_rows import ShareRow, ShareRows
from hyperkms.threshold.certificates import CERTIFICATE, read_certificate
from hyperkms.threshold.cosigner.ourselves import Ourselves
from hyperkms.threshold.cosigner.rebinding import Rebinding
from hyperkms.threshold.group import Group, parse_group
from hyperkms.threshold.replacement import Replacement, replacement_of, require_fingerprint, require_reachable


class Manner(Enum):
    """What the operator says that it is."""

    JOIN = "join"
    """The first group of this cosigner, or the same members described anew."""
    REPLACE = "replace"
    """The same group with one member replaced."""


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What was done."""

    group: Group
    index: int
    changed: bool
    replaced: Replacement | None = None
    bound: int = 0
    """Shares that were bound to the new group."""


def join(config: Config, group: Group, typed: str, manner: Manner) -> Joined:
    """Trust this group from here on, durable on return.

    1. The fingerprint is what the operator typed; this cosigner is a member, with its own certificate.
    2. It joins a first group, or the same members described anew; or one member is replaced, if that is what it is.
    Refused otherwise, and Unavailable while the cosigner runs: it has read its group when it started.
    """
    require_fingerprint(group, typed)  # (1)
    require_reachable(group)
    with opened_directory(config, create=False) as directory, alone(config.data / LOCK):
        ourselves = Ourselves.of(group, directory.identity, directory.root, directory.lock)
        _require_certificate(config.data, group, ourselves.index)
        standing = standing_group(config.data)
        if manner is Manner.REPLACE:  # (2)
            return _replace(config, directory, standing, group, ourselves.index)
        return _join(config.data, directory, standing, group, ourselves.index)


def _join(data: Path, directory: Directory, standing: Group | None, group: Group, index: int) -> Joined:
    if (data / NEXT_GROUP).exists():
        words = "the replacement of a member was cut off here: give the same `hyperkms mpc join --replace` once more"
        raise Refused("replacement-unfinished", words)
    if standing == group:
        return Joined(group=group, index=index, changed=False)
    if standing is not None and standing.id != group.id:
        words = f"this cosigner is in group {standing.name} ({standing.fingerprint}), and this has other members"
        raise Refused("wrong-group", f"{words}: if one was replaced, say --replace; else use another directory")
    _write_down(directory, [_line(directory, "join-group" if standing is None else "describe-group", group)])
    if standing is None:
        create_file(data / GROUP, group.describe())
    else:
        replace_file(data / GROUP, group.describe())
    return Joined(group=group, index=index, changed=True)


def _replace(config: Config, directory: Directory, standing: Group | None, group: Group, index: int) -> Joined:
    """Bind every share to the group in which another member stands in the place of the lost one.

    1. Note the new group: from here on nothing is served until it is done.
    2. Bind the shares, all in one transaction; its lines in the record come before. Secrets with them as they were
    before are destroyed by the cosigner once it runs.
    3. The new group takes the place of the one before.
    Cut off anywhere, the same call again finishes it.
    """
    if standing is None:
        words = "this cosigner is in no group yet, so nobody is replaced here: join without --replace"
        raise NotFound("group-not-found", words)
    if standing == group:
        return Joined(group=group, index=index, changed=False)
    replaced = replacement_of(standing, group)
    if replaced.index == index:
        words = f"the member that is replaced, {replaced.before.name}, is this cosigner"
        raise Refused("not-a-replacement", f"{words}: its successor joins on the new host, without --replace")
    data = config.data
    is_new = _note(data / NEXT_GROUP, group)  # (1)
    try:
        bound = _rebind(directory, standing, group, replaced.index)  # (2)
    except HyperkmsError:
        if is_new:  # nothing was bound to it
            (data / NEXT_GROUP).unlink()
        raise
    (data / NEXT_GROUP).replace(data / GROUP)  # (3)
    sync(data)
    return Joined(group=group, index=index, changed=True, replaced=replaced, bound=bound)


def _note(path: Path, group: Group) -> bool:
    """Whether it was not noted before; Refused if another one was, to which shares may be bound."""
    if not path.exists():
        replace_file(path, group.describe())
        return True
    begun = parse_group(path.read_bytes())
    if begun != group:
        words = f"the replacement with group {begun.name} ({begun.fingerprint}) was cut off here: finish that one first"
        raise Refused("replacement-unfinished", words)
    return False


def _rebind(directory: Directory, standing: Group, group: Group, member: int) -> int:
    before = Ourselves.of(standing, directory.identity, directory.root, directory.lock)

    def before_commit(rows: Sequence[ShareRow]) -> None:
        lines: list[Record] = [_rebound(directory, row, group) for row in rows]
        _write_down(directory, [*lines, _line(directory, "replace-cosigner", group, member)])

    rows, wallets = ShareRows(directory.parts.database), directory.parts.wallets
    return len(Rebinding(before, group, directory.sealed).run(rows, wallets, before_commit))


def _require_certificate(data: Path, group: Group, index: int) -> None:
    named = group.by_index[index].certificate
    if named is None:
        return
    if not (data / CERTIFICATE).exists() or read_certificate(data) != named:
        words = f"the certificate that the description names for {group.by_index[index].name} is not the one in {data}"
        raise Refused("certificate-unknown", f"{words}: give its operators what `hyperkms mpc card` prints here")


def _line(directory: Directory, operation: str, group: Group, member: int | None = None) -> GroupRecord:
    return GroupRecord(
        time=directory.parts.clock(),
        client=actor().client,
        operation=operation,
        group=group.name,
        group_id="0x" + group.id.hex(),
        fingerprint=group.fingerprint,
        member=member,
    )


def _rebound(directory: Directory, row: ShareRow, group: Group) -> LifeRecord:
    who = actor()
    return LifeRecord(
        time=directory.parts.clock(),
        request_id=who.request_id,
        client=who.client,
        wallet=row.wallet,
        operation="rebind-share",
        versions=[VersionRecord(version=row.version, state=row.state.value, public_key="0x" + row.public_key.hex())],
        reason=f"epoch {row.epoch}, to group {group.name} ({group.fingerprint})",
    )


def _write_down(directory: Directory, lines: Sequence[Record]) -> None:
    """All of them, durable on return."""
    for ticket in [directory.parts.record.append(line) for line in lines]:
        ticket.wait()
