"""A group of cosigners in the process of the test, whose root keys are known beforehand: only a test does this."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, TypeAlias

import hyperkms_cosign as cosign

from hyperkms.threshold.cosigner import root_key
from support.given_away import private_file
from support.sealed_key_reader import Secret, open_sealed_key
from support.share_reader import OpenShare, open_share, private_key_of

KeyType: TypeAlias = Literal["ed25519", "secp256k1"]
KEY_TYPES: tuple[KeyType, ...] = ("ed25519", "secp256k1")
MEMBERS = (1, 2, 3)
QUORUM = {1, 2}
TARGET = 3
Sessions: TypeAlias = Mapping[int, cosign.Session]
Look: TypeAlias = Callable[[str, object], None]


@dataclass(frozen=True)
class Members:
    """2 of 3: root keys, identities, and the group."""

    secrets: Mapping[int, Secret]
    roots: Mapping[int, cosign.LocalRootKey]
    identities: Mapping[int, cosign.Identity]
    sealed_identities: Mapping[int, bytes]
    group: cosign.Group

    @classmethod
    def make(cls, folder: Path) -> "Members":
        """In files below the folder."""
        secrets = {index: Secret(hashlib.sha256(b"known root key %d" % index).digest()) for index in MEMBERS}
        roots = {
            index: cosign.LocalRootKey.open(private_file(folder / f"root-{index}.key", secret.reveal()))
            for index, secret in secrets.items()
        }
        made = {index: cosign.Identity.generate(*root_key.fresh(root, None)) for index, root in roots.items()}
        identities = {index: identity for index, (identity, _) in made.items()}
        group = cosign.Group(threshold=2, identities=[identities[index].public_key for index in MEMBERS])
        return cls(secrets, roots, identities, {index: sealed for index, (_, sealed) in made.items()}, group)

    def context(self, key_type: KeyType, index: int, epoch: int = 0) -> cosign.ShareContext:
        """Of a wallet that is named as its key type."""
        return cosign.ShareContext(
            wallet=key_type,
            version=1,
            key_type=key_type,
            network="none" if key_type == "ed25519" else "testnet",
            group=self.group,
            index=index,
            epoch=epoch,
        )

    def keygen(self, key_type: KeyType) -> Sessions:
        """Of all members, not begun."""
        return {
            index: cosign.Session.keygen(identity, self.group, self.context(key_type, index))
            for index, identity in self.identities.items()
        }

    def refresh(self, shares: Mapping[int, cosign.Share]) -> Sessions:
        """Of all members, not begun."""
        return {
            index: cosign.Session.refresh(self.identities[index], self.group, share) for index, share in shares.items()
        }

    def repair(self, shares: Mapping[int, cosign.Share]) -> Sessions:
        """The share of the target, by the others; not begun."""
        helpers = set(MEMBERS) - {TARGET}
        target = cosign.Session.repair_target(
            self.identities[TARGET], self.group, shares[TARGET].context, shares[1].group_key, helpers
        )
        helping = {
            index: cosign.Session.repair_helper(
                self.identities[index], self.group, shares[index], helpers=helpers, target=TARGET
            )
            for index in helpers
        }
        return {**helping, TARGET: target}

    def sign(self, shares: Mapping[int, cosign.Share], form: cosign.Form) -> Sessions:
        """secp256k1, by the quorum; not begun."""
        return {
            index: cosign.Session.sign(self.identities[index], self.group, shares[index], QUORUM, form, set())
            for index in QUORUM
        }

    def open(self, key_type: KeyType, sealed: Mapping[int, bytes], epoch: int = 0) -> Mapping[int, cosign.Share]:
        """The shares behind their sealed forms."""
        return {
            index: root_key.open_share(one, self.context(key_type, index, epoch), self.roots[index])
            for index, one in sealed.items()
        }

    def take(self, session: cosign.Session, key_type: KeyType, index: int, epoch: int = 0) -> tuple[bytes, bytes]:
        """The share that a session has made, sealed under its member's root key, and the group key."""
        return session.take_share(*root_key.fresh(self.roots[index], self.context(key_type, index, epoch)))

    def secrets_of_members(self) -> dict[str, Secret]:
        """Root keys and identity keys."""
        found = {f"root key {index}": secret for index, secret in self.secrets.items()}
        for index, sealed in self.sealed_identities.items():
            opened = open_sealed_key(sealed, self.secrets[index])
            found |= {f"identity {index}": opened.private_key, f"data key of identity {index}": opened.data_key}
            found |= {f"{name} of identity {index}": secret for name, secret in opened.derived().items()}
        return found

    def secrets_of_shares(self, name: str, sealed: Mapping[int, bytes]) -> dict[str, Secret]:
        """The shares, what seals them, and the key that they make."""
        shares = {index: open_share(one, self.secrets[index]) for index, one in sealed.items()}
        found = {f"key of {name}": private_key_of(list(shares.values()))}
        return found | dict(chain.from_iterable(_secrets_of(name, share) for share in shares.values()))


def run(sessions: Sessions, look: Look) -> None:
    """To the end; whatever is handed out is shown to `look`, under the name of who handed it out."""
    openings = {index: session.opening for index, session in sessions.items()}
    look("Session.opening", list(openings.values()))
    said = {
        index: session.begin([opening for other, opening in openings.items() if other != index])
        for index, session in sessions.items()
    }
    look("Session.begin", list(said.values()))
    while not all(session.done for session in sessions.values()):
        look("Session.id", [session.id for session in sessions.values()])
        look("Session.done", [session.done for session in sessions.values()])
        look("Session", list(sessions.values()))
        inbox: dict[int, list[bytes]] = {index: [] for index in sessions}
        for message in chain.from_iterable(said.values()):
            sender, receiver = cosign.routing(message)
            for index in set(sessions) - {sender} if receiver == 0 else {receiver}:
                inbox[index].append(message)
        said = {index: session.advance(inbox[index]) for index, session in sessions.items() if not session.done}
        look("Session.advance", list(said.values()))
        look("Session.is_last_word", [session.is_last_word for session in sessions.values()])
    look("Session.done", [session.done for session in sessions.values()])
    look("Session", list(sessions.values()))


def _secrets_of(name: str, share: OpenShare) -> Iterable[tuple[str, Secret]]:
    whose = f"of {name} at {share.index}"
    yield f"share {whose}", share.scalar
    yield f"data key {whose}", share.data_key
    yield f"encryption key {whose}", share.encryption_key
    for other, seed in share.seeds.items():
        yield f"seed with {other} {whose}", seed
