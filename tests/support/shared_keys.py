"""Keys in shares, made by all members of a group in this process: what each would keep in its directory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import hyperkms_cosign as cosign

from hyperkms import _core
from hyperkms.threshold.cosigner.root_key import fresh, open_share

KeyTypeName = Literal["ed25519", "secp256k1"]


@dataclass(frozen=True)
class Member:
    """A cosigner's root key and identity."""

    root_file: Path
    root: cosign.LocalRootKey
    identity: cosign.Identity


@dataclass(frozen=True)
class SharedKey:
    """A key of one wallet, and each member's sealed share of it."""

    contexts: Mapping[int, cosign.ShareContext]
    sealed: Mapping[int, bytes]
    public_key: bytes


@dataclass(frozen=True)
class Members:
    """A group whose members have a root key file each."""

    group: cosign.Group
    by_index: Mapping[int, Member]

    @staticmethod
    def make(folder: Path, *, threshold: int, count: int) -> "Members":
        """Fresh root keys in `folder`, and fresh identities."""
        made = {}
        for index in range(1, count + 1):
            path = folder / f"root-{index}.key"
            _core.LocalRootKey.create(path)
            root = cosign.LocalRootKey.open(path)
            made[index] = Member(path, root, cosign.Identity.generate(*fresh(root, None))[0])
        identities = [member.identity.public_key for member in made.values()]
        return Members(cosign.Group(threshold=threshold, identities=identities), made)

    def generate(self, wallet: str, key_type: KeyTypeName = "ed25519", *, version: int = 1) -> SharedKey:
        """A new key, epoch 0."""
        contexts = {
            index: cosign.ShareContext(
                wallet=wallet,
                version=version,
                key_type=key_type,
                network="none" if key_type == "ed25519" else "testnet",
                group=self.group,
                index=index,
                epoch=0,
            )
            for index in self.by_index
        }
        sessions = {
            index: cosign.Session.keygen(member.identity, self.group, contexts[index])
            for index, member in self.by_index.items()
        }
        return self._kept(sessions, contexts)

    def refresh(self, key: SharedKey) -> SharedKey:
        """The next epoch of it."""
        shares = {index: self.open(key, index) for index in self.by_index}
        sessions = {
            index: cosign.Session.refresh(member.identity, self.group, shares[index])
            for index, member in self.by_index.items()
        }
        contexts = {
            index: cosign.ShareContext(
                wallet=old.wallet,
                version=old.version,
                key_type=old.key_type,
                network=old.network,
                group=self.group,
                index=index,
                epoch=old.epoch + 1,
            )
            for index, old in key.contexts.items()
        }
        return self._kept(sessions, contexts)

    def open(self, key: SharedKey, index: int) -> cosign.Share:
        """The share of one member, as its cosigner holds it."""
        return open_share(key.sealed[index], key.contexts[index], self.by_index[index].root)

    def _kept(self, sessions: Mapping[int, cosign.Session], contexts: Mapping[int, cosign.ShareContext]) -> SharedKey:
        run(sessions)
        sealed = {
            index: session.take_share(*fresh(self.by_index[index].root, contexts[index]))[0]
            for index, session in sessions.items()
        }
        public_key = open_share(sealed[1], contexts[1], self.by_index[1].root).public_key
        return SharedKey(contexts, sealed, public_key)


def run(sessions: Mapping[int, cosign.Session]) -> None:
    """All sessions to their end, every message handed on as it is."""
    openings = {index: session.opening for index, session in sessions.items()}
    sent = [
        message
        for index, session in sessions.items()
        for message in session.begin([opening for of, opening in openings.items() if of != index])
    ]
    while not all(session.done for session in sessions.values()):
        routed = [(cosign.routing(message), message) for message in sent]
        sent = [
            message
            for index, session in sessions.items()
            if not session.done
            for message in session.advance(
                [message for (sender, receiver), message in routed if receiver in (0, index) and sender != index]
            )
        ]
