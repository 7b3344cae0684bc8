"""Heads, proofs and decisions as bodies of answers."""

from hyperkms.audit.forms import Head
from hyperkms.audit.reading.decisions import Decision
from hyperkms.audit.reading.proof import Proof
from hyperkms.audit.reading.sentences import printable, sentence
from hyperkms.http.audit_schemas import DecisionView, HeadsAnswer, HeadView, LogHeadView, ProofAnswer, ProofView
from hyperkms.operations.audit import Heads


def heads_view(found: Heads) -> HeadsAnswer:
    """A page of heads."""
    views = [
        LogHeadView(log=one.log, closed=one.is_closed, head=head_view(one.head) if one.head else None)
        for one in found.logs
    ]
    return HeadsAnswer(success=True, heads=views, keys=found.keys, next=found.next)


def head_view(head: Head) -> HeadView:
    """A head."""
    return HeadView(time=head.time, size=head.size, root=head.root, key_id=head.key_id, signature=head.signature)


def proof_view(proof: Proof) -> ProofAnswer:
    """A proof."""
    view = ProofView(
        v=1,
        log=proof.log,
        index=proof.index,
        line=proof.line,
        tree_size=proof.tree_size,
        root=proof.root,
        path=proof.path,
        head=head_view(proof.head),
        public_key=proof.public_key,
    )
    return ProofAnswer(success=True, proof=view)


def decision_view(decision: Decision) -> DecisionView:
    """A decision, with a sentence of it."""
    line = decision.line
    return DecisionView(
        log=line.log,
        index=line.index,
        kind=line.kind,
        time=decision.time,
        what=printable(sentence(decision)),
        line=decision.text.decode(),
        record=decision.record,
    )
