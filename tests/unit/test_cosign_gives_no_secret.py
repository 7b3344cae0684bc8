"""Nothing public of the module of cosigners gives a share or a key away, and nothing signs a digest from outside.

Every public name is called in a group whose root keys are known, so that each share, each key that seals one and the
key that the shares make can be computed beside it; everything that comes back is searched for them, in every form. A
name that this test does not know how to call fails it.
"""

import copy
import hashlib
import inspect
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hyperkms_cosign as cosign
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hyperkms.errors import HyperkmsError
from hyperkms.threshold.cosigner.root_key import data_key_of, fresh, identity_data_key_of
from support.given_away import Seen, attempt
from support.in_one_process import KEY_TYPES, MEMBERS, QUORUM, TARGET, KeyType, Members, run
from support.known_kms import DATA_KEY, authorities, one_answer
from support.memory_scan import Scanner
from support.sealed_key_reader import Secret

NOOP = b"\x81\xa4type\xa4noop"
STATEMENT = b"what a member says"


@dataclass
class Bench:
    """A group with a key of each type, refreshed and repaired; `given` is what came out meanwhile, by name."""

    folder: Path
    members: Members
    recipient: str
    given: dict[str, Seen] = field(default_factory=dict)
    sealed: dict[KeyType, dict[int, bytes]] = field(default_factory=dict)
    shares: dict[KeyType, Mapping[int, cosign.Share]] = field(default_factory=dict)
    commitments: list[bytes] = field(default_factory=list)
    message: bytes = b""
    known: dict[str, Secret] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> "Bench":
        bench = cls(folder, Members.make(folder), a_recipient())
        bench.known |= bench.members.secrets_of_members() | {"data key of KMS": DATA_KEY}
        for key_type in KEY_TYPES:
            bench._live(key_type)
        bench._sign()
        return bench

    def look(self, name: str, value: object) -> None:
        """Keep what came out, with all that can be had of it."""
        self.given.setdefault(name, Seen()).add(name, value)

    def form(self, key_type: KeyType) -> cosign.Form:
        if key_type == "ed25519":
            return cosign.Form.ed25519(b"hello")
        return cosign.Form.l1(NOOP, nonce=1, vault=None, expires_after=None, network="testnet")

    def _live(self, key_type: KeyType) -> None:
        """Generation, refresh, and the repair of one share."""
        members = self.members
        made = self._shares(members.keygen(key_type), key_type, 0, "Session.keygen")
        self.known |= members.secrets_of_shares(f"{key_type} epoch 0", made)
        first = members.open(key_type, made)
        self.look("Share", list(first.values()))
        anew = self._shares(members.refresh(first), key_type, 1, "Session.refresh")
        self.known |= members.secrets_of_shares(f"{key_type} epoch 1", anew)
        self.sealed[key_type], self.shares[key_type] = anew, members.open(key_type, anew, 1)
        repaired = members.repair(self.shares[key_type])
        self.look("Session.repair_helper", [repaired[index] for index in MEMBERS if index != TARGET])
        self.look("Session.repair_target", repaired[TARGET])
        run(repaired, self.look)
        self.look("Session.take_share", [attempt(members.take, repaired[1], key_type, 1, 1)])
        again, group_key = members.take(repaired[TARGET], key_type, TARGET, 1)
        self.look("Session.take_share", (again, group_key))
        self.known |= members.secrets_of_shares(f"{key_type} repaired", {**anew, TARGET: again})
        self.look("Share.is_hollow", [share.is_hollow for share in members.open(key_type, {TARGET: again}, 1).values()])

    def _shares(
        self, sessions: Mapping[int, cosign.Session], key_type: KeyType, epoch: int, name: str
    ) -> dict[int, bytes]:
        self.look(name, list(sessions.values()))
        run(sessions, self.look)
        taken = {index: self.members.take(session, key_type, index, epoch) for index, session in sessions.items()}
        self.look("Session.take_share", [*taken.values()])
        self.look("Session.take_signature", [attempt(session.take_signature) for session in sessions.values()])
        return {index: sealed for index, (sealed, _) in taken.items()}

    def _sign(self) -> None:
        """Both protocols, once."""
        members, form = self.members, self.form("secp256k1")
        sessions = members.sign(self.shares["secp256k1"], form)
        self.look("Session.sign", list(sessions.values()))
        self.message = sessions[1].begin([sessions[2].opening])[0]
        sessions = members.sign(self.shares["secp256k1"], form)
        run(sessions, self.look)
        signatures = [session.take_signature() for session in sessions.values()]
        self.look("Session.take_signature", [*signatures, attempt(sessions[1].take_signature)])
        for signature in signatures:
            form.verify(self.shares["secp256k1"][1].public_key, signature)
        shares = self.shares["ed25519"]
        prepared = {index: shares[index].prepare(members.identities[index], members.group, QUORUM) for index in QUORUM}
        self.look("Share.prepare", [*prepared.values()])
        self.commitments = [commitment for _, commitment in prepared.values()]
        given = [self.sign_share(index) for index in sorted(QUORUM)]
        self.look("Share.sign_share", [*given, attempt(self.sign_share, 1)])
        self.look("aggregate", self.aggregate(given))
        self.look("aggregate", [attempt(self.aggregate, each) for each in ([], given[:1], [given[0], given[0]])])

    def sign_share(self, index: int) -> bytes:
        members, share = self.members, self.shares["ed25519"][index]
        return share.sign_share(
            members.identities[index], members.group, QUORUM, self.commitments, self.form("ed25519")
        )

    def aggregate(self, given: list[bytes]) -> bytes:
        share, form = self.shares["ed25519"][1], self.form("ed25519")
        group = self.members.group
        return cosign.aggregate(group, share.context, share.group_key, QUORUM, self.commitments, form, given)

    def every_share(self) -> list[cosign.Share]:
        return [share for shares in self.shares.values() for share in shares.values()]

    def every_sealed(self) -> list[bytes]:
        return [sealed for each in self.sealed.values() for sealed in each.values()]

    def holders(self) -> list[object]:
        """Everything that has a secret in it: also sessions, of which none has begun."""
        members = self.members
        return [
            *members.roots.values(),
            members.roots[1].new_data_key(None)[0],
            *members.identities.values(),
            *self.every_share(),
            *(members.keygen(key_type)[1] for key_type in KEY_TYPES),
            members.sign(self.shares["secp256k1"], self.form("secp256k1"))[1],
        ]


