"""The wallets of the first system come straight from AWS: each format, wrong records, many of them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from hyperkms._core import verify_ed25519
from support.aws import Aws
from support.aws_faults import Spoiler, spoiled
from support.commands import refusal, run, run_at_length
from support.first_system import BEGAN_S, DAY_S, FirstSystem, Pair, iso, version_metadata
from support.forked import Forked
from support.killed_importing import POINTS
from support.service import Service

KILLED = Forked("killed_importing")
COMMAND = ("wallet", "import-first-system")
BOTH = [{"HYPERKMS_KEY_STORE": ""}, {"HYPERKMS_ROOT_KEY": "file:", "HYPERKMS_KEY_STORE": "database:"}]
"""Where the keys go: AWS as well, or this machine."""


@pytest.fixture(scope="module", autouse=True)
def _killed() -> Iterator[None]:
    with KILLED.waiting():
        yield


@pytest.fixture
def first(emulated_aws: Aws, tmp_path: Path) -> FirstSystem:
    """An empty first system of this test's own."""
    return FirstSystem(emulated_aws, f"{tmp_path.name}/")


def ask(first: FirstSystem, folder: Path, *words: str, status: int = 0, **settings: str) -> Any:
    """Nothing is timed: an emulator on a busy machine may take a minute for hundreds of calls."""
    words = (*COMMAND, *words, "--json", "--data", str(folder / "data"))
    done = run_at_length(*words, cwd=folder, **_settings(first, **settings))
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def by_name(report: Any) -> dict[str, Any]:
    return {line["name"]: line for line in report["wallets"]}


def verdicts(report: Any) -> dict[str, str]:
    return {line["name"]: line.get("code") or line["verdict"] for line in report["wallets"]}


def _settings(first: FirstSystem, **more: str) -> dict[str, str]:
    return first.aws.settings(SECRETS_PREFIX=first.prefix, **{**BOTH[0], **more})


def signs_as(service: Service, wallet: str, pair: Pair, **members: object) -> None:
    """The signature is the one that the first system made, and an independent library takes it."""
    message = "an order, say: é"
    answer = service.post("/wallets/sign", {"walletId": wallet, "message": message, **members})
    assert answer.status == 200, answer.body
    assert (answer.json["signature"], answer.json["publicKey"]) == (pair.sign(message.encode()), pair.public)
    pair.private.public_key().verify(bytes.fromhex(answer.json["signature"][2:]), message.encode())
    verify_ed25519(bytes.fromhex(pair.public[2:]), message.encode(), bytes.fromhex(answer.json["signature"][2:]))


