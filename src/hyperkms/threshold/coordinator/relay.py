"""The rounds of a protocol among cosigners: everyone's messages to whom they are for. What they say is sealed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hyperkms.errors import Tampered
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.problems import called
from hyperkms.threshold.group import Member
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import Advance, Begin, Messages, Opened

EVERYBODY = 0
MOST_ROUNDS = 24
"""No protocol has as many."""


class Ended(NamedTuple):
    """A protocol that came to its end at all of them."""

    session: bytes
    """Its id, 32 bytes, as it stands on the messages."""
    last: Mapping[int, Messages]
    """The last answer of each."""


async def run_rounds(attempt: Attempt, opened: Mapping[int, Opened]) -> Ended:
    """From the openings to the end."""
    begins = {
        index: Begin(
            session=mine.session, openings=[other.opening for place, other in opened.items() if place != index]
        )
        for index, mine in opened.items()
    }
    last = await attempt.ask_each(begins, Messages)
    session = _session(last)
    for _ in range(MOST_ROUNDS):
        going_on = [index for index, answer in last.items() if not answer.done]
        if not going_on:
            return Ended(session, last)
        mail = {index: list[bytes]() for index in opened}
        for index, answer in last.items():
            _sort(attempt.link(index).member, answer.messages, mail)
        # Who is done has nothing more to say.
        last = {index: Messages(messages=[], done=True, signature=last[index].signature) for index in opened}
        steps = {index: Advance(session=opened[index].session, messages=mail[index]) for index in going_on}
        last |= await attempt.ask_each(steps, Messages)
    words = f"the protocol did not come to an end within {MOST_ROUNDS} rounds"
    raise Tampered("cosigner-protocol-failed", words)


def _session(first: Mapping[int, Messages]) -> bytes:
    """That of any first message: a cosigner goes on only with messages of its own session."""
    for answer in first.values():
        for message in answer.messages:
            return cosign.session_of_message(message)
    raise Tampered("messages-incomplete", "the cosigners began a protocol without any message")


def _sort(member: Member, messages: list[bytes], mail: Mapping[int, list[bytes]]) -> None:
    """Put the messages of one cosigner into the boxes of their receivers."""
    for message in messages:
        sender, receiver = cosign.routing(message)
        if sender != member.index or (receiver != EVERYBODY and receiver not in mail):
            words = f"{called(member)}: it sent a message that names another sender, or nobody of the set"
            raise Tampered("message-misplaced", words, {"cosigner": member.index})
        for index, box in mail.items():
            if index != sender and receiver in {EVERYBODY, index}:
                box.append(message)