def a_recipient() -> str:
    """Of a copy of a share, as docs/formats.md says; nobody keeps the other half."""
    key = X25519PrivateKey.generate().public_key().public_bytes_raw()
    text = (key + hashlib.sha256(b"hyperkms recovery recipient v1" + key).digest()[-4:]).hex()
    return "-".join(["hkr1", *(text[at : at + 8] for at in range(0, 72, 8))])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    cosign.start_memory()
    return Bench.make(tmp_path_factory.mktemp("cosign"))


# ---- every public name and how to call it --------------------------------------------------------------


def shares(name: str) -> Callable[[Bench], object]:
    return lambda bench: [getattr(share, name) for share in bench.every_share()]


def contexts(name: str) -> Callable[[Bench], object]:
    return lambda bench: [getattr(share.context, name) for share in bench.every_share()]


def came(name: str) -> Callable[[Bench], object]:
    """What the bench has seen while it was made."""
    return lambda bench: bench.given[name]


def ask_open_root(bench: Bench) -> Iterator[object]:
    yield cosign.LocalRootKey.open(bench.folder / "root-1.key")
    readable = bench.folder / "readable.key"
    readable.write_bytes((bench.folder / "root-1.key").read_bytes())
    readable.chmod(0o644)
    for path in (readable, bench.folder, bench.folder / "missing"):
        yield attempt(cosign.LocalRootKey.open, path)


def ask_open_identity(bench: Bench) -> Iterator[object]:
    sealed, root = bench.members.sealed_identities[1], bench.members.roots[1]
    data_key = identity_data_key_of(sealed, root)
    yield cosign.Identity.open(sealed, data_key)
    for wrong in (sealed[:-1], sealed[:-1] + b"\0", b"HKSK", b"", bench.sealed["ed25519"][1]):
        yield attempt(cosign.Identity.open, wrong, data_key)
    yield attempt(cosign.Identity.open, sealed, bench.members.roots[2].new_data_key(None)[0])


def ask_open_share(bench: Bench) -> Iterator[object]:
    members = bench.members
    for key_type, sealed in bench.sealed.items():
        context = members.context(key_type, 1, 1)
        data_key = data_key_of(sealed[1], context, members.roots[1])
        yield cosign.Share.open(sealed[1], context, data_key)
        for wrong in (sealed[1][:-1], sealed[1][:-1] + b"\0", sealed[1] + b"\0", sealed[2], b"HKSS", b""):
            yield attempt(cosign.Share.open, wrong, context, data_key)
        for other in (members.context(key_type, 1), members.context(key_type, 2, 1)):
            yield attempt(cosign.Share.open, sealed[1], other, data_key)
        yield attempt(cosign.Share.open, sealed[1], context, members.roots[2].new_data_key(context)[0])


