"""Every key sealed anew where the root key is in AWS KMS, and where sealed keys are in AWS Secrets Manager."""

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperkms import _core
from hyperkms.cli.assemble import assemble
from hyperkms.cli.operator import actor, operator
from hyperkms.config import load
from hyperkms.custody.moving import MovingKeyStore
from hyperkms.operations.generate import generate
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.operations.parts import Parts
from hyperkms.operations.sign import sign_message
from hyperkms.wallet import KeyType, SealedKey, WalletId
from support import custody, databases
from support.aws import Aws
from support.aws_faults import Spoiler, spoiled
from support.commands import refusal, run
from support.forked import Forked
from support.killed_resealing import EACH_THAT_MOVES, ONCE
from support.service import Service, environment

pytestmark = [
    custody.needs(custody.FILE, because="it names the places of keys itself"),
    databases.needs(databases.SQLITE, because="it names the places of keys itself"),
]

WALLETS = ("ed", "one", "two")
KILLED = Forked("killed_resealing")


@pytest.fixture(scope="module", autouse=True)
def _killed() -> Iterator[None]:
    with KILLED.waiting():
        yield


@pytest.fixture(scope="module")
def door(emulated_aws: Aws) -> Iterator[Spoiler]:
    """What stands in front of the emulator."""
    with spoiled(emulated_aws.url) as spoiler:
        yield spoiler


@dataclass
class Directory:
    """A data directory with its keys in AWS, and the two root keys between which it goes."""

    aws: Aws
    door: Spoiler
    data: Path
    store: str
    old: str
    new: str
    """Ids of KMS keys."""

    @property
    def under_old(self) -> dict[str, str]:
        place = {"HYPERKMS_KEY_STORE": self.store, "SECRETS_PREFIX": self.prefix, **databases.setting_for(self.data)}
        reached = {"AWS_ENDPOINT_URL": self.door.url, "HYPERKMS_ROOT_KEY": f"aws-kms:{self.old}"}
        return self.aws.settings(**place, **reached, AWS_KMS_KEY_ID="", HYPERKMS_KEY_LEASE="strict")

    @property
    def under_new(self) -> dict[str, str]:
        return {**self.under_old, "HYPERKMS_ROOT_KEY": f"aws-kms:{self.new}"}

    @property
    def under_both(self) -> dict[str, str]:
        return {**self.under_new, "HYPERKMS_ROOT_KEY_BEFORE": f"aws-kms:{self.old}"}

    @property
    def prefix(self) -> str:
        return f"{self.data.parent.name}/"

    @contextmanager
    def opened(self, settings: Mapping[str, str]) -> Iterator[Parts]:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in settings.items():
                if name.startswith("AWS_"):
                    patched.setenv(name, value)
            parts = assemble(load(environment(**settings), {"data": self.data}), create=True, tell=lambda _: None)
            try:
                yield parts
            finally:
                parts.close()

    def signatures(self, settings: Mapping[str, str], wallets: Sequence[str] = WALLETS) -> list[str]:
        """One of each wallet, over the same message: the same key makes the same one."""
        with self.opened(settings) as parts:
            return signatures(parts, wallets)

    def secrets(self) -> set[str]:
        """What is behind the prefix, without it."""
        found = (name for name in self.aws.secrets() if name.startswith(self.prefix))
        return {name.removeprefix(f"{self.prefix}hyperkms/") for name in found}

    def root_keys(self) -> set[str]:
        """Those under which something is sealed: keys in secrets, and what the database has."""
        client = self.aws.client("secretsmanager")
        names = [f"{self.prefix}hyperkms/{name}" for name in self.secrets()]
        sealed = [client.get_secret_value(SecretId=name)["SecretBinary"] for name in names]
        for table in ("sealed_keys", "log_keys", "store_keys"):
            sealed += [bytes(one) for (one,) in databases.rows(self.data, f"SELECT sealed FROM {table}")]  # noqa: S608
        return {_core.inspect_sealed_key(one).root_key_id.rpartition("/")[2] for one in sealed}

    def reseal(self, *words: str, **settings: str) -> Any:
        done = run("wallet", "reseal", *words, "--json", "--data", str(self.data), cwd=self.data.parent, **settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *words: str, **settings: str) -> str:
        done = run("wallet", "reseal", *words, "--data", str(self.data), cwd=self.data.parent, **settings)
        assert (done.returncode, done.stdout) == (1, b""), done.stdout
        return done.stderr.decode()

    def disable(self, key: str) -> None:
        """Every call of this key is refused from now on."""
        self.aws.client("kms").disable_key(KeyId=key)

        def decide(_: str, asked: Mapping[str, Any]) -> str | None:
            return "disabled" if str(asked.get("KeyId", "")).endswith(key) else None

        self.door.decide = decide


