"""Sealed key format v1: readable from docs/formats.md alone, openable for ever, and closed to everyone else."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from hyperkms import _core
from hyperkms._core import Context
from hyperkms.custody.keyring import Keyring
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.errors import Conflict, Tampered
from hyperkms.wallet import SealedKey, WalletId
from support.sealed_key_reader import (
    Opened,
    Secret,
    Unreadable,
    open_sealed_key,
    public_key_of,
    read_root_key,
    read_sealed_key,
    root_key_id,
)

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden").glob("sealed_key_v*.json"))
ED25519 = {"wallet": "e", "version": 1, "key_type": "ed25519", "network": "none", "origin": "generated"}
SECP256K1 = {"wallet": "btc-1", "version": 3, "key_type": "secp256k1", "network": "testnet", "origin": "generated"}
LONGEST = SECP256K1 | {"wallet": "Z" * 64, "version": 2**32 - 1, "network": "mainnet"}
SHORTEST = ED25519 | {"wallet": "0"}


class NoKeyStore:
    """A key store for tests that hand sealed keys over themselves."""

    def create(self, wallet: WalletId, version: int, _sealed: SealedKey) -> None:
        raise Conflict("unused", f"{wallet} {version}")

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        raise Conflict("unused", f"{wallet} {version}")

    def delete(self, wallet: WalletId, version: int) -> None:
        raise Conflict("unused", f"{wallet} {version}")


@dataclass(frozen=True)
class Custody:
    """A root key in a file of its own, and the keyring over it."""

    root_file: Path
    keyring: Keyring

    @classmethod
    def over(cls, root_file: Path) -> "Custody":
        root_key = LocalFileRootKey.open(root_file) if root_file.exists() else LocalFileRootKey.create(root_file)
        return cls(root_file, Keyring(root_key, NoKeyStore()))

    def opened_independently(self, sealed: bytes) -> Opened:
        return open_sealed_key(sealed, read_root_key(self.root_file))


LOG_KEY = {"purpose": "log key", "wallet": "record", "version": 1, "key_type": "ed25519", "network": "none"}
"""With its origin left out: a wallet may have all of it but the purpose."""


def context_of(members: dict[str, Any]) -> Context:
    return Context(**members)


@pytest.fixture(scope="module")
def custody(tmp_path_factory: pytest.TempPathFactory) -> Custody:
    return Custody.over(tmp_path_factory.mktemp("custody") / "root.key")


@pytest.fixture(scope="module")
def other_custody(tmp_path_factory: pytest.TempPathFactory) -> Custody:
    return Custody.over(tmp_path_factory.mktemp("other") / "root.key")


def assert_signs(handle: _core.KeyHandle, public_key: bytes) -> None:
    """The handle's signatures are those of this public key, says another implementation."""
    if handle.context.key_type == "ed25519":
        text, _ = _core.sign_ed25519_message(handle, b"hello")
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(text[2:]), b"hello")
        return
    text, _ = _core.sign_eip191(handle, b"hello")
    signer = Account.recover_message(encode_defunct(b"hello"), signature=text)
    assert signer.lower() == "0x" + _core.address(public_key).hex()


@pytest.mark.parametrize("members", [ED25519, SECP256K1, LONGEST, SHORTEST], ids=["e", "k", "longest", "shortest"])
def test_a_reader_made_from_the_document_opens_what_the_core_sealed(custody: Custody, members: dict[str, Any]) -> None:
    context = context_of(members)
    sealed = custody.keyring.generate(context)
    handle = custody.keyring.open(sealed, context)
    opened = custody.opened_independently(sealed)
    assert {name: getattr(opened.sealed, name) for name in members} == members
    assert opened.sealed.public_key == handle.public_key == public_key_of(context.key_type, opened.private_key)
    assert len(sealed) == 273 + len(opened.sealed.wallet) + len(opened.sealed.public_key)
    assert_signs(handle, opened.sealed.public_key)


@pytest.mark.parametrize("members", [ED25519, SECP256K1], ids=["e", "k"])
def test_an_imported_key_is_the_one_that_is_sealed(custody: Custody, members: dict[str, Any], tmp_path: Path) -> None:
    imported = Secret(b"\x11" + secrets.token_bytes(31))
    key_file = tmp_path / "key"
    key_file.touch(mode=0o600)
    key_file.write_text(imported.reveal().hex())
    sealed = custody.keyring.import_file(key_file, context_of(members | {"origin": "imported"}))
    assert custody.opened_independently(sealed).private_key == imported


def test_the_root_key_id_is_the_documented_one(custody: Custody) -> None:
    assert LocalFileRootKey.open(custody.root_file).id == root_key_id(read_root_key(custody.root_file))


