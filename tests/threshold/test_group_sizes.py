"""Groups of every size beside 2 of 3, over HTTP: their hosts over TLS, from the cards to a retired wallet."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.ceremony import FIVE, PRODUCTION, Ceremony, Owner, told
from support.commands import refusal, run
from support.cosigners import Process
from support.databases import rows
from support.mpc import alive, check_message, generate, post_to_exchange, service_in_shares, sign, stopped
from support.sandbox import sandbox
from support.service import Answer, Service
from support.signed import Signer, ask, now_ms
from support.until import until

KEY_TYPES = ("ed25519", "secp256k1")
SIZES = ((2, 2), (3, 4), (3, 5))
ORDER = {"a": 1, "b": True, "p": "2900.5", "s": "0.1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
ACTION = {"type": "order", "orders": [ORDER], "grouping": "na"}


@dataclass
class Desk:
    """A group that runs with its service, its bot, and who owns its keys."""

    ceremony: Ceremony
    exchange: str
    service: Service = field(init=False)
    bot: Signer = field(init=False)
    owner: Owner = field(init=False)
    running: ExitStack = field(default_factory=ExitStack)

    @property
    def threshold(self) -> int:
        return self.ceremony.threshold

    @property
    def names(self) -> list[str]:
        return list(self.ceremony.processes)

    @property
    def renewed(self) -> tuple[str, ...]:
        """The kinds of keys that are made anew: a secp256k1 key of many takes most of the time of these tests.

        Where it can be replaced it is refreshed there.
        """
        return KEY_TYPES if self.threshold == len(self.names) else ("ed25519",)

    def start(self) -> None:
        self.service = self.running.enter_context(self.ceremony.service(HYPERKMS_TESTNET_URL=self.exchange))
        until(self.is_whole)

    def is_whole(self) -> bool:
        return len(alive(self.service)) == len(self.names)

    def ask(self, path: str, body: object) -> Answer:
        """What the bot is answered."""
        return ask(self.service, self.bot, "POST", path, body)

    def sign(self, wallet: str, message: str = "hello", **members: object) -> Any:
        """The bot's message, signed as independent libraries verify it."""
        answer = self.ask("/mpc/wallets/sign", {"walletId": wallet, "message": message, **members})
        assert answer.status == 200, answer.body
        check_message(answer.json, message)
        assert len(answer.json["receipt"]["cosigned"]["signers"]) == self.threshold
        return answer.json

    def change(self, path: str, **members: object) -> Any:
        """What the owner of the keys has done with them."""
        with self.owner.client(self.service) as client:
            return client.post(path, members)

    def command(self, *words: str) -> tuple[int, Any]:
        """A command of the owner at the service: exit status, and what it prints."""
        at = ("--url", self.service.url, "--json")
        done = run("mpc", *words, *at, cwd=self.ceremony.folder, **self.owner.settings())
        assert done.returncode in {0, 1}, done.stderr
        return done.returncode, json.loads(done.stdout)

    @contextmanager
    def without(self, names: list[str]) -> Iterator[None]:
        """These cosigners answer nobody within the block."""
        processes = [self.ceremony.processes[name].process for name in names]
        with stopped(*(one.pid for one in processes if one is not None)):
            yield
        until(self.is_whole)

    def shares(self, name: str, wallet: str) -> list[tuple[int, int, str]]:
        """Version, epoch and state of each share that a cosigner has of a wallet."""
        query = "SELECT version, epoch, state FROM shares WHERE wallet = ? ORDER BY version, epoch"
        return rows(self.ceremony.processes[name].data, query, wallet)


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with sandbox("--allow-any") as running:
        yield running.url


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]}-of-{size[1]}")
def desk(request: pytest.FixtureRequest, exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """With a wallet of each key type, `ed25519` and `secp256k1`."""
    threshold, members = request.param
    folder = tmp_path_factory.mktemp("sizes")
    with Ceremony.held(folder, threshold=threshold, names=FIVE[:members]) as ceremony:
        made = Desk(ceremony, exchange)
        with made.running:
            made.start()
            made.bot, made.owner = ceremony.bot(made.service), ceremony.owner(made.service)
            for key_type in KEY_TYPES:
                body = {"walletId": key_type, "keyType": key_type, "metadata": {"desk": "a"}}
                wallet = made.change("/mpc/wallets/generate", **body)["wallet"]
                size = {"threshold": f"{threshold}-of-{members}", "shareCount": members}
                assert wallet["metadata"] == {"desk": "a", "mpcEnabled": True, **size}
            yield made


def test_the_status_says_how_many_there_are_and_how_many_can_be_lost(desk: Desk) -> None:
    body = desk.service.get("/mpc/status", headers={}).json
    threshold, members = desk.threshold, len(desk.names)
    assert (body["threshold"], body["totalShares"]) == (str(threshold), str(members))
    assert body["description"] == f"{threshold}-of-{members} threshold signature scheme"
    assert [(one["name"], one["alive"]) for one in body["cosigners"]] == [(name, True) for name in desk.names]
    assert body["quorumLeft"] == members - threshold
    status, seen = desk.command("status")
    assert (status, [one["name"] for one in seen["conditions"]]) == (0, desk.names)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_message_is_signed_by_as_many_as_the_group_says(desk: Desk, key_type: str) -> None:
    signed = desk.sign(key_type)
    assert signed["mpcSigning"] is True
    shown = desk.service.get(f"/mpc/wallets/{key_type}/public-key").json
    assert (shown["publicKey"], shown["mpcEnabled"]) == (signed["publicKey"], True)


def test_the_exchange_accepts_an_order_of_the_group(desk: Desk) -> None:
    body = {"walletId": "secp256k1", "action": ACTION, "expiresAfter": now_ms() + 30_000}
    answer = desk.ask("/hyperliquid/sign", body)
    assert answer.status == 200, answer.body
    [status] = post_to_exchange(desk.exchange, answer.json)["response"]["data"]["statuses"]
    assert status["resting"]["oid"]


def test_as_many_may_be_lost_as_are_not_needed_and_no_more(desk: Desk) -> None:
    spare = len(desk.names) - desk.threshold
    for lost in {tuple(desk.names[:spare]), tuple(desk.names[len(desk.names) - spare :])}:
        with desk.without([*lost]):
            for key_type in KEY_TYPES:
                signed = desk.sign(key_type, f"without {lost}")
                assert {desk.names[index - 1] for index in signed["receipt"]["cosigned"]["signers"]}.isdisjoint(lost)
    gone = desk.names[: spare + 1]
    with desk.without(gone), ThreadPoolExecutor(2) as threads:
        bodies = [{"walletId": key_type, "message": "hello"} for key_type in KEY_TYPES]
        for answer in threads.map(lambda body: desk.ask("/mpc/wallets/sign", body), bodies):
            assert (answer.status, answer.json["code"]) == (503, "insufficient-shares"), answer.body
            assert answer.json["missing"] == gone
            words = f"Insufficient shares: {desk.threshold} of {len(desk.names)} cosigners are needed"
            assert answer.json["error"].startswith(words)
        assert desk.service.get("/mpc/status", headers={}).json["quorumLeft"] == -1
    for key_type in KEY_TYPES:
        desk.sign(key_type, "all are back")


def test_a_refreshed_wallet_signs_on_and_the_shares_before_are_destroyed(desk: Desk) -> None:
    for key_type in desk.renewed:
        before = desk.sign(key_type)
        done = desk.change(f"/mpc/wallets/{key_type}/refresh", version=1)
        assert (done["publicKey"], done["version"], done["epoch"]) == (before["publicKey"], 1, 1)
        assert desk.sign(key_type)["publicKey"] == before["publicKey"]
        for name in desk.names:
            assert desk.shares(name, key_type) == [(1, 0, "retired"), (1, 1, "in-force")]


def test_a_rotated_wallet_signs_with_both_until_the_one_before_is_retired(desk: Desk) -> None:
    for key_type in desk.renewed:
        rotate(desk, key_type)


def rotate(desk: Desk, key_type: str) -> None:
    before = desk.sign(key_type)
    rotation = desk.change("/mpc/wallets/rotate", walletId=key_type, activate=True, reason="quarterly")["rotation"]
    old, new = rotation["oldVersion"], rotation["newVersion"]
    assert rotation["oldPublicKey"] == before["publicKey"] != rotation["newPublicKey"]
    assert desk.sign(key_type)["publicKey"] == rotation["newPublicKey"]
    assert desk.sign(key_type, version=old)["publicKey"] == before["publicKey"]
    ended = desk.change(f"/mpc/wallets/{key_type}/retire", version=old)
    assert ["destroyedAt" in version for version in ended["versions"]] == [version != new for version in (old, new)]
    for name in desk.names:
        states = {version: state for version, _, state in desk.shares(name, key_type)}
        assert (states[old], states[new]) == ("retired", "in-force")
    refused = desk.ask("/mpc/wallets/sign", {"walletId": key_type, "message": "hello", "version": old})
    assert (refused.status, refused.json["code"]) == (403, "version-retired")


def test_a_retired_wallet_signs_no_more_and_its_shares_are_destroyed(desk: Desk) -> None:
    desk.change("/mpc/wallets/generate", walletId="ended")
    ended = desk.change("/mpc/wallets/ended/retire", destroy=True)
    assert all("destroyedAt" in version for version in ended["versions"])
    refused = desk.ask("/mpc/wallets/sign", {"walletId": "ended", "message": "hello"})
    assert (refused.status, refused.json["code"]) == (403, "wallet-retired")
    for name in desk.names:
        assert desk.shares(name, "ended") == [(1, 0, "retired")]


def test_a_wallet_with_a_last_grace_is_refused_by_every_cosigner_that_was_shown_who_wants_it(desk: Desk) -> None:
    for wallet in ("graced", "unshown"):
        desk.change("/mpc/wallets/generate", walletId=wallet)
    ended = desk.change("/mpc/wallets/graced/retire")
    assert ("note" in ended, ended["versions"][0]["state"]) == (False, "retiring")
    answer = desk.service.post("/mpc/wallets/unshown/retire", {})
    assert answer.status == 200, answer.body
    for name in desk.names:
        assert f"cosigner {name}" in answer.json["note"], "a bearer key is no evidence to it"
        data = desk.ceremony.processes[name].data
        retired = dict(rows(data, "SELECT id, retired_at IS NOT NULL FROM wallets WHERE id IN ('graced', 'unshown')"))
        assert retired == {"graced": 1, "unshown": 0}
        assert desk.shares(name, "graced") == [(1, 0, "in-force")], "until the grace is over"
    assert "note" not in desk.change("/mpc/wallets/unshown/retire"), "asked for again, by whom they believe"


def test_a_lost_cosigner_is_replaced_where_as_many_others_are_left_as_sign(desk: Desk) -> None:
    ceremony, before = desk.ceremony, {key_type: desk.sign(key_type) for key_type in KEY_TYPES}
    lost = desk.names[-1]
    desk.running.close()
    ceremony.lose(lost)
    ceremony.succeed(lost)
    ceremony.know(lost, desk.bot)
    ceremony.know_owner(lost, desk.owner)
    desk.start()
    status, done = desk.command("replace")
    wallets = {one["walletId"]: one for one in done["wallets"] if one["walletId"] in KEY_TYPES}
    if desk.threshold == len(desk.names):
        words = "1 of 2 cosigners hold shares in force of its key, and 2 are needed (docs/recovery.md)"
        assert (status, {one["code"] for one in wallets.values()}) == (1, {"share-not-found"})
        assert all(words in one["error"] for one in wallets.values())
        return
    assert status == 0, done
    for key_type in KEY_TYPES:
        assert wallets[key_type]["versions"][0]["repaired"] == [lost]
        with desk.without(desk.names[: len(desk.names) - desk.threshold]):
            signed = desk.sign(key_type, "with the new one")
        assert len(desk.names) in signed["receipt"]["cosigned"]["signers"]
        assert signed["publicKey"] == before[key_type]["publicKey"]


# ---- sizes that are none, and what asks for another -----------------------------------------------


@pytest.mark.parametrize(("threshold", "members"), [(1, 2), (2, 4), (3, 6), (2, 5), (3, 2)])
def test_half_of_a_group_signs_nothing_and_no_such_group_is_described_or_started(
    cards: list[Path], tmp_path: Path, threshold: int, members: int
) -> None:
    words = ("mpc", "init", *map(str, cards[:members]), "--group", "desk", "--threshold", str(threshold))
    said = refusal(*words, "--out", str(tmp_path / "group.json"), cwd=tmp_path)
    assert said.startswith(f"hyperkms: {threshold} of {members} is no threshold that is served: at least 2, and more")
    assert said.endswith("[unsupported-threshold]\n")
    assert not (tmp_path / "group.json").exists()
    asked = {"MPC_THRESHOLD_REQUIRED": str(threshold), "MPC_THRESHOLD_TOTAL": str(members), "MPC_ENABLED": "true"}
    said = refusal("serve", "--data", "data", "--port", "0", cwd=tmp_path, **asked)
    assert "MPC_THRESHOLD_" in said
    assert not (tmp_path / "data").exists(), "nothing is made of it"


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six cosigners as they show themselves; each differs from the one that was made in name, key and place alone."""
    folder = tmp_path_factory.mktemp("cards")
    process = Process(folder / "one", PRODUCTION)
    process.init()
    one = json.loads(told("mpc", "card", "--data", "one", "--name", "one", "--address", "127.0.0.1:1", cwd=folder))
    made = []
    for number in range(1, 7):
        made.append(folder / f"{number}.json")
        changes = {"name": f"host-{number}", "identity": f"{number:064x}", "address": f"127.0.0.1:{number}"}
        made[-1].write_text(json.dumps({**one, **changes}))
    return made


def test_cosigners_that_a_service_starts_itself_are_as_many_as_its_settings_say(tmp_path: Path) -> None:
    settings = {"MPC_THRESHOLD_REQUIRED": "2", "MPC_THRESHOLD_TOTAL": "2"}
    with service_in_shares(tmp_path, **settings) as service:
        until(lambda: alive(service) == [1, 2])
        for key_type in KEY_TYPES:
            wallet = generate(service, key_type, keyType=key_type)
            assert wallet["metadata"] == {"mpcEnabled": True, "threshold": "2-of-2", "shareCount": 2}
            assert sign(service, key_type)["receipt"]["cosigned"]["signers"] == [1, 2]
    other = {"MPC_ENABLED": "true", **settings, "MPC_THRESHOLD_TOTAL": "3"}
    said = refusal("serve", "--data", "data", "--port", "0", cwd=tmp_path, **other)
    assert "ask for 2 of 3" in said
    assert "[another-threshold]" in said


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"threshold": 3, "totalParties": 5}, "threshold"),
        ({"totalParties": 5}, "totalParties"),
        ({"shareCount": 5}, "shareCount"),
    ],
)
def test_a_body_that_asks_for_another_group_than_there_is_makes_nothing(
    small: Service, members: dict[str, object], field: str
) -> None:
    answer = small.post("/mpc/wallets/generate", {"walletId": "other", **members})
    assert (answer.status, answer.json["field"]) == (400, field), answer.body
    assert small.get("/wallets/other").status == 404


@pytest.mark.parametrize(
    "metadata", [{"threshold": "3-of-5"}, {"shareCount": 5}, {"mpcEnabled": False}, {"threshold": 2}]
)
def test_metadata_that_says_another_group_than_there_is_makes_nothing(
    small: Service, metadata: dict[str, object]
) -> None:
    answer = small.post("/mpc/wallets/generate", {"walletId": "said", "metadata": metadata})
    assert (answer.status, answer.json["code"]) == (400, "metadata-of-another-group"), answer.body
    [name] = metadata
    assert answer.json["field"] == f"metadata.{name}"
    assert "2 of 3" in answer.json["error"]
    assert small.get("/wallets/said").status == 404


def test_metadata_that_an_answer_has_shown_may_be_given_again(small: Service) -> None:
    shown = generate(small, "first", metadata={"desk": "a"})["metadata"]
    assert generate(small, "second", metadata=shown)["metadata"] == shown


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two of three, on this machine."""
    with service_in_shares(tmp_path_factory.mktemp("small")) as running:
        yield running