def signatures(parts: Parts, wallets: Sequence[str] = WALLETS) -> list[str]:
    return [sign_message(parts, operator(), WalletId(one), b"m").wait().signature for one in wallets]


def by_service(service: Service, wallets: Sequence[str] = WALLETS) -> list[str]:
    answers = [service.post("/wallets/sign", {"walletId": one, "message": "m"}) for one in wallets]
    assert [answer.status for answer in answers] == [200] * len(wallets), [answer.body for answer in answers]
    return [answer.json["signature"] for answer in answers]


@pytest.fixture
def make(emulated_aws: Aws, door: Spoiler, tmp_path: Path) -> Iterator[Callable[[str], Directory]]:
    """A data directory with three wallets under a KMS key, its sealed keys in this store."""
    door.heal()
    keys = emulated_aws.make_key(), emulated_aws.make_key()

    def made(store: str) -> Directory:
        directory = Directory(emulated_aws, door, tmp_path / "data", store, *keys)
        with directory.opened(directory.under_old) as parts:
            for wallet in WALLETS:
                key_type = KeyType.ED25519 if wallet == "ed" else KeyType.SECP256K1
                generate(parts, actor(), NewWallet(id=WalletId(wallet), key_type=key_type))
        return directory

    yield made
    door.heal()
    door.decide = lambda *_: None


@pytest.fixture
def in_secrets(make: Callable[[str], Directory]) -> Directory:
    """Its sealed keys are in Secrets Manager."""
    return make("aws-secrets-manager:")


def places(ending: str, wallets: Sequence[str] = WALLETS, version: int = 1) -> set[str]:
    return {f"{wallet}/v{version}{ending}" for wallet in wallets}


@pytest.mark.parametrize("store", ["database:", "aws-secrets-manager:"])
@pytest.mark.usefixtures("each_database")
def test_another_kms_key_while_a_service_that_knows_both_signs(make: Callable[[str], Directory], store: str) -> None:
    there = make(store)
    with Service.start(there.data, **there.under_both) as service:
        signed = by_service(service)
        died = KILLED.run(str(there.data), "after-a-key-is-noted", "2", **there.under_both)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert by_service(service) == signed, "each opens under the one or the other"
        service.generate("later")
        assert service.post("/wallets/rotate", {"walletId": "ed"}).status == 200
        there.reseal(**there.under_both)
        there.disable(there.old)
        assert (
            service.post("/wallets/sign", {"walletId": "ed", "version": 1, "message": "m"}).json["signature"]
            == signed[0]
        )
        assert by_service(service, WALLETS[1:]) == signed[1:], "nothing needs the old one any more"
        service.generate("last")
    assert there.root_keys() == {there.new}
    if store != "database:":
        assert there.secrets() == places("/r1", (*WALLETS, "later", "last")) | {"ed/v2/r1"}
    with Service.start(there.data, **there.under_new) as service:
        assert by_service(service, WALLETS[1:]) == signed[1:]
        by_service(service, ("later", "last", "ed"))


@dataclass
class Meanwhile:
    """Something that is done once, before the call of this operation on the secret that ends so, for the nth time."""

    operation: str
    secret: str
    do: Callable[[], object]
    number: int = 1
    is_done: bool = False

    def meet(self, operation: str, asked: Mapping[str, Any]) -> None:
        name = str(asked.get("Name") or asked.get("SecretId"))
        if self.is_done or operation != self.operation or not name.endswith(f"hyperkms/{self.secret}"):
            return
        self.number -= 1
        if self.number == 0:
            self.is_done = True
            self.do()