# ---- each format ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", BOTH, ids=["aws", "this machine"])
def test_every_format_becomes_a_wallet_that_signs_as_before(
    first: FirstSystem, tmp_path: Path, store: dict[str, str]
) -> None:
    pairs = first.wallet("bot", 3)
    old = Pair("before versions")
    first.before_versions("old.one", old)
    alone = Pair("alone")
    first.key("alone", 1, alone)
    first.before_versions("like-v2", Pair("a name like a version"))
    first.shares("shared", Pair("shared"), ["801", "802", "803"])
    first.write("audit-log", {"entries": []})
    planned = ask(first, tmp_path, status=3, **store)
    names = {"bot": "to import", "old.one": "to import", "alone": "to import", "like-v2": "to import"}
    assert verdicts(planned) == {**names, "shared": "first-system-in-shares"}
    assert planned["others"] == ["audit-log"]
    assert not (tmp_path / "data").exists(), "a look makes nothing"
    checked = ask(first, tmp_path, "--check", status=3, **store)
    assert verdicts(checked) == verdicts(planned)
    assert not (tmp_path / "data").exists()

    done = ask(first, tmp_path, "--apply", status=3, **store)
    assert verdicts(done) == {**dict.fromkeys(names, "imported"), "shared": "first-system-in-shares"}
    states = [(one["version"], one["state"], one["publicKey"]) for one in by_name(done)["bot"]["versions"]]
    assert states == [
        (number, state, pair.public)
        for number, (state, pair) in enumerate(zip(("retired", "retiring", "active"), pairs, strict=True), 1)
    ]
    assert by_name(done)["bot"]["records"] == ["bot-v1", "bot-v2", "bot-v3", "bot-version-metadata"]
    report = tmp_path / "data" / "first-system-import.json"
    assert report.stat().st_mode & 0o777 == 0o600
    assert json.loads(report.read_text()) == done

    with Service.start(tmp_path / "data", **_settings(first, **store)) as service:
        signs_as(service, "bot", pairs[2])
        signs_as(service, "bot", pairs[1], version=2)
        signs_as(service, "old.one", old)
        signs_as(service, "alone", alone)
        refused = service.post("/wallets/sign", {"walletId": "bot", "message": "m", "version": 1})
        assert refused.json["code"] == "version-retired"
        history = service.get("/wallets/bot/rotation-history").json["history"]
        record = json.loads(first.written["bot-version-metadata"])
        assert history["rotationHistory"] == record["rotationHistory"]
        assert history["versions"]["2"]["expiresAt"] == record["versions"]["2"]["expiresAt"]
        assert history["versions"]["2"]["createdAt"] == iso(BEGAN_S + DAY_S)
        shown = service.get("/wallets/bot").json["wallet"]
        assert shown["metadata"] == {"desk": "a", "version": "3"}
        assert shown["createdAt"] == iso(BEGAN_S)
        versions = service.get("/wallets/bot/versions").json["versions"]
        assert ["destroyedAt" in one for one in versions] == [True, False, False]
        rotated = service.post("/wallets/rotate", {"walletId": "bot"})
        assert rotated.json["rotation"]["newVersion"] == 4
    again = ask(first, tmp_path, "--apply", status=3, **store)
    assert {line["verdict"] for line in again["wallets"]} == {"here already", "in shares"}
    assert first.standing() == first.written, "no old record was touched"
    assert run("audit", "verify", "--data", "data", cwd=tmp_path, **_settings(first, **store)).returncode == 0


def test_a_wallet_that_was_migrated_there_has_one_key_in_two_records(first: FirstSystem, tmp_path: Path) -> None:
    pairs = first.wallet("bot")
    first.before_versions("bot", pairs[0])
    first.wallet("two")
    first.before_versions("two", Pair("another key"))
    cut = first.wallet("cut", 2)
    first.replace("cut-v2", encryptedPrivateKey=first.encrypted(cut[0].secret_key))
    done = ask(first, tmp_path, "--apply", status=3)
    assert verdicts(done) == {"bot": "imported", "two": "first-system-two-keys", "cut": "first-system-key-mismatch"}
    assert "bot" in by_name(done)["bot"]["records"]
    kept = {name for name in first.aws.secrets() if name.startswith(f"{first.prefix}hyperkms/")}
    assert kept == {f"{first.prefix}hyperkms/bot/v1"}, "what is refused leaves nothing"


def test_a_wallet_is_imported_that_the_list_does_not_have_yet(emulated_aws: Aws, tmp_path: Path) -> None:
    """ListSecrets lags: what is named is asked for, and versions are looked up by name."""
    first = FirstSystem(emulated_aws, f"{tmp_path.name}/")
    pairs = first.wallet("bot", 2)
    with spoiled(emulated_aws.url) as spoiler:
        spoiler.spoil_all("denied", "ListSecrets")
        settings = {"AWS_ENDPOINT_URL": spoiler.url}
        done = ask(first, tmp_path, "--apply", "--only", "bot", "--only", "nobody", status=3, **settings)
        assert verdicts(done) == {"bot": "imported", "nobody": "first-system-not-found"}
        assert spoiler.asked["ListSecrets"] == 0
        told = refusal(*COMMAND, "--data", "data", cwd=tmp_path, **_settings(first, **settings))
        assert "secretsmanager:ListSecrets" in told
        assert "[secrets-access-denied]" in told
    assert [one["publicKey"] for one in by_name(done)["bot"]["versions"]] == [pair.public for pair in pairs]


# ---- wrong records -------------------------------------------------------------------------------------

Spoil: TypeAlias = Callable[[FirstSystem, str], None]
"""Leaves a wallet of that name of which something is wrong."""


def _with_plaintext(plaintext: Callable[[Pair], str]) -> Spoil:
    def spoil(first: FirstSystem, name: str) -> None:
        pair = Pair("wrong")
        first.key(name, 1, pair, encryptedPrivateKey=first.encrypted(plaintext(pair)))
        first.versions(name, [pair])

    return spoil


