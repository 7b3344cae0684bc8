"""Decisions and proofs as the commands reach them: in the files, or by a running service. The answers are the same."""

from collections.abc import Iterator
from urllib.parse import urlencode

import msgspec

from hyperkms.audit.reading.decisions import Decision, Query, decisions, read_decision
from hyperkms.audit.reading.manifest import manifest_of
from hyperkms.audit.reading.pages import MOST
from hyperkms.audit.reading.proof import Proof, ReceiptOf, check_receipt, prove, prove_receipt
from hyperkms.cli.audit_place import Place
from hyperkms.cli.remote import Remote
from hyperkms.errors import Unavailable


def decisions_at(place: Place, query: Query) -> Iterator[Decision]:
    """The decisions that fit: by time from files, log by log from a service."""
    remote = place.remote()
    if remote is None:
        yield from decisions(place.folder(), query)
        return
    try:
        yield from _decisions_of(remote, query)
    finally:
        remote.close()


def proof_at(place: Place, log: str, index: int) -> Proof:
    """The proof of a line."""
    remote = place.remote()
    if remote is None:
        folder = place.folder()
        return prove(folder, log, index, manifest_of(folder).keys)
    try:
        answer = remote.get("/audit/proof?" + urlencode({"log": log, "index": index}))
    finally:
        remote.close()
    try:
        return msgspec.convert(answer["proof"], Proof)
    except (KeyError, msgspec.MsgspecError) as error:
        raise Unavailable("not-hyperkms", "what was answered is no proof") from error


def receipt_proof_at(place: Place, receipt: ReceiptOf) -> Proof:
    """The proof of a receipt's line; Tampered if the line is not the receipt's."""
    if not place.asks_service():
        folder = place.folder()
        return prove_receipt(folder, receipt, manifest_of(folder).keys)
    proof = proof_at(place, receipt.log, receipt.index)
    check_receipt(receipt, proof)
    return proof


def _decisions_of(remote: Remote, query: Query) -> Iterator[Decision]:
    asked = {
        "wallet": query.wallet,
        "client": query.client,
        "operation": query.operation,
        "requestId": query.request_id,
        "since": query.since,
        "until": query.until,
        "refused": None if query.refused is None else str(query.refused).lower(),
        "log": query.log,
        "index": query.index,
        "limit": MOST,
    }
    said = {name: value for name, value in asked.items() if value is not None}
    after: str | None = None
    while True:
        page = remote.get("/audit/records?" + urlencode({**said, **({"after": after} if after else {})}))
        for view in page["records"]:
            decision = read_decision(view["line"].encode())
            if decision is None:
                raise Unavailable("not-hyperkms", "what was answered is no line of a record")
            yield decision
        after = page.get("next")
        if after is None:
            return