def test_two_wallets_share_neither_data_key_nor_salt_nor_nonce(custody: Custody) -> None:
    one, two = (custody.opened_independently(custody.keyring.generate(context_of(ED25519))) for _ in range(2))
    assert not one.data_key == two.data_key  # noqa: SIM201 (Secret has no other comparison)
    assert one.sealed.salt != two.sealed.salt
    assert one.sealed.nonce != two.sealed.nonce
    assert one.sealed.wrapped[1:45] != two.sealed.wrapped[1:45]


def test_a_reader_made_from_the_document_opens_a_log_key(custody: Custody) -> None:
    sealed = custody.keyring.generate(Context.of_log_key())
    opened = custody.opened_independently(sealed)
    assert {name: getattr(opened.sealed, name) for name in LOG_KEY} == LOG_KEY
    handle = custody.keyring.open(sealed, Context.of_log_key())
    assert handle.public_key == public_key_of("ed25519", opened.private_key)


# ---- golden files --------------------------------------------------------------------------------------


def test_there_are_golden_files_of_both_key_types_and_origins() -> None:
    cases = [json.loads(path.read_text()) for path in GOLDEN]
    assert {(case["key_type"], case["origin"]) for case in cases} == {
        (key_type, origin) for key_type in ("ed25519", "secp256k1") for origin in ("generated", "imported")
    }


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_core_opens_every_golden_sealed_key(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text())
    custody = golden_custody(case, tmp_path)
    sealed = SealedKey(bytes.fromhex(case["sealed"]))
    context = context_of({name: case[name] for name in SECP256K1})
    handle = custody.keyring.open(sealed, context)
    assert handle.context == context
    assert handle.public_key.hex() == case["public_key"]
    assert_signs(handle, bytes.fromhex(case["public_key"]))
    assert _core.inspect_sealed_key(sealed).root_key_id == case["root_key_id"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_independent_reader_opens_every_golden_sealed_key(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text())
    opened = golden_custody(case, tmp_path).opened_independently(bytes.fromhex(case["sealed"]))
    assert opened.private_key == Secret(bytes.fromhex(case["private_key"]))
    assert opened.data_key == Secret(bytes.fromhex(case["data_key"]))


def golden_custody(case: dict[str, Any], folder: Path) -> Custody:
    root_file = folder / "root.key"
    root_file.touch(mode=0o600)
    root_file.write_bytes(bytes.fromhex(case["root_key"]))
    return Custody.over(root_file)


# ---- tampering -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [ED25519, SECP256K1], ids=["e", "k"])
def test_every_flipped_bit_is_tampered(custody: Custody, members: dict[str, Any]) -> None:
    context = context_of(members)
    sealed = custody.keyring.generate(context)
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        assert refusal(custody, changed, context) is not None, f"bit {bit} may be flipped"


@pytest.mark.parametrize("members", [ED25519, SECP256K1], ids=["e", "k"])
def test_every_truncation_and_extension_is_tampered(custody: Custody, members: dict[str, Any]) -> None:
    context = context_of(members)
    sealed = custody.keyring.generate(context)
    for length in range(len(sealed)):
        assert refusal(custody, sealed[:length], context) is not None, f"{length} bytes of {len(sealed)} open"
    assert refusal(custody, sealed + b"\0", context) is not None


ELSEWHERE = {
    "another wallet": {"wallet": "btc-2"},
    "a wallet of the same letters": {"wallet": "BTC-1"},
    "another version": {"version": 4},
    "another network": {"network": "mainnet"},
    "any network": {"network": "any"},
    "another key type": {"key_type": "ed25519", "network": "none"},
    "another origin": {"origin": "imported"},
}


@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_sealed_key_moved_elsewhere_does_not_open(custody: Custody, change: dict[str, Any]) -> None:
    sealed = custody.keyring.generate(context_of(SECP256K1))
    assert refusal(custody, sealed, context_of(SECP256K1 | change)) == "data-key-tampered"


@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_sealed_key_moved_elsewhere_with_its_data_key_at_hand_does_not_open(
    custody: Custody, change: dict[str, Any]
) -> None:
    """A root key that did not bind the context, or a lease of the data key, is not enough either."""
    context = context_of(SECP256K1)
    sealed = custody.keyring.generate(context)
    header = _core.inspect_sealed_key(sealed)
    data_key = LocalFileRootKey.open(custody.root_file).unwrap(header.wrapped, context)
    with pytest.raises(Tampered) as refused:
        _core.open_sealed_key(sealed, context_of(SECP256K1 | change), data_key)
    assert refused.value.code == "sealed-key-misplaced"


@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_sealed_key_whose_text_was_changed_to_fit_elsewhere_does_not_open(
    custody: Custody, change: dict[str, Any]
) -> None:
    elsewhere = context_of(SECP256K1 | change)
    sealed = custody.keyring.generate(context_of(SECP256K1))
    native = read_sealed_key(custody.keyring.generate(elsewhere))
    disguised = sealed.replace(read_sealed_key(sealed).context, native.context, 1)
    if native.key_type == "secp256k1":
        assert _core.inspect_sealed_key(disguised).context == elsewhere
    assert refusal(custody, disguised, elsewhere) is not None


def test_neither_of_a_log_key_and_a_wallets_key_of_its_name_opens_as_the_other(custody: Custody) -> None:
    wallet = context_of({**{name: LOG_KEY[name] for name in LOG_KEY if name != "purpose"}, "origin": "generated"})
    for one, other in ((wallet, Context.of_log_key()), (Context.of_log_key(), wallet)):
        sealed = custody.keyring.generate(one)
        assert refusal(custody, sealed, other) == "data-key-tampered"
        data_key = LocalFileRootKey.open(custody.root_file).unwrap(_core.inspect_sealed_key(sealed).wrapped, one)
        with pytest.raises(Tampered) as refused:
            _core.open_sealed_key(sealed, other, data_key)
        assert refused.value.code == "sealed-key-misplaced"


def test_a_sealed_key_under_another_root_key_does_not_open(custody: Custody, other_custody: Custody) -> None:
    context = context_of(SECP256K1)
    sealed = custody.keyring.generate(context)
    assert refusal(other_custody, sealed, context) == "wrong-root-key"


def test_a_sealed_key_that_claims_another_root_key_does_not_open(custody: Custody, other_custody: Custody) -> None:
    context = context_of(SECP256K1)
    sealed = custody.keyring.generate(context)
    honest, claimed = (LocalFileRootKey.open(each.root_file).id.encode() for each in (custody, other_custody))
    assert refusal(other_custody, sealed.replace(honest, claimed), context) == "data-key-tampered"


def test_a_wrapped_data_key_of_another_sealed_key_does_not_open_this_one(custody: Custody) -> None:
    context = context_of(SECP256K1)
    one, two = custody.keyring.generate(context), custody.keyring.generate(context)
    swapped = one.replace(read_sealed_key(one).wrapped, read_sealed_key(two).wrapped)
    assert refusal(custody, swapped, context) == "sealed-key-tampered"


def test_every_flipped_bit_and_truncation_of_a_wrapped_data_key_is_tampered(custody: Custody) -> None:
    context, root_key = context_of(ED25519), LocalFileRootKey.open(custody.root_file)
    wrapped = root_key.new_data_key(context).wrapped
    flipped = (wrapped[: n // 8] + bytes([wrapped[n // 8] ^ 1 << n % 8]) + wrapped[n // 8 + 1 :] for n in range(93 * 8))
    cut = (wrapped[:length] for length in range(93))
    for changed in (*flipped, *cut, wrapped + b"\0"):
        with pytest.raises(Tampered):
            root_key.unwrap(changed, context)


def test_a_newer_format_is_refused_clearly(custody: Custody) -> None:
    context = context_of(SECP256K1)
    newer = bytearray(custody.keyring.generate(context))
    newer[4] = 2
    with pytest.raises(Tampered, match="of a format that this release does not know"):
        custody.keyring.open(SealedKey(bytes(newer)), context)


def test_the_independent_reader_refuses_what_the_core_refuses(custody: Custody) -> None:
    sealed = custody.keyring.generate(context_of(SECP256K1))
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 0x80]) + sealed[place + 1 :]
        with pytest.raises((Unreadable, UnicodeDecodeError)):
            custody.opened_independently(changed)


def test_random_bytes_are_tampered(custody: Custody) -> None:
    for content in random_contents():
        assert refusal(custody, content, context_of(SECP256K1)) == "sealed-key-malformed"


def random_contents() -> Iterator[bytes]:
    yield b""
    for length in (1, 4, 5, 100, 400, 70_000):
        yield secrets.token_bytes(length)
        yield b"HKSK\x01" + secrets.token_bytes(length)
        yield b"HKSK\x01" + b"\xff" * length


def refusal(custody: Custody, sealed: bytes | bytearray, context: Context) -> str | None:
    """The code with which it is refused as Tampered; None if it opens. Any other error passes through."""
    try:
        custody.keyring.open(SealedKey(bytes(sealed)), context)
    except Tampered as refused:
        return refused.code
    return None