def _with_key(**more: object) -> Spoil:
    def spoil(first: FirstSystem, name: str) -> None:
        first.key(name, 1, Pair("wrong"), **more)
        first.versions(name, [Pair("wrong")])

    return spoil


def _with_versions(count: int, **more: object) -> Spoil:
    def spoil(first: FirstSystem, name: str) -> None:
        pairs = [Pair(f"wrong {number}") for number in range(count)]
        for number, pair in enumerate(pairs, 1):
            first.key(name, number, pair)
        first.versions(name, pairs, **more)

    return spoil


def _foreign(first: FirstSystem, name: str) -> None:
    pair = Pair("wrong")
    first.key(name, 1, pair, encryptedPrivateKey=first.encrypted(pair.secret_key, key=first.aws.make_key()))
    first.versions(name, [pair])


def _text(text: str) -> Spoil:
    return lambda first, name: first.write(f"{name}-version-metadata", text.replace("NAME", name))


def _without_its_key(first: FirstSystem, name: str) -> None:
    first.versions(name, [Pair("wrong")])


def _several_without_metadata(first: FirstSystem, name: str) -> None:
    for number in (1, 2):
        first.key(name, number, Pair(f"wrong {number}"))


def _known_elsewhere(first: FirstSystem, name: str) -> None:
    first.key(name, 1, first.wallet("a-good")[0])
    first.versions(name, [Pair(f"{first.prefix}a-good v1")])


_VERSIONS = version_metadata("bad", [Pair("wrong 0"), Pair("wrong 1")])["versions"]
BROKEN, MISPLACED, CONTRADICT = (
    "first-system-record-malformed",
    "first-system-record-misplaced",
    "first-system-versions-contradict",
)
WRONG: dict[str, tuple[Spoil, str]] = {
    "a key whose half is cut off": (_with_plaintext(lambda pair: pair.secret_key[:64]), "first-system-key-malformed"),
    "a key cut by a digit": (_with_plaintext(lambda pair: pair.secret_key[:-1]), "first-system-key-malformed"),
    "a key with a digit more": (_with_plaintext(lambda pair: pair.secret_key + "0"), "first-system-key-malformed"),
    "a key as JSON": (_with_plaintext(lambda pair: json.dumps([pair.secret_key])), "first-system-key-malformed"),
    "another seed beside the public key": (
        _with_plaintext(lambda pair: Pair("x").secret_key[:64] + pair.secret_key[64:]),
        "first-system-key-malformed",
    ),
    "another wallet's key": (_with_plaintext(lambda _: Pair("another").secret_key), "first-system-key-mismatch"),
    "a plaintext of 4 KiB": (_with_plaintext(lambda _: "0" * 4096), "first-system-key-malformed"),
    "a ciphertext under another KMS key": (_foreign, "kms-access-denied"),
    "a ciphertext that is none": (_with_key(encryptedPrivateKey="aGVsbG8="), "first-system-key-foreign"),
    "no base64": (_with_key(encryptedPrivateKey="*"), BROKEN),
    "a ciphertext too long": (_with_key(encryptedPrivateKey="AAAA" * 4096), BROKEN),
    "no ciphertext": (_with_key(encryptedPrivateKey=None), BROKEN),
    "a number as ciphertext": (_with_key(encryptedPrivateKey=1), BROKEN),
    "a record of another wallet": (_with_key(walletId="other"), MISPLACED),
    "a record of another version": (_with_key(version=2), MISPLACED),
    "a deleted wallet": (_with_key(deleted=True), "first-system-deleted"),
    "a deleted wallet by its metadata": (_with_key(metadata={"status": "deleted"}), "first-system-deleted"),
    "metadata of 5,000 characters": (_with_key(metadata={"a": "x" * 5000}), "malformed"),
    "two public keys": (_with_key(publicKey=Pair("another").public), CONTRADICT),
    "a current version rolled back": (_with_versions(2, currentVersion=1), CONTRADICT),
    "a gap": (_with_versions(2, versions={"2": _VERSIONS["2"]}), CONTRADICT),
    "one key twice": (_with_versions(2, versions={"1": _VERSIONS["2"], "2": _VERSIONS["2"]}), CONTRADICT),
    "a rotation to nowhere": (
        _with_versions(1, rotationHistory=[{"fromVersion": 1, "toVersion": 2, "rotatedAt": iso(BEGAN_S)}]),
        CONTRADICT,
    ),
    "a version that is no number": (_with_versions(1, versions={"one": _VERSIONS["1"]}), BROKEN),
    "a time that is none": (_with_versions(1, versions={"1": {**_VERSIONS["1"], "createdAt": "soon"}}), BROKEN),
    "a public key that is none": (_with_versions(1, versions={"1": {**_VERSIONS["1"], "publicKey": "0x12"}}), BROKEN),
    "a member twice": (_text('{"walletId":"NAME","walletId":"NAME"}'), "first-system-not-found"),
    "no record of its key": (_without_its_key, "first-system-record-missing"),
    "several versions and none current": (_several_without_metadata, "first-system-current-unknown"),
    "a key that another wallet has": (_known_elsewhere, "key-known"),
}


