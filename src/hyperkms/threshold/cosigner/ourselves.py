"""Who this cosigner is: its group, its place in it, its keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import hyperkms_cosign as cosign

from hyperkms.errors import Malformed, Refused
from hyperkms.threshold.cosigner.root_key import ShareRootKey
from hyperkms.threshold.group import Group
from hyperkms.threshold.wire import ShareName
from hyperkms.wallet import KeyType, WalletId, parse_wallet_id

MOST_NUMBER = 2**31 - 1

_Binding = Literal["none", "mainnet", "testnet", "any"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A key version of a wallet, in one epoch."""

    wallet: WalletId
    version: int
    epoch: int

    @classmethod
    def of(cls, name: ShareName) -> "Place":
        """Read it; Malformed for an id or a number that no share has."""
        wallet = parse_wallet_id(name.wallet)
        if not 1 <= name.version <= MOST_NUMBER or not 0 <= name.epoch <= MOST_NUMBER:
            raise Malformed.at("share", "versions count from 1, epochs from 0")
        return cls(wallet=wallet, version=name.version, epoch=name.epoch)

    @property
    def name(self) -> ShareName:
        """As it is said on the wire."""
        return ShareName(wallet=self.wallet, version=self.version, epoch=self.epoch)

    def __str__(self) -> str:
        return f"wallet {self.wallet}, version {self.version}, epoch {self.epoch}"


@dataclass(frozen=True, kw_only=True)
class Ourselves:
    """This cosigner."""

    group: Group
    index: int
    identity: cosign.Identity
    root: ShareRootKey
    known: cosign.Group
    """The group as the protocols know it."""
    lock: str
    """What guards the memory of shares: memfd_secret, mlock or none."""

    @classmethod
    def of(cls, group: Group, identity: cosign.Identity, root: ShareRootKey, lock: str) -> "Ourselves":
        """Refused unless the identity is that of a member of the group."""
        found = [member.index for member in group.members if member.identity == identity.public_key]
        if not found:
            words = f"the identity key of this directory, {identity.public_key.hex()}, is none of group {group.name}"
            raise Refused("not-a-member", f"{words}: give its operators this key, or name the directory it belongs to")
        known = cosign.Group(threshold=group.threshold, identities=group.identities)
        return cls(group=group, index=found[0], identity=identity, root=root, known=known, lock=lock)

    def context(self, place: Place, key_type: KeyType, network: str) -> cosign.ShareContext:
        """What this cosigner's share of a place is bound to."""
        return cosign.ShareContext(
            wallet=place.wallet,
            version=place.version,
            key_type=key_type.value,
            network=cast("_Binding", network),
            group=self.known,
            index=self.index,
            epoch=place.epoch,
        )

    def quorum(self, signers: Sequence[int]) -> frozenset[int]:
        """The signers of a signature; Malformed unless they are as many as the threshold, this cosigner among them."""
        return self._set(signers, "signers", exactly=self.group.threshold)

    def helpers(self, helpers: Sequence[int], target: int) -> frozenset[int]:
        """Those that repair the share of `target`; Malformed unless they are enough, and it is another."""
        found = frozenset(helpers)
        members = self.group.by_index.keys()
        fits = len(found) == len(helpers) >= self.group.threshold and found <= members
        if not fits or target not in members or target in found or self.index not in {*found, target}:
            raise Malformed.at("helpers", "at least t members of the group are due, and a target that is none of them")
        return found

    def _set(self, members: Sequence[int], field: str, *, exactly: int) -> frozenset[int]:
        found = frozenset(members)
        if len(members) != len(found) or len(found) != exactly or not found <= self.group.by_index.keys():
            raise Malformed.at(field, f"{exactly} different members of the group are due")
        if self.index not in found:
            raise Malformed.at(field, f"this is cosigner {self.index}, and none of them")
        return found
