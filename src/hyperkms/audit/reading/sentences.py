"""A line of the record as a sentence that a person reads."""

from collections.abc import Callable, Mapping
from typing import Any

from hyperkms.audit.reading.decisions import Decision
from hyperkms.audit.record import (
    ADMINISTRATION,
    ALTERED_ROW,
    BAN,
    DATABASE,
    FENCE,
    GROUP,
    HEAD,
    KEYED_SIGNATURE,
    KEYED_SIGNATURE_UNCHAINED,
    LIFE,
    OPENING,
    POLICY,
    REFUSAL,
    RESEAL,
    ROWS,
    SHARE,
    SIGNATURE,
    WITNESS,
)
from hyperkms.wallet import iso_time

_MOST_ORDERS = 2


def line_of(decision: Decision) -> str:
    """One line: when, who, what, and where it stands."""
    record = decision.record
    who = f"{record.get('client', '-')}"
    place = f"{decision.line.log[:8]}/{decision.line.index}"
    return printable(f"{time_of(decision)}  {who:16} {sentence(decision)}  [{place}]")


def time_of(decision: Decision) -> str:
    """RFC 3339 in UTC; a hyphen where the record has none, or none that a calendar has."""
    try:
        return iso_time(decision.time)
    except (ValueError, OverflowError):
        return "-"


def kind_of(decision: Decision) -> str:
    """The name of its kind, as docs/formats.md has it."""
    return _NAMES.get(decision.line.kind, f"kind {decision.line.kind}")


def sentence(decision: Decision) -> str:
    """What was decided."""
    say = _SENTENCES.get(decision.line.kind)
    return say(decision.record) if say else f"a record of kind {decision.line.kind}"


def signed(record: Mapping[str, Any]) -> str:
    """What was signed, or asked for, in short."""
    explained = record.get("explained")
    if isinstance(explained, str):
        return explained
    what = record.get("signed")
    if not isinstance(what, Mapping):
        return "-"
    action = what.get("action")
    if not isinstance(action, Mapping):
        return f"a message of {what.get('messageBytes', '?')} bytes"
    orders = _dicts(action, "orders")
    if action.get("type") == "order" and 0 < len(orders) <= _MOST_ORDERS:
        return "; ".join(_order(one) for one in orders)
    many = next((f" x{len(value)}" for value in action.values() if isinstance(value, list)), "")
    return f"{action.get('type')}{many}"


def _signature(record: Mapping[str, Any]) -> str:
    what = f"{record.get('operation')} {signed(record)}{_approved(record)}"
    return f"{record.get('wallet')} v{record.get('keyVersion')}: {what}"


def _approved(record: Mapping[str, Any]) -> str:
    names = [str(one.get("name")) for one in _dicts(record, "approvals")]
    return f" (approved by {', '.join(names)})" if names else ""


def _share(record: Mapping[str, Any]) -> str:
    signers = record.get("signers")
    others = ", ".join(map(str, signers)) if isinstance(signers, list) else "?"
    what = f"{record.get('operation')} {signed(record)}{_approved(record)}"
    version = f"{record.get('wallet')} v{record.get('keyVersion')} epoch {record.get('epoch')}"
    return f"{version}: share given, {what} (evidence: {record.get('evidence')}; signers {others})"


def _witness(record: Mapping[str, Any]) -> str:
    return f"the coordinator's log {str(record.get('log'))[:8]} has {record.get('size')} lines by its head"


def _ban(record: Mapping[str, Any]) -> str:
    return f"BANNED cosigner {record.get('member')}: {record.get('reason')}"


def _group(record: Mapping[str, Any]) -> str:
    member = record.get("member")
    replaced = "" if member is None else f", cosigner {member} replaced"
    return f"{record.get('operation')} {record.get('group')} ({record.get('fingerprint')}){replaced}"


def _fence(record: Mapping[str, Any]) -> str:
    backup = record.get("backup")
    of = "a directory that was put back" if backup is None else f"a restore of backup {str(backup)[:8]}"
    return f"FENCE after {of}: nonces above {record.get('nonceFloor')}, {record.get('voided')} requests void"


def _database(record: Mapping[str, Any]) -> str:
    return f"the database holds as it stands, nothing was lost: {record.get('before')} -> {record.get('now')}"