def test_wrong_records_are_refused_by_name_and_keep_no_other_from_coming(first: FirstSystem, tmp_path: Path) -> None:
    first.wallet("good")
    names = {f"bad-{number:02}": case for number, case in enumerate(WRONG)}
    for name, case in names.items():
        WRONG[case][0](first, name)
    only = [word for name in ("good", "a-good", *names) for word in ("--only", name)]
    done = ask(first, tmp_path, "--apply", *only, status=3)
    found = by_name(done)
    assert (found["good"]["verdict"], found["a-good"]["verdict"]) == ("imported", "imported")
    assert {case: found[name].get("code") for name, case in names.items()} == {
        case: code for case, (_, code) in WRONG.items()
    }
    for name, case in names.items():
        code = WRONG[case][1]
        assert name in found[name]["reason"] or code.startswith(("first-system-key", "kms", "malformed")), found[name]
    secrets = [Pair(name).secret_key[:64] for name in ("wrong", "another", "x")]
    assert not any(secret in json.dumps(done) for secret in secrets)
    again = by_name(ask(first, tmp_path, "--apply", *only, status=3))
    assert {name: again[name].get("code") for name in names} == {name: found[name]["code"] for name in names}
    shown = json.loads(run("wallet", "list", "--json", "--data", "data", cwd=tmp_path, **_settings(first)).stdout)
    assert {wallet["walletId"] for wallet in shown["wallets"]} == {"good", "a-good"}
    assert first.standing() == first.written


def test_names_that_collided_there_do_not_collide_here(first: FirstSystem, tmp_path: Path) -> None:
    """Defect 7: a wallet X-version took the name of X's versions, and an MPC wallet X-v1 that of X's public key."""
    pair = Pair("X")
    first.key("X", 1, pair)
    first.shares("X-version", Pair("X-version"), ["801", "802", "803"])
    first.before_versions("a/b", Pair("a/b"))
    first.write("left-v7", {"encryptedPrivateKey": "aGVsbG8=", "walletId": "nobody", "version": 7})
    first.wallet("bot")
    first.key("bot", 2, Pair("not in the versions"))
    done = ask(first, tmp_path, "--apply", status=3)
    assert verdicts(done) == {
        "X": "imported",
        "X-version": "first-system-in-shares",
        "a/b": "malformed-wallet-id",
        "left-v7": "first-system-record-left",
        "bot": "imported",
        "bot-v2": "first-system-record-left",
    }


def test_a_wallet_of_that_name_that_is_another_is_not_touched(first: FirstSystem, tmp_path: Path) -> None:
    first.wallet("bot")
    first.before_versions("old", Pair("old"))
    with Service.start(tmp_path / "data", **_settings(first)) as service:
        for wallet in ("bot", "old"):
            service.generate(wallet)
        keys = {wallet: service.get(f"/wallets/{wallet}").json["wallet"]["publicKey"] for wallet in ("bot", "old")}
    assert verdicts(ask(first, tmp_path, "--check", status=3)) == {"bot": "wallet-exists", "old": "wallet-exists"}
    assert verdicts(ask(first, tmp_path, "--apply", status=3)) == {"bot": "wallet-exists", "old": "wallet-exists"}
    with Service.start(tmp_path / "data", **_settings(first)) as service:
        for wallet, key in keys.items():
            assert service.get(f"/wallets/{wallet}").json["wallet"]["publicKey"] == key


