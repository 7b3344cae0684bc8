"""Cards: what the operator of each host hands to whoever writes the group description. Nothing in them is secret."""

from pathlib import Path
from typing import TypeAlias

import msgspec

from hyperkms.errors import Malformed, Unavailable
from hyperkms.threshold.group import Group, Member, parse_group


class CosignerCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="cosigner"):
    """A cosigner, as it will stand among the members of a group."""

    name: str
    identity: str
    """Its Ed25519 public key, 64 hex digits."""
    address: str
    certificate: str | None = None


class CoordinatorCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="coordinator"):
    """A service that asks cosigners."""

    service: str
    """Its id, for which clients sign their requests: 32 hex digits."""
    certificate: str | None = None


Card: TypeAlias = CosignerCard | CoordinatorCard


def write_card(card: Card) -> str:
    """The file."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2).decode()


def read_card(path: Path) -> Card:
    """The card in a file."""
    try:
        card: Card = msgspec.json.decode(path.read_bytes(), type=Card)
    except OSError as error:
        raise Unavailable("group-unreadable", f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise Malformed("malformed-group", f"{path} is no card of a cosigner or a coordinator: {error}") from error
    return card


def group_of(name: str, threshold: int, cards: list[Card]) -> Group:
    """The group of these cards: cosigners in the order in which they are given; Malformed as `parse_group` says."""
    members = [card for card in cards if isinstance(card, CosignerCard)]
    services = [card for card in cards if isinstance(card, CoordinatorCard)]
    try:
        made = Group(
            name=name,
            threshold=threshold,
            members=tuple(
                Member(
                    index=index,
                    name=card.name,
                    identity=bytes.fromhex(card.identity),
                    address=card.address,
                    certificate=card.certificate,
                )
                for index, card in enumerate(members, 1)
            ),
            coordinators=tuple(card.service for card in services),
            coordinator_certificates=tuple(card.certificate for card in services if card.certificate is not None),
        )
    except ValueError as error:
        raise Malformed("malformed-group", "the identity on a card is no hex") from error
    return parse_group(made.describe())
