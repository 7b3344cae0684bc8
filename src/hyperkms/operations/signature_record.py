"""The line of a signature in the record, and the receipt that names it."""

from typing import Any

import msgspec
from msgspec import UNSET

from hyperkms.access.authority import Decision, Watched
from hyperkms.audit.record import ApprovalRecord, KeyedSignatureRecord, Objection, SignatureRecord
from hyperkms.audit.sink import Position
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.caller import Caller
from hyperkms.operations.parts import Parts
from hyperkms.receipt import CosignedBy, Receipt


class Made(msgspec.Struct, frozen=True):
    """A signature, and what of."""

    signature: str
    digest: str
    operation: str
    signed: dict[str, Any]
    explained: str
    decision: Decision | None = None
    cosigned: CosignedBy | None = None
    """Of a wallet in shares."""


def record_of(parts: Parts, caller: Caller, signer: Signer, made: Made) -> SignatureRecord:
    """Its line; with the Idempotency-Key if it is signed under one."""
    decision = made.decision
    record = SignatureRecord(
        time=parts.clock(),
        request_id=caller.request_id,
        client=caller.client.name,
        wallet=signer.wallet.id,
        key_version=signer.version.number,
        public_key=signer.version.public_key_text,
        operation=made.operation,
        signed=made.signed,
        digest=made.digest,
        signature=made.signature,
        explained=made.explained,
        policy=None if decision is None else decision.policy,
        grant=None if decision is None else decision.grant,
        reserved=UNSET if decision is None else _counted(decision) or UNSET,
        shadow=UNSET if decision is None or decision.would_refuse is None else _objection(decision.would_refuse),
        cosigned=made.cosigned or UNSET,
        approvals=UNSET if decision is None else _approvals(decision) or UNSET,
    )
    if caller.under is None:
        return record
    key, fingerprint = caller.under.key, "0x" + caller.under.fingerprint.hex()
    return KeyedSignatureRecord(**msgspec.structs.asdict(record), idempotency_key=key, fingerprint=fingerprint)


def _counted(decision: Decision) -> list[list[int]]:
    """All that limits over time have counted for it, those that only watch included."""
    if decision.watched is None:
        return [] if decision.reservation is None else decision.reservation.shown
    return [one for taken in (decision.reservation, decision.watched) if taken for one in taken.shown]


def _approvals(decision: Decision) -> list[ApprovalRecord]:
    return [ApprovalRecord(name=one.name, key=one.key, id=one.id, until=one.until) for one in decision.approved]


def _objection(watched: Watched) -> Objection:
    return Objection(policy=watched.policy, rule=watched.refusal.rule, words=watched.refusal.words)


def receipt_of(position: Position, record: SignatureRecord) -> Receipt:
    """The receipt of a signature whose record stands there."""
    return Receipt(
        log=position.log,
        index=position.index,
        request_id=record.request_id,
        key_version=record.key_version,
        digest=record.digest,
        leaf_hash=f"0x{position.leaf_hash}",
        durability=position.durability,
        head=position.head,
        cosigned=record.cosigned,
    )
