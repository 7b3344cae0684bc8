"""What members of the group say under their identity keys, and this cosigner believes if so many say it."""

from collections.abc import Sequence

import hyperkms_cosign as cosign

from hyperkms.threshold.cosigner.ourselves import Ourselves
from hyperkms.threshold.wire import Word


def said_by(ourselves: Ourselves, purpose: str, statement: bytes, words: Sequence[Word]) -> frozenset[int]:
    """The other members whose words these are; Tampered for a word that is not its member's."""
    said = {word.member: word for word in words if word.member in ourselves.group.by_index}
    for index, word in said.items():
        identity = ourselves.group.by_index[index].identity
        cosign.verify_statement(identity, purpose, statement, word.statement)
    return frozenset(said) - {ourselves.index}


def said_by_quorum(ourselves: Ourselves, purpose: str, statement: bytes, words: Sequence[Word]) -> bool:
    """Whether t others say so: as many as sign, so that one of them at least is true."""
    return len(said_by(ourselves, purpose, statement, words)) >= ourselves.group.threshold