def meet(door: Spoiler, *deeds: Meanwhile) -> None:
    def decide(operation: str, asked: Mapping[str, Any]) -> None:
        for deed in deeds:
            deed.meet(operation, asked)

    door.decide = decide


def destroyed(service: Service, wallet: str) -> Callable[[], None]:
    def do() -> None:
        answer = service.post(f"/wallets/{wallet}/retire", {"destroy": True})
        assert answer.status == 200, answer.body

    return do


def test_new_data_keys_while_wallets_are_made_rotated_and_destroyed(in_secrets: Directory) -> None:
    there, waits = in_secrets, ("at-create", "at-read", "at-delete")
    with Service.start(there.data, "--workers", "2", **there.under_old) as service:
        for wallet in waits:
            service.generate(wallet)
        signed = by_service(service)
        deeds = (
            Meanwhile("CreateSecret", "at-create/v1/r1", destroyed(service, "at-create")),
            Meanwhile("GetSecretValue", "at-read/v1/r1", destroyed(service, "at-read"), number=2),
            Meanwhile("DeleteSecret", "at-delete/v1", destroyed(service, "at-delete")),
            Meanwhile("CreateSecret", "ed/v1/r1", lambda: service.post("/wallets/rotate", {"walletId": "one"})),
            Meanwhile("DeleteSecret", "ed/v1", lambda: service.generate("later")),
            Meanwhile("DeleteSecret", "two/v1", lambda: signed.append(by_service(service)[0])),
        )
        meet(there.door, *deeds)
        done = there.reseal(**there.under_old)
        assert all(deed.is_done for deed in deeds)
        assert signed.pop() == signed[0]
        assert done["keys"] == len(WALLETS) + 1, "two were destroyed before they counted, two made under the new names"
        assert by_service(service) == signed
        assert there.secrets() == places("/r1", (*WALLETS, "later")) | {"one/v2/r1"}
        by_service(service, ("later",))
        there.reseal(**there.under_old)
        assert there.secrets() == places("/r2", (*WALLETS, "later")) | {"one/v2/r2"}
        assert by_service(service) == signed
    assert there.signatures(there.under_old) == signed
    told = run("audit", "verify", "--data", str(there.data), cwd=there.data.parent, **there.under_old)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("moment", [*ONCE, *(f"{one} 2" for one in EACH_THAT_MOVES)])
def test_killed_anywhere_each_key_opens_and_the_same_command_goes_on(in_secrets: Directory, moment: str) -> None:
    there, signed = in_secrets, in_secrets.signatures(in_secrets.under_old)
    point, _, number = moment.partition(" ")
    died = KILLED.run(str(there.data), point, number or "1", **there.under_both)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert there.signatures(there.under_both) == signed, "each opens under the one or the other"
    if point != "after-the-root-key-is-put-in-force":
        words = ("wallet", "sign", "ed", "--message", "m", "--data", str(there.data))
        assert "[reseal-unfinished]" in refusal(*words, cwd=there.data.parent, **there.under_old)
    there.reseal("--root-key", f"aws-kms:{there.new}", **there.under_old)
    there.disable(there.old)
    assert there.secrets() == places("/r1")
    assert there.root_keys() == {there.new}
    assert there.signatures(there.under_new) == signed


def test_a_key_that_was_destroyed_while_it_moved_is_destroyed_by_the_run_that_goes_on(in_secrets: Directory) -> None:
    there = in_secrets
    with Service.start(there.data, **there.under_both) as service:
        meet(there.door, Meanwhile("CreateSecret", "one/v1/r1", destroyed(service, "one")))
        died = KILLED.run(str(there.data), "after-a-key-is-stored-in-its-new-place", "2", **there.under_both)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert "one/v1/r1" in there.secrets(), "it came after it was destroyed"
        assert there.reseal(**there.under_both)["keys"] == 1
        assert there.secrets() == places("/r1", ("ed", "two"))


