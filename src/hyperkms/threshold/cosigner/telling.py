"""What a cosigner says of itself and of its shares, and the head that it witnesses."""

import re

import msgspec

from hyperkms.audit.record import WitnessRecord
from hyperkms.errors import Malformed
from hyperkms.receipt import TreeHead
from hyperkms.state.share_rows import ShareRow
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import write
from hyperkms.threshold.wire import (
    PROTOCOL,
    Condition,
    Done,
    Greeting,
    Held,
    HeldShare,
    Hello,
    Shares,
    Status,
    Witness,
)
from hyperkms.wallet import parse_wallet_id

_LOG = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LONGEST_HEAD = 2_000
MOST_SIZE = 2**53 - 1
MOST_SHOWN = 1_000
"""Shares of one answer: each takes less than 1 KiB, and a frame has 2 MiB."""


def greet(cosigner: Cosigner, ask: Hello) -> Greeting:
    """Who it is; Malformed for another protocol."""
    if ask.protocol != PROTOCOL:
        words = f"the coordinator speaks protocol {ask.protocol}, this cosigner {PROTOCOL}: run the same release"
        raise Malformed.at("protocol", words)
    ourselves = cosigner.ourselves
    return Greeting(
        protocol=PROTOCOL,
        group=ourselves.group.id,
        index=ourselves.index,
        identity=ourselves.identity.public_key,
        release=cosigner.release,
    )


def status(cosigner: Cosigner, _ask: Status) -> Condition:
    """How it is."""
    counts = cosigner.counts
    return Condition(
        index=cosigner.ourselves.index,
        wallets=cosigner.holding.rows.wallets(),
        signed=counts.given,
        refused=counts.refused,
        banned=sorted(cosigner.bans.members),
        log=counts.log,
        head_size=counts.lines,
        memory=cosigner.ourselves.lock,
        time=cosigner.clock(),
    )


def shares(cosigner: Cosigner, ask: Shares) -> Held:
    """The shares it holds, and the newest of those it held, as many as a frame has room for; of no use to sign with."""
    wallet = None if ask.wallet is None else parse_wallet_id(ask.wallet)
    rows = cosigner.holding.rows.all(wallet)
    held = [row for row in rows if not row.is_destroyed]
    room = max(0, MOST_SHOWN - len(held))
    past = sorted((row for row in rows if row.is_destroyed), key=lambda row: row.created_at)[-room:] if room else []
    shown = sorted([*held[:MOST_SHOWN], *past], key=lambda row: (row.wallet, row.version, row.epoch))
    return Held(shares=[_held(row) for row in shown])


def witness(cosigner: Cosigner, ask: Witness) -> Done:
    """Write the head down, durable on return."""
    if not _LOG.fullmatch(ask.log) or not 0 <= ask.size <= MOST_SIZE or len(ask.head) > _LONGEST_HEAD:
        raise Malformed.at("log", "the id of a log, the size of its head and the head itself are due")
    try:
        head = msgspec.json.decode(ask.head, type=TreeHead)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed.at("head", "a tree head as receipts have it is due") from error
    if head.size != ask.size:
        raise Malformed.at("size", f"the head is of {head.size} lines")
    cosigner.witnessing.take("heads that a cosigner witnesses")
    write(cosigner, WitnessRecord(time=cosigner.clock(), log=ask.log, size=ask.size, head=ask.head))
    return Done()


def _held(row: ShareRow) -> HeldShare:
    return HeldShare(
        name=Place(wallet=row.wallet, version=row.version, epoch=row.epoch).name,
        state=row.state.value,
        key_type=row.key_type.value,
        network=row.network,  # type: ignore[arg-type]  # it is one of them: the table holds what `Making` had
        public_key=row.public_key,
        group_key=row.group_key,
        acknowledgement=row.acknowledgement,
        session=row.session,
    )