def ask_unwrap(bench: Bench) -> Iterator[object]:
    members = bench.members
    for context in (None, members.context("ed25519", 1), members.context("secp256k1", 1, 1)):
        data_key, wrapped = members.roots[1].new_data_key(context)
        yield from (data_key, wrapped, members.roots[1].unwrap(wrapped, context))
        for wrong in (wrapped[:-1], wrapped[:-1] + b"\0", b""):
            yield attempt(members.roots[1].unwrap, wrong, context)
        yield attempt(members.roots[2].unwrap, wrapped, context)
        yield attempt(members.roots[1].unwrap, wrapped, members.context("ed25519", 2))


def ask_reseal_identity(bench: Bench) -> Iterator[object]:
    sealed, root = bench.members.sealed_identities[1], bench.members.roots[1]
    new_data_key, wrapped, root_key_id = fresh(bench.members.roots[2], None)
    anew: Any = {"new_data_key": new_data_key, "wrapped": wrapped, "root_key_id": root_key_id}
    for data_key in (identity_data_key_of(sealed, root), new_data_key):
        for one in (sealed, sealed[:-1], b""):
            yield attempt(lambda key, given: cosign.reseal_identity(given, key, **anew), data_key, one)


def kms_client(_bench: Bench | None = None) -> cosign.KmsClient:
    return cosign.KmsClient(trusted=authorities(), proxy=None, connect_ms=1000)


def ask_kms(path: str = "/") -> cosign.KmsAnswer:
    with one_answer() as url:
        return kms_client().send(f"{url}{path}", [], b"{}", within_ms=5000)


def of_kms(name: str) -> Callable[[Bench], object]:
    return lambda _: getattr(ask_kms(), name)


def ask_statements(bench: Bench) -> Iterator[object]:
    for identity in bench.members.identities.values():
        for purpose, statement in (("share kept", STATEMENT), ("", b""), ("x" * 300, STATEMENT)):
            yield attempt(identity.sign_statement, purpose, statement)


def ask_verify_statement(bench: Bench) -> Iterator[object]:
    identity = bench.members.identities[1]
    signature = identity.sign_statement("share kept", STATEMENT)
    for wrong in (signature, signature[:-1], bytes(64)):
        for key in (identity.public_key, bytes(32), b""):
            yield attempt(cosign.verify_statement, key, "share kept", STATEMENT, wrong)


def ask_prepare(bench: Bench) -> Iterator[object]:
    yield bench.given["Share.prepare"]
    members = bench.members
    for share in bench.every_share():
        for signers in (QUORUM, {1}, {9}, set(MEMBERS)):
            yield attempt(share.prepare, members.identities[1], members.group, signers)


def ask_copy_for(bench: Bench) -> Iterator[object]:
    for share in bench.every_share():
        for recipient in (bench.recipient, bench.recipient[:-1], "", "hkr1-"):
            yield attempt(share.copy_for, recipient)


def ask_rebind(bench: Bench) -> Iterator[object]:
    members = bench.members
    stranger, _ = cosign.Identity.generate(*fresh(members.roots[3], None))
    keys = [members.identities[1].public_key, members.identities[2].public_key, stranger.public_key]
    other = cosign.Group(threshold=2, identities=keys)
    larger = cosign.Group(threshold=3, identities=keys)
    for key_type in KEY_TYPES:
        for group in (other, members.group, larger):
            yield attempt(bench.shares[key_type][1].rebind, group, *fresh(members.roots[1], None))


def ask_verify(bench: Bench) -> Iterator[object]:
    for key_type in KEY_TYPES:
        public_key = bench.shares[key_type][1].public_key
        for signature in (bytes(64), bytes(65), b""):
            yield attempt(bench.form(key_type).verify, public_key, signature)


def ask_user_action(_: Bench) -> Iterator[object]:
    for network in ("testnet", "elsewhere"):
        yield attempt(
            lambda named: cosign.Form.user_action(
                primary_type="CDeposit", values=[1, 2], signature_chain_id=1, network=named
            ),
            network,
        )


def ask_forms(bench: Bench) -> list[cosign.Form]:
    return [*(bench.form(key_type) for key_type in KEY_TYPES), cosign.Form.eip191(b"hello")]