def _reseal(record: Mapping[str, Any]) -> str:
    before, after = record.get("rootKeyBefore"), record.get("rootKey")
    return f"every key was sealed anew, {record.get('keys')} now: root key {before} -> {after}"


def _change(record: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{one.get('version')} {one.get('state')}" for one in _dicts(record, "versions"))
    reason = f" ({record['reason']})" if record.get("reason") else ""
    return f"{record.get('wallet')}: {record.get('operation')}{': ' if versions else ''}{versions}{reason}"


def _client_change(record: Mapping[str, Any]) -> str:
    return f"{record.get('operation')} {record.get('subject', '')}".rstrip()


def _policy(record: Mapping[str, Any]) -> str:
    enforced = record.get("enforced")
    decides = "trade-only" if enforced is None else f"version {enforced}"
    shadow = "" if record.get("shadow") is None else f", version {record['shadow']} in shadow"
    reason = f" ({record['reason']})" if record.get("reason") else ""
    return f"{record.get('wallet')}: {record.get('operation')}: {decides} decides{shadow}{reason}"


def _refusal(record: Mapping[str, Any]) -> str:
    asked = f" {signed(record)}" if record.get("signed") else ""
    words = f"REFUSED {record.get('code')}: {record.get('reason')}"
    return f"{record.get('wallet') or '-'}: {record.get('operation')}{asked} {words}"


def _rows(record: Mapping[str, Any]) -> str:
    subjects = _dicts(record, "subjects")
    shown = [f"{one.get('kind')} {one.get('id')} at {one.get('sequence')}" for one in subjects[:_MOST_ORDERS]]
    more = f" and {len(subjects) - _MOST_ORDERS} more" if len(subjects) > _MOST_ORDERS else ""
    return f"{record.get('operation')} under store key {record.get('storeKey')}: {', '.join(shown) or 'nothing'}{more}"


def _altered_row(record: Mapping[str, Any]) -> str:
    return f"ALTERED {record.get('code')}: {record.get('reason')}"


def _opening(record: Mapping[str, Any]) -> str:
    return f"opening, hyperkms {record.get('release')}, process {record.get('pid')}"


def _head(record: Mapping[str, Any]) -> str:
    return f"head of {record.get('size')} lines, root {record.get('root')}"


_SENTENCES: Mapping[int, Callable[[Mapping[str, Any]], str]] = {
    **dict.fromkeys((1, SIGNATURE, KEYED_SIGNATURE_UNCHAINED, KEYED_SIGNATURE), _signature),
    **dict.fromkeys((2, LIFE), _change),
    **dict.fromkeys((3, ADMINISTRATION), _client_change),
    POLICY: _policy,
    SHARE: _share,
    WITNESS: _witness,
    BAN: _ban,
    GROUP: _group,
    FENCE: _fence,
    DATABASE: _database,
    RESEAL: _reseal,
    ROWS: _rows,
    ALTERED_ROW: _altered_row,
    REFUSAL: _refusal,
    OPENING: _opening,
    HEAD: _head,
}
"""By the kind of a line, that of the release before first."""


_NAMES: Mapping[int, str] = {
    **dict.fromkeys((1, SIGNATURE), "signature"),
    **dict.fromkeys((KEYED_SIGNATURE_UNCHAINED, KEYED_SIGNATURE), "signature under an Idempotency-Key"),
    **dict.fromkeys((2, LIFE), "change in the life of a wallet"),
    **dict.fromkeys((3, ADMINISTRATION), "change of a client"),
    POLICY: "change of a policy",
    SHARE: "share of a signature",
    WITNESS: "head of the coordinator's record",
    BAN: "ban of a cosigner",
    GROUP: "group of a cosigner",
    FENCE: "fence after a restore",
    DATABASE: "database moved or promoted",
    RESEAL: "keys sealed anew",
    ROWS: "signed rows",
    ALTERED_ROW: "altered rows",
    REFUSAL: "refusal",
    OPENING: "opening",
    HEAD: "tree head",
}


def printable(text: str) -> str:
    """Without what could move a terminal's cursor or change its colours."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _order(order: Mapping[str, Any]) -> str:
    side = "buy" if order.get("b") is True else "sell"
    only = ", reduce only" if order.get("r") is True else ""
    return f"{side} {order.get('s')} of asset {order.get('a')} at {order.get('p')}{only}"


def _dicts(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = record.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
