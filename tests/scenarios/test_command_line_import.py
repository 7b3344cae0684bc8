"""`hyperkms wallet import`: the key of a file that is nobody else's, or of a pipe."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from support.commands import ADDRESS, KEY, key_file, refusal, run
from support.service import Service

GROUP_ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
RFC_8032_SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
RFC_8032_PUBLIC_KEY = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service with the wallet `taken`."""
    with Service.start(tmp_path_factory.mktemp("served") / "data") as running:
        running.generate("taken", keyType="secp256k1")
        yield running


def _words(service: Service, wallet: str, file: Path | str, *, key_type: str = "secp256k1") -> tuple[str, ...]:
    return (
        *("wallet", "import", wallet, "--key-type", key_type),
        *("--key-file", str(file), "--data", str(service.data), "--json"),
    )


def _refused(service: Service, wallet: str, file: Path | str, *, stdin: str = "") -> str:
    """The line that refuses the import; no form of what the file held is in it, and no wallet was made."""
    told = refusal(*_words(service, wallet, file), cwd=service.data.parent, stdin=stdin)
    held = stdin if file == "-" else Path(file).read_text() if Path(file).is_file() else KEY
    for form in (held.strip(), held.strip()[:16], held.strip()[-16:]):
        assert form not in told
    if wallet != "taken":
        assert service.get(f"/wallets/{wallet}/public-key").status == 404
    return told


def _another(number: int) -> str:
    """A key of its own: no two wallets have the same one."""
    return f"{KEY[:-2]}{number:02x}"


def test_a_key_that_another_wallet_has_is_refused(served: Service, tmp_path: Path) -> None:
    file = key_file(tmp_path / "key", _another(4))
    assert run(*_words(served, "first-to-have-it", file), cwd=tmp_path).returncode == 0
    assert "[key-known]" in _refused(served, "second-to-want-it", file)


@pytest.mark.parametrize("text", [_another(1), f"  0x{_another(2).upper()}\n"])
def test_a_key_is_imported_and_the_running_service_signs_with_it(served: Service, tmp_path: Path, text: str) -> None:
    address = Account.from_key(text.strip().lower()).address.lower()
    wallet = f"imported-{len(text)}"
    done = run(*_words(served, wallet, key_file(tmp_path / "key", text)), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    made = json.loads(done.stdout)
    assert (made["address"], made["origin"]) == (address, "imported")
    signed = served.post("/hyperliquid/sign", {"walletId": wallet, "action": {"type": "noop"}})
    assert (signed.status, signed.json["address"]) == (200, address)


def test_an_ed25519_seed_is_imported(served: Service, tmp_path: Path) -> None:
    file = key_file(tmp_path / "key", RFC_8032_SEED)
    done = run(*_words(served, "seed", file, key_type="ed25519"), cwd=tmp_path)
    assert json.loads(done.stdout)["publicKey"] == RFC_8032_PUBLIC_KEY


def test_a_key_is_imported_from_a_pipe(served: Service, tmp_path: Path) -> None:
    done = run(*_words(served, "from-a-pipe", "-"), cwd=tmp_path, stdin=KEY + "\n")
    assert (done.returncode, json.loads(done.stdout)["address"]) == (0, ADDRESS)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("62 digits", KEY[2:]),
        ("66 digits", KEY + "01"),
        ("very long", KEY * 1000),
        ("no hex", "zz" + KEY[2:]),
    ],
)
def test_what_is_no_key_is_refused(served: Service, tmp_path: Path, kind: str, text: str) -> None:
    told = _refused(served, f"bad-{kind.replace(' ', '-')}", key_file(tmp_path / "key", text))
    assert "[malformed-key-file]" in told


def test_an_empty_pipe_is_refused(served: Service) -> None:
    told = refusal(*_words(served, "bad-empty", "-"), cwd=served.data.parent)
    assert "[malformed-key-file]" in told


@pytest.mark.parametrize(
    ("kind", "text"),
    [("zero", "0" * 64), ("order", GROUP_ORDER)],
)
def test_a_scalar_outside_the_group_is_refused(served: Service, tmp_path: Path, kind: str, text: str) -> None:
    assert "[invalid-private-key]" in _refused(served, f"scalar-{kind}", key_file(tmp_path / "key", text))


def test_the_largest_scalar_is_a_key(served: Service, tmp_path: Path) -> None:
    done = run(*_words(served, "largest", key_file(tmp_path / "key", GROUP_ORDER[:-1] + "0")), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", [0o644, 0o620])
def test_a_file_that_is_not_its_owners_alone_is_refused(served: Service, tmp_path: Path, mode: int) -> None:
    file = key_file(tmp_path / "key", mode=mode)
    assert "[key-file-permissions]" in _refused(served, f"mode-{mode:o}", file)


def test_a_link_to_a_file_that_others_can_read_is_refused(served: Service, tmp_path: Path) -> None:
    key_file(tmp_path / "key", mode=0o644)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "key")
    assert "[key-file-permissions]" in _refused(served, "linked", link)


def test_what_is_no_file_is_refused(served: Service, tmp_path: Path) -> None:
    assert "[key-file-missing]" in _refused(served, "missing", tmp_path / "none")
    (tmp_path / "dir").mkdir(mode=0o700)
    _refused(served, "directory", tmp_path / "dir")


def test_an_existing_id_keeps_its_key(served: Service, tmp_path: Path) -> None:
    before = served.get("/wallets/taken/public-key").json
    assert "[wallet-exists]" in _refused(served, "taken", key_file(tmp_path / "key"))
    assert served.get("/wallets/taken/public-key").json == before
    assert served.post("/wallets/sign", {"walletId": "taken", "message": "m"}).status == 200


def test_a_key_file_is_not_changed_by_its_import(served: Service, tmp_path: Path) -> None:
    text = _another(3)
    file = key_file(tmp_path / "key", text, mode=0o400)
    assert run(*_words(served, "untouched", file), cwd=tmp_path).returncode == 0
    assert file.read_text() == text
    assert file.stat().st_mode & 0o777 == 0o400