def ask_routing(bench: Bench, ask: Callable[[bytes], object]) -> Iterator[object]:
    for message in (bench.message, bench.message[:10], b""):
        yield attempt(ask, message)


CALLS: dict[str, Callable[[Bench], object]] = {
    "Protection": lambda _: cosign.start_memory(),
    "Protection.lock": lambda _: cosign.start_memory().lock,
    "Protection.private": lambda _: cosign.start_memory().private,
    "Protection.size": lambda _: cosign.start_memory().size,
    "start_memory": lambda _: [attempt(cosign.start_memory, lock) for lock in ("auto", "mlock", "elsewhere")],
    "Group": lambda bench: bench.members.group,
    "Group.id": lambda bench: bench.members.group.id,
    "Group.threshold": lambda bench: bench.members.group.threshold,
    "Group.members": lambda bench: bench.members.group.members,
    "LocalRootKey": lambda bench: [*bench.members.roots.values()],
    "LocalRootKey.open": lambda bench: [*ask_open_root(bench)],
    "LocalRootKey.id": lambda bench: [root.id for root in bench.members.roots.values()],
    "LocalRootKey.new_data_key": lambda bench: [*ask_unwrap(bench)],
    "LocalRootKey.unwrap": lambda bench: [*ask_unwrap(bench)],
    "DataKey": lambda bench: [root.new_data_key(None)[0] for root in bench.members.roots.values()],
    "KmsAnswer": lambda _: ask_kms(),
    **{f"KmsAnswer.{name}": of_kms(name) for name in ("status", "refusal", "key_id", "wrapped")},
    "KmsAnswer.take_data_key": lambda _: ask_kms().take_data_key(),
    "KmsClient": kms_client,
    "KmsClient.send": lambda _: [attempt(ask_kms, path) for path in ("/", "/cut", "/long")],
    "reseal_identity": lambda bench: [*ask_reseal_identity(bench)],
    "Identity": lambda bench: [*bench.members.identities.values()],
    "Identity.generate": lambda bench: (
        list(zip(*[bench.members.identities.values()], strict=True)) + list(bench.members.sealed_identities.values())
    ),
    "Identity.open": lambda bench: [*ask_open_identity(bench)],
    "Identity.public_key": lambda bench: [identity.public_key for identity in bench.members.identities.values()],
    "Identity.sign_statement": lambda bench: [*ask_statements(bench)],
    "verify_statement": lambda bench: [*ask_verify_statement(bench)],
    "ShareContext": lambda bench: [share.context for share in bench.every_share()],
    **{
        f"ShareContext.{name}": contexts(name)
        for name in ("wallet", "version", "key_type", "network", "index", "epoch", "group")
    },
    "Share": lambda bench: [bench.given["Share"], *bench.every_share()],
    "Share.open": lambda bench: [*ask_open_share(bench)],
    "Share.context": shares("context"),
    "Share.public_key": shares("public_key"),
    "Share.group_key": shares("group_key"),
    "Share.is_hollow": lambda bench: [bench.given["Share.is_hollow"], shares("is_hollow")(bench)],
    "Share.prepare": lambda bench: [*ask_prepare(bench)],
    "Share.sign_share": came("Share.sign_share"),
    "Share.rebind": lambda bench: [*ask_rebind(bench)],
    "Share.copy_for": lambda bench: [*ask_copy_for(bench)],
    "Share.forget_prepared": lambda bench: [attempt(share.forget_prepared) for share in bench.every_share()],
    "session_of_commitments": lambda bench: [
        attempt(cosign.session_of_commitments, each) for each in (bench.commitments, bench.commitments[:1], [b"x"])
    ],
    "aggregate": came("aggregate"),
    "Form": ask_forms,
    "Form.l1": lambda bench: bench.form("secp256k1"),
    "Form.user_action": lambda bench: [*ask_user_action(bench)],
    "Form.eip191": lambda _: cosign.Form.eip191(b"hello"),
    "Form.ed25519": lambda _: [attempt(cosign.Form.ed25519, text) for text in (b"hello", b"hyperkms request v1\n")],
    "Form.test": lambda bench: [cosign.Form.test(share.context) for share in bench.every_share()],
    "Form.key_type": lambda bench: [form.key_type for form in ask_forms(bench)],
    "Form.digest": lambda bench: [form.digest for form in ask_forms(bench)],
    "Form.verify": lambda bench: [*ask_verify(bench)],
    **{
        name: came(name)
        for name in (
            "Session",
            "Session.keygen",
            "Session.refresh",
            "Session.repair_helper",
            "Session.repair_target",
            "Session.sign",
            "Session.opening",
            "Session.begin",
            "Session.advance",
            "Session.id",
            "Session.is_last_word",
            "Session.done",
            "Session.take_share",
            "Session.take_signature",
        )
    },
    "routing": lambda bench: [*ask_routing(bench, cosign.routing)],
    "session_of_message": lambda bench: [*ask_routing(bench, cosign.session_of_message)],
    "inspect_share": lambda bench: [
        attempt(lambda sealed: [*cosign.inspect_share(sealed).items()], sealed)
        for sealed in (*bench.every_sealed(), bench.sealed["ed25519"][1][:-1], b"")
    ],
    "read_group_key": lambda bench: [
        attempt(lambda key: [*cosign.read_group_key(key).items()], key)
        for key in (*(share.group_key for share in bench.every_share()), b"")
    ],
}


