"""The lines of a cosigner's record: durable before what they tell of leaves."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from hyperkms.access.authority import Decision
from hyperkms.audit.record import (
    ApprovalRecord,
    LifeRecord,
    Objection,
    Record,
    RefusalRecord,
    ShareRecord,
    VersionRecord,
)
from hyperkms.audit.sink import Group
from hyperkms.errors import HyperkmsError, Limited, Unavailable
from hyperkms.state.share_rows import ShareRow
from hyperkms.threshold.cosigner.judging import Judged
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.wire import Asker, OpenSigning, SignShare
from hyperkms.wallet_life import Change

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,39}", re.ASCII)
_WALLET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LONGEST = 64


class _Typed(msgspec.Struct, frozen=True):
    type: str


def write(cosigner: Cosigner, record: Record) -> None:
    """Return once the line is durable; Unavailable if it cannot be."""
    group = Group()
    ticket = group.add(record)
    if not cosigner.record.write_here(group):
        cosigner.record.append_group(group)
    position = ticket.wait()
    cosigner.counts.wrote(position.log, position.index)


def share_given(cosigner: Cosigner, judged: Judged, session: bytes) -> ShareRecord:
    """The line of a share of a signature."""
    row, evidence, decision = judged.held.row, judged.evidence, judged.decision
    return ShareRecord(
        time=cosigner.clock(),
        request_id=evidence.request_id,
        client=evidence.client,
        evidence=evidence.kind,
        request=evidence.request,
        position=judged.intent.position,
        wallet=row.wallet,
        key_version=row.version,
        epoch=row.epoch,
        public_key="0x" + row.public_key.hex(),
        operation=judged.intent.operation,
        signed=judged.to_sign.signed,
        digest="0x" + judged.promise.digest.hex(),
        session="0x" + session.hex(),
        signers=sorted(judged.signers),
        explained=judged.explained,
        policy=None if decision is None else decision.policy,
        grant=None if decision is None or evidence.found is None else decision.grant,
        reserved=UNSET if decision is None else _counted(decision) or UNSET,
        shadow=UNSET if decision is None else _objection(decision),
        approvals=UNSET if decision is None else _approvals(decision) or UNSET,
    )


def share_refused(cosigner: Cosigner, ask: OpenSigning | SignShare, error: HyperkmsError) -> None:
    """Write down that it was refused; Limited in its place where there are too many of them.

    What was away is no decision, and has no line.
    """
    cosigner.counts.refuse()
    if isinstance(error, Unavailable | Limited):
        return
    cosigner.lines.take("refusals that a cosigner writes down")
    rule, policy = error.details.get("rule"), error.details.get("policy")
    write(
        cosigner,
        RefusalRecord(
            time=cosigner.clock(),
            request_id=_short(ask.asker.request_id),
            client=_short(ask.asker.client),
            wallet=ask.share.wallet if _WALLET.fullmatch(ask.share.wallet) else None,
            operation=_short(ask.intent.operation),
            code=error.code,
            reason=error.message,
            rule=rule if isinstance(rule, str) else None,
            detail=error.details,
            policy=policy if isinstance(policy, str) else None,
            signed=_asked(ask),
            explained=None,
        ),
    )


def changed(cosigner: Cosigner, asker: Asker, row: ShareRow, operation: str, state: str) -> LifeRecord:
    """The line of a share that came into another state."""
    return LifeRecord(
        time=cosigner.clock(),
        request_id=_short(asker.request_id),
        client=_short(asker.client),
        wallet=row.wallet,
        operation=operation,
        versions=[VersionRecord(version=row.version, state=state, public_key="0x" + row.public_key.hex())],
        reason=f"epoch {row.epoch}",
    )


def versions_changed(change: Change, asker: Asker, operation: str, *, now: int) -> LifeRecord:
    """The line of versions that came into another state at this cosigner; the asker is `evidence.named`."""
    return LifeRecord(
        time=now,
        request_id=asker.request_id,
        client=asker.client,
        wallet=change.wallet.id,
        operation=operation,
        versions=[
            VersionRecord(version=one.number, state=one.state.value, public_key=one.public_key_text)
            for one in change.versions
        ],
        reason=None,
    )


def _asked(ask: OpenSigning | SignShare) -> Mapping[str, Any]:
    """What can be said of it without having read it: its type alone, since the rest may be anything."""
    intent = ask.intent
    if intent.form != "action":
        return {"messageBytes": len(intent.message)}
    try:
        name: str | None = msgspec.json.decode(intent.action, type=_Typed).type
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        name = None
    return {"action": {"type": name if name and _TYPE.fullmatch(name) else None}}


def _short(text: str) -> str:
    """What a coordinator says, as far as a line repeats it."""
    return "".join(one if one.isprintable() else "?" for one in text[:_LONGEST])


def _counted(decision: Decision) -> list[list[int]]:
    return [one for taken in (decision.reservation, decision.watched) if taken for one in taken.shown]


def _approvals(decision: Decision) -> list[ApprovalRecord]:
    return [ApprovalRecord(name=one.name, key=one.key, id=one.id, until=one.until) for one in decision.approved]


def _objection(decision: Decision) -> Objection | msgspec.UnsetType:
    watched = decision.would_refuse
    if watched is None:
        return UNSET
    return Objection(policy=watched.policy, rule=watched.refusal.rule, words=watched.refusal.words)
