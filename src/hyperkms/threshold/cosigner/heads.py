"""The others know how far this cosigner's record had come, and tell it: one put back to an older state is noticed.

What was signed for which nonce stands in the record. A cosigner that is shown its own signed word that the record was
longer once signs nothing more until its operator says so (`hyperkms mpc fence`).
"""

from collections.abc import Sequence
from contextlib import suppress

import hyperkms_cosign as cosign
import msgspec

from hyperkms.errors import HyperkmsError, Malformed
from hyperkms.threshold.cosigner.ourselves import Ourselves
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.group import MOST_MEMBERS
from hyperkms.threshold.wire import HEAD_PURPOSE, HEADS_KEPT, Heads, HeadsKnown, RecordHead, head_statement

MOST_HEADS = (HEADS_KEPT + 1) * MOST_MEMBERS


def exchange(cosigner: Cosigner, ask: Heads) -> HeadsKnown:
    """Keep what others have said of their records, compare what this one has, and say how far it is."""
    if len(ask.heads) > MOST_HEADS:
        raise Malformed.at("heads", f"at most {MOST_HEADS} are due")
    ourselves, counts = cosigner.ourselves, cosigner.counts
    log, lines = counts.log, counts.lines
    said = _true(ourselves, ask.heads)
    for index, member in ourselves.group.by_index.items():
        heads = [head for head in said if head.member == index]
        if index == ourselves.index:
            for head in heads:
                cosigner.witnessed.compare(head, log, lines)
        elif heads:
            cosigner.witnessed.keep(member.identity, heads)
    others = [one for index, one in ourselves.group.by_index.items() if index != ourselves.index]
    seen = [head for member in others for head in cosigner.witnessed.kept(member.identity)]
    return HeadsKnown(own=_own(cosigner, log, lines) if log else None, seen=seen)


def _own(cosigner: Cosigner, log: str, lines: int) -> RecordHead:
    said = RecordHead(member=cosigner.ourselves.index, log=log, size=lines, time=cosigner.clock(), statement=b"")
    statement = cosigner.ourselves.identity.sign_statement(HEAD_PURPOSE, head_statement(said))
    return msgspec.structs.replace(said, statement=statement)


def _true(ourselves: Ourselves, heads: Sequence[RecordHead]) -> list[RecordHead]:
    """Those that their members have signed; what is of nobody is passed over, since anyone on the way could add it."""
    found = []
    for head in heads:
        member = ourselves.group.by_index.get(head.member)
        if member is None or not 0 <= head.size < 2**63 or not 0 <= head.time < 2**63:
            continue
        with suppress(HyperkmsError):
            cosign.verify_statement(member.identity, HEAD_PURPOSE, head_statement(head), head.statement)
            found.append(head)
    return found
