"""What every root key promises."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperkms import _core
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms import AwsKmsRootKey
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import Conflict, HyperkmsError, Malformed, Refused, Tampered, Withdrawn
from hyperkms.wallet import KeyType, Network, Origin, WalletId, key_context
from support.aws import REGION, aws_client

NOT_OURS = (Tampered, Withdrawn)
"""A KMS may call what was wrapped under another key, or names one that is not there, forbidden."""


def _context(
    wallet: str = "w", version: int = 1, network: Network = Network.TESTNET, origin: Origin = Origin.GENERATED
) -> _core.Context:
    return key_context(WalletId(wallet), KeyType.SECP256K1, network, origin, version=version)


def _local(folder: Path) -> RootKey:
    path = folder / "root.key"
    return LocalFileRootKey.open(path) if path.exists() else LocalFileRootKey.create(path)


def _kms(folder: Path) -> RootKey:
    """One key a folder, found again by its alias."""
    alias = f"alias/{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    client = aws_client("kms")
    if alias not in {found["AliasName"] for found in client.list_aliases()["Aliases"]}:
        client.create_alias(AliasName=alias, TargetKeyId=client.create_key()["KeyMetadata"]["KeyId"])
    return AwsKmsRootKey(AwsAccount(REGION), alias)


@pytest.fixture(params=[_local, _kms], ids=["file", "aws-kms"])
def make(request: pytest.FixtureRequest) -> Callable[[Path], RootKey]:
    maker: Callable[[Path], RootKey] = request.param
    if maker is _kms:
        request.getfixturevalue("in_aws")
    return maker


def test_a_wrapped_data_key_opens_what_it_sealed_after_a_restart(
    make: Callable[[Path], RootKey], tmp_path: Path
) -> None:
    first = make(tmp_path)
    data_key, wrapped = first.new_data_key(_context())
    sealed = _core.generate_key(_context(), data_key, wrapped, first.id)
    again = make(tmp_path)
    assert again.id == first.id
    _core.open_sealed_key(sealed, _context(), again.unwrap(wrapped, _context()))


@pytest.mark.parametrize(
    "other",
    [
        _context(wallet="w2"),
        _context(version=2),
        _context(network=Network.MAINNET),
        _context(origin=Origin.IMPORTED),
        key_context(WalletId("w"), KeyType.ED25519, None, Origin.GENERATED, version=1),
    ],
    ids=repr,
)
def test_a_data_key_does_not_unwrap_for_another_context(
    make: Callable[[Path], RootKey], tmp_path: Path, other: _core.Context
) -> None:
    root_key = make(tmp_path)
    _, wrapped = root_key.new_data_key(_context())
    with pytest.raises(Tampered):
        root_key.unwrap(wrapped, other)


def test_another_root_key_does_not_unwrap(make: Callable[[Path], RootKey], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    assert one.id != two.id
    _, wrapped = one.new_data_key(_context())
    with pytest.raises(NOT_OURS):
        two.unwrap(wrapped, _context())


def test_every_flipped_bit_and_every_cut_of_a_wrapped_key_is_tampered(
    make: Callable[[Path], RootKey], tmp_path: Path
) -> None:
    root_key = make(tmp_path)
    _, wrapped = root_key.new_data_key(_context())
    changed = [
        wrapped[:at] + bytes([wrapped[at] ^ 1 << bit]) + wrapped[at + 1 :]
        for at in range(len(wrapped))
        for bit in range(8)
    ]
    for bad in [*changed, *(wrapped[:length] for length in range(len(wrapped))), wrapped + b"\0"]:
        with pytest.raises(NOT_OURS):
            root_key.unwrap(bad, _context())


def test_a_root_key_file_is_never_overwritten(tmp_path: Path) -> None:
    LocalFileRootKey.create(tmp_path / "root.key")
    before = (tmp_path / "root.key").stat()
    with pytest.raises(Conflict):
        LocalFileRootKey.create(tmp_path / "root.key")
    assert (tmp_path / "root.key").stat().st_mtime_ns == before.st_mtime_ns


def test_a_root_key_file_is_32_bytes_of_mode_0600_with_nothing_beside_it(tmp_path: Path) -> None:
    LocalFileRootKey.create(tmp_path / "root.key")
    assert [entry.name for entry in tmp_path.iterdir()] == ["root.key"]
    assert (tmp_path / "root.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "root.key").stat().st_size == 32


def _widened(path: Path) -> None:
    path.chmod(0o640)


def _shortened(path: Path) -> None:
    path.write_bytes(bytes(31))


def _lengthened(path: Path) -> None:
    path.write_bytes(bytes(33))


def _linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (_widened, Refused),
        (_shortened, Tampered),
        (_lengthened, Tampered),
        (_linked, HyperkmsError),
        (_removed, Malformed),
    ],
)
def test_a_root_key_file_that_is_not_as_it_was_made_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], kind: type[HyperkmsError]
) -> None:
    path = tmp_path / "root.key"
    LocalFileRootKey.create(path)
    damage(path)
    with pytest.raises(kind):
        LocalFileRootKey.open(path)


def test_a_draft_that_a_crash_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    LocalFileRootKey.create(tmp_path / "root.key")
    (tmp_path / "root.key.draft-0123456789abcdef").hardlink_to(tmp_path / "root.key")
    LocalFileRootKey.open(tmp_path / "root.key")
    assert [entry.name for entry in tmp_path.iterdir()] == ["root.key"]


@pytest.mark.parametrize("replace", [False, True])
def test_no_data_key_is_made_under_a_root_key_file_that_is_gone(tmp_path: Path, *, replace: bool) -> None:
    root_key = LocalFileRootKey.create(tmp_path / "root.key")
    _, wrapped = root_key.new_data_key(_context())
    (tmp_path / "root.key").rename(tmp_path / "aside")
    if replace:
        LocalFileRootKey.create(tmp_path / "root.key")
    with pytest.raises(Tampered) as refused:
        root_key.new_data_key(_context())
    assert refused.value.code == "root-key-missing"
    root_key.unwrap(wrapped, _context())
    (tmp_path / "aside").rename(tmp_path / "root.key")
    root_key.new_data_key(_context())
