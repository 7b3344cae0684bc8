"""What is signed with, and by what: values of the coordinator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hyperkms.errors import Tampered
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import HeldShare, KeyTypeName, NetworkName, ShareName

Protocol: TypeAlias = Literal["FROST(Ed25519, SHA-512)", "DKLs23"]
FROST: Protocol = "FROST(Ed25519, SHA-512)"
DKLS: Protocol = "DKLs23"
AUDITED: Mapping[Protocol, bool | str] = {FROST: "key generation and signing of an earlier release", DKLS: False}
"""What of the implementation had a public audit; docs/mpc.md says by whom."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One epoch of a key in shares."""

    share: ShareName
    key_type: KeyTypeName
    network: NetworkName
    group_key: bytes
    """What all cosigners know of it."""
    public_key: bytes
    prepared: bool = False
    """It is kept and not in force: for test messages."""

    def context(self, group: cosign.Group, index: int) -> cosign.ShareContext:
        """That of one member's share."""
        return cosign.ShareContext(
            wallet=self.share.wallet,
            version=self.share.version,
            key_type=self.key_type,
            network=self.network,
            group=group,
            index=index,
            epoch=self.share.epoch,
        )

    @property
    def protocol(self) -> Protocol:
        """The one by which it signs."""
        return FROST if self.key_type == "ed25519" else DKLS


@dataclass(frozen=True, kw_only=True)
class Cosigned:
    """A signature by a quorum; verified."""

    signature: bytes
    """64 bytes for Ed25519; 65 for secp256k1: r, s, v."""
    digest: bytes
    session: bytes
    """32 bytes: the run of the protocol, as the cosigners' records name it."""
    signers: tuple[int, ...]
    protocol: Protocol


def read_public_key(group_key: bytes) -> bytes:
    """The public key in a group key; Tampered for what is none."""
    found = cosign.read_group_key(group_key)["public_key"]
    if not isinstance(found, bytes):
        raise Tampered("group-key-malformed", "the group key has no public key in it")
    return found


def target_of(held: HeldShare) -> Target:
    """What is signed with, as a cosigner holds it in force."""
    return Target(
        share=held.name,
        key_type=held.key_type,
        network=held.network,
        group_key=held.group_key,
        public_key=held.public_key,
    )