@pytest.mark.parametrize(
    ("operation", "code"),
    [("CreateSecret", "secrets-unavailable"), ("GenerateDataKey", "kms-unreachable"), ("DeleteSecret", "secrets-")],
)
def test_where_aws_is_away_it_stops_with_the_reason_and_goes_on_later(
    in_secrets: Directory, operation: str, code: str
) -> None:
    there, signed = in_secrets, in_secrets.signatures(in_secrets.under_old)
    meet(there.door, Meanwhile("GetSecretValue", "one/v1", lambda: there.door.spoil_all("cut-before", operation)))
    to = "--root-key", f"aws-kms:{there.new}"
    assert f"[{code}" in there.refused(*to, **there.under_old)
    there.door.heal()
    assert there.signatures(there.under_both) == signed
    there.reseal(*to, **there.under_old)
    assert there.secrets() == places("/r1")
    assert there.signatures(there.under_new) == signed
    assert there.reseal(*to, **there.under_old)["keys"] == 0, "it is done"


def test_a_key_that_was_being_made_when_it_began_is_made_again(in_secrets: Directory) -> None:
    there = in_secrets
    with Service.start(there.data, **there.under_old) as service:
        meet(there.door, Meanwhile("CreateSecret", "late/v1", lambda: there.reseal(**there.under_old)))
        answer = service.post("/wallets/generate", {"walletId": "late"})
        assert (answer.status, answer.json["code"]) == (503, "sealed-key-being-removed"), answer.body
        assert there.secrets() == places("/r1") | {"late/v1"}, "it was stored where no key is looked for any more"
        service.generate("late")
        by_service(service, (*WALLETS, "late"))
        assert there.secrets() == places("/r1", (*WALLETS, "late")) | {"late/v1"}


def test_a_service_that_knows_the_old_root_key_alone_makes_no_key_meanwhile_or_after(in_secrets: Directory) -> None:
    there, told = in_secrets, []
    with Service.start(there.data, **there.under_old) as service:

        def generate_one() -> None:
            told.append(service.post("/wallets/generate", {"walletId": "late"}))

        meet(there.door, Meanwhile("CreateSecret", "one/v1/r1", generate_one))
        there.reseal(**there.under_both)
        generate_one()
    assert [(each.status, each.json["code"]) for each in told] == [(403, "reseal-unfinished"), (403, "root-key-left")]
    assert there.secrets() == places("/r1")


def test_of_two_runs_one_stops(in_secrets: Directory) -> None:
    there, signed = in_secrets, in_secrets.signatures(in_secrets.under_old)
    meet(there.door, Meanwhile("CreateSecret", "one/v1/r1", lambda: there.reseal(**there.under_old)))
    assert "[reseal-taken-over]" in there.refused(**there.under_old)
    assert there.secrets() == places("/r1")
    assert there.signatures(there.under_old) == signed


def test_a_copy_of_the_database_from_before_finds_its_keys_once_it_is_resealed_too(in_secrets: Directory) -> None:
    there, signed = in_secrets, in_secrets.signatures(in_secrets.under_old)
    before = shutil.copytree(there.data, there.data.with_name("before"))
    there.reseal(**there.under_old)
    shutil.rmtree(there.data)
    before.rename(there.data)
    assert "[sealed-key-missing]" in refusal(
        "wallet", "sign", "ed", "--message", "m", "--data", str(there.data), cwd=there.data.parent, **there.under_old
    )
    assert there.reseal(**there.under_old)["keys"] == 0
    assert there.signatures(there.under_old) == signed


def another_wallets(parts: Parts) -> SealedKey:
    return parts.key_store.get(WalletId("two"), 1)


def another_of_the_wallet(parts: Parts) -> SealedKey:
    wallet = parts.wallets.get(WalletId("one"))
    return parts.keyring.generate(wallet.context_of(wallet.current))


def under_the_old_root_key(parts: Parts) -> SealedKey:
    return parts.key_store.get(WalletId("one"), 1)


def ruined(parts: Parts) -> SealedKey:
    sealed, wallet = parts.key_store.get(WalletId("one"), 1), parts.wallets.get(WalletId("one"))
    whole = parts.keyring.reseal(sealed, wallet.context_of(wallet.current))
    return SealedKey(whole[:-1] + bytes([whole[-1] ^ 1]))