def public_names() -> Iterator[str]:
    """Functions, classes, and their methods and properties."""
    for name, value in vars(cosign).items():
        if name.startswith("_"):
            continue
        if inspect.ismodule(value):  # the compiled part, all of whose names the package has
            assert {each for each in vars(value) if not each.startswith("_")} <= set(vars(cosign))
            continue
        yield name
        if isinstance(value, type):
            yield from (f"{name}.{member}" for member in vars(value) if not member.startswith("_"))


def test_this_test_knows_every_public_name_of_the_module() -> None:
    assert set(public_names()) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_that_comes_back_holds_a_secret(bench: Bench, name: str) -> None:
    seen = seen_of(bench, name)
    assert seen.contents
    assert Scanner(bench.known).look_at_all(seen.contents) == []


def seen_of(bench: Bench, name: str) -> Seen:
    seen = Seen()
    value = CALLS[name](bench)
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Seen):
            seen.contents += each.contents
        else:
            seen.add(name, each)
    return seen


def test_what_is_searched_for_is_every_secret_of_every_member(bench: Bench) -> None:
    kinds = {name.partition(" of ")[0].partition(" with ")[0].rstrip(" 123") for name in bench.known}
    assert {"root key", "identity", "share", "data key", "encryption key", "seed", "key"} <= kinds
    assert sum(name.startswith("share of ") for name in bench.known) == len(KEY_TYPES) * len(MEMBERS) * 3


@pytest.mark.parametrize("name", [name for name in CALLS if callable(getattr(cosign, name, None))])
def test_the_errors_of_wrong_arguments_hold_no_secret(bench: Bench, name: str) -> None:
    seen, function = Seen(), getattr(cosign, name)
    for holder in bench.holders():
        for count in range(1, 8):
            seen.add(name, attempt(function, *[holder] * count))
    assert Scanner(bench.known).look_at_all(seen.contents) == []


def test_a_planted_copy_of_a_share_is_found(bench: Bench) -> None:
    name = "share of ed25519 epoch 0 at 1"
    raw = bench.known[name].reveal()
    for planted in (raw, raw[::-1], raw.hex(), raw.hex().upper(), str(int.from_bytes(raw, "big")), [1, ("a", raw)]):
        seen = Seen()
        seen.add("planted", planted)
        hits = Scanner({name: bench.known[name]}).look_at_all(seen.contents)
        assert hits
        assert {hit.name for hit in hits} == {name}
    seen = Seen()
    seen.add("planted", HyperkmsError("leak", raw.hex()))
    assert Scanner(bench.known).look_at_all(seen.contents)


def test_what_holds_a_secret_can_neither_be_made_nor_copied_nor_pickled(bench: Bench) -> None:
    for holder in bench.holders():
        kind: Any = type(holder)
        for refused in (kind, lambda one=holder: pickle.dumps(one), lambda one=holder: copy.copy(one)):
            with pytest.raises(TypeError):
                refused()
        with pytest.raises(TypeError):
            copy.deepcopy(holder)
        with pytest.raises(AttributeError):
            setattr(holder, "note", 1)  # noqa: B010 (there is no such attribute)


def test_no_function_takes_a_digest_and_no_form_is_made_of_one() -> None:
    for name in public_names():
        value: Any = cosign
        for part in name.split("."):
            value = inspect.getattr_static(value, part) if isinstance(value, type) else getattr(value, part)
        value = getattr(value, "__func__", value)
        if not callable(value) or isinstance(value, type):
            continue
        parameters = set(inspect.signature(value).parameters)
        assert not parameters & {"digest", "hash", "prehash", "prehashed"}, name
    with pytest.raises(TypeError):
        cosign.Form()