# ---- many, and cut off ---------------------------------------------------------------------------------


def test_three_hundred_records_over_several_pages(first: FirstSystem, tmp_path: Path) -> None:
    pairs = {f"bot-{number:03}": first.wallet(f"bot-{number:03}")[0] for number in range(100)}
    with spoiled(first.aws.url) as spoiler:
        done = ask(first, tmp_path, "--apply", AWS_ENDPOINT_URL=spoiler.url)
        assert spoiler.asked["ListSecrets"] >= 3
    assert done["counts"]["imported"] == 100
    assert {name: line["versions"][0]["publicKey"] for name, line in by_name(done).items()} == {
        name: pair.public for name, pair in pairs.items()
    }
    assert done["others"] == []


def test_what_is_away_stops_the_run_and_the_next_one_goes_on(first: FirstSystem, tmp_path: Path) -> None:
    for wallet in ("a", "b", "c"):
        first.wallet(wallet)
    with spoiled(first.aws.url) as spoiler:
        _spoil_after(spoiler, "Decrypt", 4)
        settings = _settings(first, AWS_ENDPOINT_URL=spoiler.url)
        done = run(*COMMAND, "--apply", "--data", "data", cwd=tmp_path, **settings)
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"[kms-unavailable]" in done.stderr
    done = ask(first, tmp_path, "--apply")
    assert sorted(verdicts(done).values()) == ["here already", "imported", "imported"]


def _spoil_after(spoiler: Spoiler, operation: str, good: int) -> None:
    """The first calls pass, and all others do not: of an import a Decrypt opens the old key, the next the new."""
    spoiler.spoil(operation, *["none"] * good, *["unavailable"] * 100)


@pytest.mark.parametrize("store", BOTH, ids=["aws", "this machine"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_the_next_run_has_each_wallet_once(
    first: FirstSystem, tmp_path: Path, point: str, store: dict[str, str]
) -> None:
    pairs = {wallet: first.wallet(wallet, 2) for wallet in ("a", "b")}
    settings = _settings(first, **store)
    died = KILLED.run(str(tmp_path / "data"), point, "2", **settings)
    assert died.returncode == -9, died.stderr
    done = ask(first, tmp_path, "--apply", status=0, **store)
    assert set(verdicts(done).values()) <= {"imported", "here already"}
    with Service.start(tmp_path / "data", **settings) as service:
        assert service.get("/wallets").json["count"] == 2
        for wallet, (old, new) in pairs.items():
            signs_as(service, wallet, new)
            signs_as(service, wallet, old, version=1)
            assert len(service.get(f"/wallets/{wallet}/versions").json["versions"]) == 2
    assert first.standing() == first.written


# ---- one wallet, by the first system's own route --------------------------------------------------------


def test_the_route_imports_one_wallet_and_answers_the_same_again(first: FirstSystem, tmp_path: Path) -> None:
    pairs = first.wallet("bot", 2)
    first.wallet("other")
    first.shares("shared", Pair("shared"), ["801", "802", "803"])
    with Service.start(tmp_path / "data", **_settings(first)) as service:
        once = {"X-API-Key": service.key, "Idempotency-Key": "once"}
        made = service.post("/wallets/migrate", {"walletId": "bot"}, headers=once)
        assert made.status == 200, made.body
        assert made.json["walletId"] == "bot"
        assert "imported from the first system" in made.json["message"]
        again = service.post("/wallets/migrate", {"walletId": "bot"}, headers=once)
        assert again.body == made.body
        assert "versioned already" in service.post("/wallets/migrate", {"walletId": "bot"}).json["message"]
        signs_as(service, "bot", pairs[1])
        signs_as(service, "bot", pairs[0], version=1)
        assert service.get("/wallets").json["count"] == 1, "it alone"
        for wallet, status, code in (
            ("nobody", 404, "wallet-not-found"),
            ("shared", 403, "first-system-in-shares"),
        ):
            answer = service.post("/wallets/migrate", {"walletId": wallet})
            assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert first.standing() == first.written