@pytest.mark.parametrize("other", [another_wallets, another_of_the_wallet, under_the_old_root_key, ruined])
def test_what_is_not_the_key_in_the_new_place_stops_it_and_nothing_is_destroyed(
    in_secrets: Directory, other: Callable[[Parts], SealedKey]
) -> None:
    there, signed = in_secrets, in_secrets.signatures(in_secrets.under_old)
    name = f"{there.prefix}hyperkms/one/v1/r1"
    settings = there.under_both if other in (another_of_the_wallet, ruined) else there.under_old
    with there.opened(settings) as parts:
        sealed = other(parts)
    secrets = there.aws.client("secretsmanager")
    secrets.create_secret(Name=name, SecretBinary=bytes(sealed))
    told = there.refused(**there.under_both)
    assert f"[sealed-key-{'tampered' if other is ruined else 'misplaced'}]" in told
    assert {"one/v1", "one/v1/r1"} <= there.secrets()
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    there.reseal(**there.under_both)
    assert there.signatures(there.under_new) == signed


def test_a_key_that_is_not_the_listed_one_stops_it_and_nothing_is_destroyed(in_secrets: Directory) -> None:
    there = in_secrets
    with there.opened(there.under_old) as parts:
        other = another_of_the_wallet(parts)
    name = f"{there.prefix}hyperkms/one/v1"
    there.aws.client("secretsmanager").put_secret_value(SecretId=name, SecretBinary=bytes(other))
    assert "[public-key-mismatch]" in there.refused(**there.under_both)
    assert there.secrets() == {"ed/v1/r1", "one/v1", "two/v1"}


def test_what_a_process_of_an_older_release_lists_meanwhile_moves_too(in_secrets: Directory) -> None:
    there = in_secrets

    def make_late() -> None:
        with there.opened(there.under_old) as parts:
            store = parts.key_store
            assert isinstance(store, MovingKeyStore)
            older = dataclasses.replace(parts, key_store=store.at(0))
            generate(older, actor(), NewWallet(id=WalletId("late"), key_type=KeyType.ED25519))

    meet(there.door, Meanwhile("CreateSecret", "two/v1/r1", make_late))
    assert there.reseal(**there.under_old)["keys"] == len(WALLETS) + 1
    assert there.secrets() == places("/r1", (*WALLETS, "late"))
    there.signatures(there.under_old, ("late",))


def test_a_root_key_goes_from_a_file_to_kms_and_back(emulated_aws: Aws, tmp_path: Path) -> None:
    data = tmp_path / "data"
    in_file, key = emulated_aws.settings(AWS_KMS_KEY_ID=""), emulated_aws.make_key()
    emulated_aws.client("kms").create_alias(AliasName="alias/same", TargetKeyId=key)
    there = Directory(emulated_aws, Spoiler(url=emulated_aws.url), data, "database:", "", key)
    with there.opened(in_file) as parts:
        for wallet in WALLETS:
            generate(parts, actor(), NewWallet(id=WalletId(wallet), key_type=KeyType.SECP256K1))
        signed = signatures(parts)
    assert there.reseal("--root-key", f"aws-kms:{key}", **in_file)["keys"] == len(WALLETS)
    in_kms = {**in_file, "HYPERKMS_ROOT_KEY": f"aws-kms:{key}"}
    assert there.root_keys() == {key}
    assert there.signatures(in_kms) == signed
    assert "[malformed-setting]" in there.refused("--root-key", "aws-kms:alias/same", **in_kms)
    assert "[malformed-setting]" in there.refused("--root-key", "aws-kms:", **in_kms)
    new = f"file:{tmp_path / 'new.key'}"
    told = run("wallet", "reseal", "--root-key", new, "--data", str(data), cwd=tmp_path, **in_kms)
    assert told.returncode == 0, told.stderr
    assert f"nothing here opens under the KMS key {key}" in told.stderr.decode()
    assert there.signatures({**in_file, "HYPERKMS_ROOT_KEY": new}) == signed
