"""A group of cosigners: who they are and where they listen, as a file that operators compare by its fingerprint."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import msgspec

from hyperkms.errors import Malformed, NotFound, Unavailable

FEWEST_SIGNERS = 2
MOST_MEMBERS = 5
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_LABEL = b"hyperkms group v1"
_LONGEST_CERTIFICATE = 4096


class _Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    identity: str
    address: str
    certificate: str | None = None


class _Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    format: int
    group: str
    threshold: int
    coordinators: list[str]
    coordinator_certificates: list[str] = []
    members: list[_Member]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One cosigner of a group."""

    index: int
    """From 1, its place in the file; shares are bound to it."""
    name: str
    identity: bytes
    """Its Ed25519 public key, 32 bytes."""
    address: str
    """`unix:/path/of/a/socket`, or `host:port` over TLS 1.3."""
    certificate: str | None
    """For TLS: its certificate, base64 of DER; no other is accepted, whoever signed it."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """t of n cosigners: any t of them sign, and fewer know nothing of a key."""

    name: str
    threshold: int
    members: tuple[Member, ...]
    coordinators: tuple[str, ...]
    """The service ids, 32 hex digits each, for which a client's signed request may be meant."""
    coordinator_certificates: tuple[str, ...] = ()
    """For TLS: every certificate with which a coordinator may connect, base64 of DER."""

    @cached_property
    def id(self) -> bytes:
        """32 bytes over t, n and the identity keys in their order: a change of any makes another group."""
        counts = bytes([self.threshold, len(self.members)])
        return sha256(_LABEL + counts + b"".join(member.identity for member in self.members)).digest()

    @property
    def fingerprint(self) -> str:
        """As operators read it to each other: 8 groups of 4 hex digits of SHA-256 over all that the file says."""
        digits = sha256(self.describe()).hexdigest()
        return " ".join(digits[place : place + 4] for place in range(0, 32, 4))

    @property
    def identities(self) -> Sequence[bytes]:
        """Those of the members in their order."""
        return [member.identity for member in self.members]

    @cached_property
    def by_index(self) -> Mapping[int, Member]:
        """The members by their index."""
        return {member.index: member for member in self.members}

    def describe(self) -> bytes:
        """The file: JSON, the same bytes for the same group."""
        description = _Description(
            format=1,
            group=self.name,
            threshold=self.threshold,
            coordinators=list(self.coordinators),
            coordinator_certificates=list(self.coordinator_certificates),
            members=[
                _Member(
                    name=member.name,
                    identity=member.identity.hex(),
                    address=member.address,
                    certificate=member.certificate,
                )
                for member in self.members
            ],
        )
        return msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n"


def read_group(path: Path) -> Group:
    """The group that a file describes; NotFound if there is none, Malformed with the member that is wrong."""
    try:
        text = path.read_bytes()
    except FileNotFoundError as missing:
        raise NotFound("group-not-found", f"there is no group description {path}") from missing
    except OSError as error:
        raise Unavailable("group-unreadable", f"{path}: {error.strerror}") from error
    return parse_group(text)


def parse_group(text: bytes) -> Group:
    """Malformed unless 2 <= t <= n <= 5 with t > n / 2, and names and identity keys are all different."""
    try:
        described = msgspec.json.decode(text, type=_Description)
    except msgspec.ValidationError as error:
        raise Malformed("malformed-group", f"the group description is not of its form: {error}") from error
    except msgspec.DecodeError as error:
        raise Malformed("malformed-group", "the group description is no JSON") from error
    if described.format != 1:
        raise Malformed("malformed-group", f"the group description has format {described.format}; this reads 1")
    group = Group(
        name=_named(described.group, "group"),
        threshold=described.threshold,
        members=tuple(_member(index, member) for index, member in enumerate(described.members, 1)),
        coordinators=tuple(_hex(each, 16, "coordinators") for each in described.coordinators),
        coordinator_certificates=tuple(
            _certificate(each, "coordinatorCertificates") for each in described.coordinator_certificates
        ),
    )
    _check(group)
    return group


def _member(index: int, member: _Member) -> Member:
    where = f"members[{index - 1}]"
    return Member(
        index=index,
        name=_named(member.name, f"{where}.name"),
        identity=bytes.fromhex(_hex(member.identity, 32, f"{where}.identity")),
        address=member.address,
        certificate=None if member.certificate is None else _certificate(member.certificate, f"{where}.certificate"),
    )


def require_served(threshold: int, members: int) -> None:
    """Malformed unless 2 <= t <= n <= 5 with t > n / 2: two halves of a group could sign different things."""
    if not FEWEST_SIGNERS <= threshold <= members <= MOST_MEMBERS or 2 * threshold <= members:
        words = f"{threshold} of {members} is no threshold that is served: at least 2, and more than half of at most"
        raise Malformed("unsupported-threshold", f"{words} {MOST_MEMBERS}")


def _check(group: Group) -> None:
    count = len(group.members)
    require_served(group.threshold, count)
    for what, values in (
        ("name", [member.name for member in group.members]),
        ("identity", [member.identity.hex() for member in group.members]),
        ("address", [member.address for member in group.members]),
    ):
        if len(set(values)) != count:
            raise Malformed("malformed-group", f"two members of the group have the same {what}")


def _named(text: str, where: str) -> str:
    if not _NAME.fullmatch(text):
        raise Malformed("malformed-group", f"{where}: must be 1 to 32 of a-z, 0-9 and '-', and not begin with '-'")
    return text


def _certificate(text: str, where: str) -> str:
    try:
        der = base64.b64decode(text, validate=True)
    except ValueError:
        der = b""
    if not der or len(der) > _LONGEST_CERTIFICATE or base64.b64encode(der).decode() != text:
        raise Malformed("malformed-group", f"{where}: must be the base64 of a certificate in DER")
    return text


def _hex(text: str, size: int, where: str) -> str:
    if not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text, re.ASCII):
        raise Malformed("malformed-group", f"{where}: must be {2 * size} lower-case hex digits")
    return text
