"""`hyperkms wallet`, on a data directory and on a running service: the same words, the same answers."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from hyperkms.cli.remote import Remote
from hyperkms.cli.wallet_desk import every_wallet
from hyperkms.cli.wallets_at_service import WalletsAtService
from hyperkms.config import ServiceAddress
from support.commands import KEY, key_file, refusal, run
from support.places import PLACES, Place
from support.service import Service
from support.unix_relay import relayed

ROOM = {"HYPERKMS_LIMIT_GENERATE": "1000/s", "HYPERKMS_LIMIT_ROTATE": "1000/s"}
NOOP = '{"type": "noop"}'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("served") / "data", **ROOM) as running:
        yield running


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, served: Service) -> Place:
    return Place(served, request.param, ("wallet",))


def _both(served: Service) -> tuple[Place, Place]:
    return Place(served, "data", ("wallet",)), Place(served, "url", ("wallet",))


def test_a_wallet_is_made_shown_and_listed(served: Service, place: Place) -> None:
    wallet = f"made-{place.where}"
    made = place.json("generate", wallet, "--metadata", '{"desk": "a"}')
    assert (made["keyType"], made["network"], made["metadata"]) == ("secp256k1", "testnet", {"desk": "a"})
    assert served.get(f"/wallets/{wallet}").json["wallet"] == made
    assert place.json("show", wallet) == made
    assert made in place.json("list")["wallets"]
    assert made["address"] in place.text("list")


def test_reading_commands_print_the_same_document_in_both_places(served: Service) -> None:
    served.generate("read", keyType="secp256k1")
    served.post("/wallets/rotate", {"walletId": "read", "reason": "quarterly", "activate": True})
    data, url = _both(served)
    for words in (("show", "read"), ("versions", "read"), ("history", "read"), ("migrate", "read"), ("list",)):
        assert data.json(*words) == url.json(*words), words
        assert data.text(*words) == url.text(*words), words


def test_the_life_of_a_wallet_has_the_same_members_in_both_places(served: Service) -> None:
    lives = []
    for place in _both(served):
        wallet = f"life-{place.where}"
        place.text("generate", wallet)
        rotated = place.json("rotate", wallet, "--reason", "quarterly")
        activated = place.json("activate", wallet, "2")
        one = place.json("retire", wallet, "--version", "1", "--yes")
        ended = place.json("retire", wallet, "--reason", "over", "--destroy", "--yes")
        assert (rotated["state"], activated["state"]) == ("pending", "active")
        assert [version["state"] for version in one["versions"]] == ["retired", "active"]
        assert ended["wallet"]["retiredReason"] == "over"
        assert all("destroyedAt" in version for version in ended["versions"])
        lives.append([sorted(answer) for answer in (rotated, activated, one, ended)])
    assert lives[0] == lives[1]


def test_a_pending_version_is_told_with_what_comes_next(served: Service) -> None:
    served.generate("next", keyType="secp256k1")
    done = run("wallet", "rotate", "next", "--data", str(served.data), "--json", cwd=served.data.parent)
    told = done.stderr.decode()
    assert json.loads(done.stdout)["newAddress"] in told
    assert told.endswith("hyperkms wallet activate next 2\n")


def test_a_message_is_signed_and_a_version_in_grace_is_named(served: Service, place: Place) -> None:
    wallet = f"signs-{place.where}"
    before = served.generate(wallet, keyType="secp256k1")["address"]
    after = place.json("rotate", wallet, "--activate")["newAddress"]
    for words, address in (((), after), (("--version", "1"), before)):
        signed = place.json("sign", wallet, "--message", "-", *words, stdin="héllo")
        signer = Account.recover_message(encode_defunct(text="héllo"), signature=signed["signature"])
        assert signer.lower() == signed["address"] == address


def test_an_action_is_signed_ready_to_be_posted(served: Service, place: Place, tmp_path: Path) -> None:
    wallet = f"acts-{place.where}"
    served.generate(wallet, keyType="secp256k1")
    file = tmp_path / "action.json"
    file.write_text(NOOP)
    posted = json.loads(place.text("sign-action", wallet, "--action", str(file)))
    assert list(posted) == ["action", "nonce", "signature", "vaultAddress", "expiresAfter"]
    assert (posted["action"], posted["vaultAddress"]) == ({"type": "noop"}, None)
    whole = place.json("sign-action", wallet, "--action", "-", stdin=NOOP)
    assert whole["nonce"] > posted["nonce"]
    assert whole["receipt"]["keyVersion"] == 1


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ('{"type": "noop"}, "nonce": 5', "malformed-json"),
        ('{"type": "noop", "type": "order"}', "malformed-json"),
        ("[]", "malformed"),
        ("{" + " " * 70_000 + "}", "malformed"),
        ('{"type": "userOutcome"}', "unknown-action"),
        ('{"type": "claimRewards"}', "action-not-allowed"),
    ],
    ids=["two values", "one key twice", "no object", "too large", "unknown", "not allowed"],
)
def test_what_is_no_action_is_refused_before_it_is_sent(served: Service, place: Place, action: str, code: str) -> None:
    served.post("/wallets/generate", {"walletId": "acts", "keyType": "secp256k1"})
    assert f"[{code}]" in place.refusal("sign-action", "acts", "--action", "-", stdin=action)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("generate", "taken"), "wallet-exists"),
        (("generate", "../x"), "malformed-wallet-id"),
        (("generate", "x", "--metadata", "[]"), "malformed"),
        (("show", "nobody"), "wallet-not-found"),
        (("versions", "nobody"), "wallet-not-found"),
        (("history", "nobody"), "wallet-not-found"),
        (("migrate", "nobody"), "wallet-not-found"),
        (("rotate", "nobody"), "wallet-not-found"),
        (("activate", "taken", "7"), "version-not-found"),
        (("retire", "nobody", "--yes"), "wallet-not-found"),
        (("retire", "taken", "--version", "1", "--yes"), "version-current"),
        (("sign", "nobody", "--message", "m"), "wallet-not-found"),
        (("sign", "taken", "--message", "m", "--version", "9"), "version-not-found"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_refusals_read_the_same_in_both_places(served: Service, words: tuple[str, ...], code: str) -> None:
    served.post("/wallets/generate", {"walletId": "taken", "keyType": "secp256k1"})
    data, url = (place.refusal(*words) for place in _both(served))
    assert data == url
    assert data.endswith(f"[{code}]\n")


def test_retiring_asks_and_without_a_terminal_needs_yes(served: Service, place: Place) -> None:
    wallet = f"asks-{place.where}"
    address = served.generate(wallet, keyType="secp256k1")["address"]
    told = place.refusal("retire", wallet)
    assert told.endswith("[not-confirmed]\n")
    assert address in told
    assert "destroyed when a last grace ends" in told
    assert "destroyed at once" in place.refusal("retire", wallet, "--destroy")
    assert "retiredAt" not in place.json("show", wallet)


def test_a_retired_wallet_is_listed_only_when_it_is_asked_for(served: Service, place: Place) -> None:
    wallet = f"gone-{place.where}"
    served.generate(wallet)
    place.text("retire", wallet, "--yes")
    assert wallet not in place.text("list")
    assert wallet in place.text("list", "--state", "retired")
    assert wallet in {one["walletId"] for one in place.json("list", "--state", "all")["wallets"]}


def test_a_client_may_by_command_what_it_may_over_http(served: Service) -> None:
    served.generate("only")
    key = served.post("/clients", {"name": "reader", "allow": ["read"], "wallets": ["only"]}).json["apiKey"]
    reader = Place(dataclasses.replace(served, key=key), "url", ("wallet",))
    assert [one["walletId"] for one in reader.json("list")["wallets"]] == ["only"]
    assert reader.refusal("generate", "more").endswith("[scope-missing]\n")
    assert key not in reader.refusal("retire", "only", "--yes")


def test_a_service_is_asked_through_a_unix_socket(served: Service, tmp_path: Path) -> None:
    with relayed(tmp_path / "s", served.url) as address:
        through = Place(dataclasses.replace(served, url=address), "url", ("wallet",))
        made = through.json("generate", "by-socket", "--key-type", "ed25519")
        assert through.json("show", "by-socket") == made
    assert through.refusal("list").endswith("[service-unreachable]\n")


@pytest.mark.parametrize("words", [("--url", "http://127.0.0.1:9"), ("--url", "unix:/nowhere.sock"), ()], ids=str)
def test_a_key_is_imported_through_no_service(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = key_file(tmp_path / "key")
    settings = {} if words else {"HYPERKMS_URL": "unix:/nowhere.sock"}
    command = ("wallet", "import", "w", "--key-type", "secp256k1", "--key-file", str(file), *words)
    told = refusal(*command, cwd=tmp_path, **settings)
    assert told.endswith("[import-needs-directory]\n")
    assert KEY[:16] not in told


def test_what_is_no_service_and_no_address_is_told(served: Service, tmp_path: Path) -> None:
    key = {"HYPERKMS_API_KEY": "canary-of-a-key"}
    told = [
        refusal("wallet", "list", "--url", url, cwd=tmp_path, **key)
        for url in (f"{served.url}/docs", "http://127.0.0.1:9", "unix:", "ftp://x", "http://user:pass@x")
    ]
    codes = [re.findall(r"\[([a-z-]+)\]\n", line)[0] for line in told]
    assert codes[1:] == ["service-unreachable", "malformed-setting", "malformed-setting", "malformed-setting"]
    assert not any("canary" in line or "pass@" in line for line in told)


def test_many_wallets_come_in_pages(served: Service) -> None:
    for number in range(5):
        served.generate(f"many-{number}")
    remote = Remote(ServiceAddress(served.url, served.key))
    one_by_one = [view["walletId"] for view in every_wallet(WalletsAtService(remote, page=1), "live")]
    remote.close()
    for place in _both(served):
        assert [view["walletId"] for view in place.json("list")["wallets"]] == one_by_one


def test_a_place_without_wallets_is_an_empty_list(tmp_path: Path) -> None:
    run("wallet", "generate", "w", "--data", "data", cwd=tmp_path)
    run("wallet", "retire", "w", "--yes", "--data", "data", cwd=tmp_path)
    done = run("wallet", "list", "--data", "data", "--json", cwd=tmp_path)
    assert json.loads(done.stdout) == {"wallets": [], "count": 0}
