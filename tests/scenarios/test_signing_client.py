"""The signing clients, synchronous and asynchronous, against the real service."""

import asyncio
import multiprocessing
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from hyperkms.client import (
    NO_RETRIES,
    ActionToSign,
    AsyncSigningClient,
    Conflict,
    Malformed,
    MessageToSign,
    NotConnected,
    NotFound,
    Options,
    Refused,
    SigningClient,
    SigningClientError,
)
from support.service import NOWHERE, Service
from support.signing_clients import KINDS, ROOM, signing_client
from support.unix_relay import relayed

ORDER: dict[str, Any] = {
    "type": "order",
    "orders": [{"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}],
    "grouping": "na",
}


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("clients") / "data", **ROOM) as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(kind: str, shared_service: Service) -> Iterator[Any]:
    with signing_client(kind, shared_service.url, shared_service.key) as made:
        yield made


def test_routes_without_a_method_are_asked_by_path(client: Any, kind: str) -> None:
    made = client.post("/clients", {"name": f"path-{kind}", "allow": ["read"]})
    assert client.get(f"/clients/path-{kind}")["client"] == made["client"]
    with pytest.raises(NotFound):
        client.get("/clients/nobody")
    for path in ("clients", "/a b", "/x\r\nX-API-Key: y"):
        with pytest.raises(ValueError, match="path"):
            client.get(path)


def test_a_message_is_signed_and_verifies(client: Any, kind: str) -> None:
    wallet = client.generate(f"messages-{kind}", key_type="ed25519")
    signed = client.sign_message(wallet.wallet_id, "héllo")
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(wallet.public_key.removeprefix("0x")))
    key.verify(bytes.fromhex(signed.signature.removeprefix("0x")), "héllo".encode())
    assert (signed.wallet_id, signed.public_key) == (wallet.wallet_id, wallet.public_key)
    assert signed.receipt.key_version == 1


def test_a_message_of_a_secp256k1_wallet_recovers_its_address(client: Any, kind: str) -> None:
    wallet = client.generate(f"eip191-{kind}", key_type="secp256k1", network="testnet", metadata={"desk": "a"})
    assert (wallet.network, wallet.metadata) == ("testnet", {"desk": "a"})
    signed = client.sign_message(wallet.wallet_id, "hello")
    recovered = Account.recover_message(encode_defunct(text="hello"), signature=signed.signature)
    assert recovered.lower() == signed.address == wallet.address


def test_an_action_is_signed_and_ready_to_be_posted(client: Any, kind: str) -> None:
    wallet = client.generate(f"actions-{kind}", key_type="secp256k1")
    first, second = (client.sign_action(wallet.wallet_id, ORDER) for _ in range(2))
    assert (first.address, first.action) == (wallet.address, ORDER)
    assert second.nonce > first.nonce
    assert first.post().keys() == {"action", "nonce", "signature", "vaultAddress", "expiresAfter"}
    expiry = time.time_ns() // 1_000_000 + 60_000
    vault = "0x" + "5a" * 20
    asked = {"nonce": second.nonce + 10_000, "vault_address": vault, "expires_after": expiry, "network": "testnet"}
    chosen = client.sign_action(wallet.wallet_id, {"type": "noop"}, **asked)
    assert (chosen.nonce, chosen.vault_address, chosen.expires_after) == (asked["nonce"], vault, expiry)


def test_an_order_payload_of_an_ed25519_wallet_is_signed_as_compact_json(client: Any, kind: str) -> None:
    wallet = client.generate(f"payloads-{kind}", key_type="ed25519")
    signed = client.sign_order(wallet.wallet_id, {"b": 1.5, "a": "é", "c": None})
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(wallet.public_key.removeprefix("0x")))
    key.verify(bytes.fromhex(signed.signature.removeprefix("0x")), '{"b":1.5,"a":"é","c":null}'.encode())
    with pytest.raises(ValueError, match="no secp256k1 wallet"):
        signed.post()


def test_wallets_are_listed_over_any_number_of_pages(client: Any, kind: str) -> None:
    names = {f"paged-{kind}-{number}" for number in range(5)}
    for name in names:
        client.generate(name, key_type="ed25519")
    listed = [wallet.wallet_id for wallet in client.wallets(page=2)]
    assert listed == sorted(listed) == [wallet.wallet_id for wallet in client.wallets()]
    assert names <= set(listed)


def test_public_keys_and_the_state_of_the_service_are_read(client: Any, kind: str) -> None:
    wallet = client.generate(f"read-{kind}", key_type="secp256k1")
    found = client.public_key(wallet.wallet_id)
    assert (found.public_key, found.address, found.key_type) == (wallet.public_key, wallet.address, "secp256k1")
    assert client.health().status == "ok"
    assert client.ready().status == "ready"


def test_an_ed25519_wallet_is_rotated_and_its_old_version_signs_in_grace(client: Any, kind: str) -> None:
    wallet = client.generate(f"rotated-{kind}", key_type="ed25519")
    rotation = client.rotate(wallet.wallet_id, reason="a test")
    assert (rotation.old_version, rotation.new_version, rotation.state) == (1, 2, "active")
    assert rotation.old_public_key == wallet.public_key
    assert client.wallet(wallet.wallet_id).public_key == rotation.new_public_key
    old, new = (client.sign_message(wallet.wallet_id, "x", version=version) for version in (1, None))
    assert (old.receipt.key_version, new.receipt.key_version) == (1, 2)
    [past] = client.rotation_history(wallet.wallet_id).rotation_history
    assert (past.from_version, past.to_version, past.reason) == (1, 2, "a test")


def test_a_secp256k1_wallet_rotates_when_its_new_version_is_activated(client: Any, kind: str) -> None:
    wallet = client.generate(f"pending-{kind}", key_type="secp256k1")
    rotation = client.rotate(wallet.wallet_id)
    assert rotation.state == "pending"
    assert client.sign_action(wallet.wallet_id, ORDER).address == wallet.address
    assert client.activate(wallet.wallet_id, rotation.new_version).state == "active"
    assert client.sign_action(wallet.wallet_id, ORDER).address == rotation.new_address
    assert client.sign_action(wallet.wallet_id, ORDER, version=1).address == wallet.address


def test_a_version_and_then_a_wallet_are_retired(client: Any, kind: str) -> None:
    wallet = client.generate(f"retired-{kind}", key_type="ed25519").wallet_id
    client.rotate(wallet)
    client.retire(wallet, version=1)
    versions = client.versions(wallet)
    assert (versions.current_version, [one.state for one in versions.versions]) == (2, ["retired", "active"])
    assert client.retire(wallet, reason="done").wallet.retired_at
    with pytest.raises(SigningClientError):
        client.sign_message(wallet, "x")
    assert wallet not in [listed.wallet_id for listed in client.wallets()]


def test_refusals_are_errors_that_carry_the_problem(client: Any, kind: str) -> None:
    with pytest.raises(NotFound) as unknown:
        client.public_key("nobody")
    assert (unknown.value.status, unknown.value.code) == (404, "wallet-not-found")
    assert unknown.value.request_id
    assert unknown.value.request_id in str(unknown.value)
    wallet = client.generate(f"refused-{kind}", key_type="secp256k1").wallet_id
    with pytest.raises(Conflict) as twice:
        client.generate(wallet, key_type="secp256k1")
    assert twice.value.code == "wallet-exists"
    price = {**ORDER, "orders": [{**ORDER["orders"][0], "p": "60000.0"}]}
    with pytest.raises(Malformed) as malformed:
        client.sign_action(wallet, price)
    assert (malformed.value.code, malformed.value.field) == ("not-canonical", "action.orders[0].p")
    assert malformed.value.details["canonical"] == "60000"


def test_a_wallet_id_with_odd_characters_reaches_no_other_route(client: Any) -> None:
    for odd in ("../health", "a/b", "a?b", "a#b", "%2e", "é"):
        with pytest.raises((Malformed, NotFound)) as refused:
            client.public_key(odd)
        assert refused.value.code in {"malformed-wallet-id", "no-such-route"}


def test_the_api_key_is_in_no_repr_error_or_traceback(kind: str, shared_service: Service) -> None:
    key = "hk_canary_0123456789"
    shown = []
    with signing_client(kind, shared_service.url, key) as client:
        shown.append(repr(client.client if kind == "asynchronous" else client))
        for ask in (client.ready, lambda: client.public_key("w"), lambda: client.sign_message("w", "hello")):
            try:
                ask()
            except Refused as error:
                shown += _everything_about(error)
    with signing_client(kind, NOWHERE, key, Options(retries=NO_RETRIES)) as client, pytest.raises(NotConnected) as none:
        client.health()
    shown += _everything_about(none.value)
    assert len(shown) > 4
    assert not [text for text in shown if "canary" in text]


def _everything_about(error: BaseException) -> list[str]:
    # The frames of this test know the key; those of the library must not show it.
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [str(frame.locals) for frame in told.stack if "hyperkms/client" in frame.filename]
    assert frames
    return [str(error), repr(error), str(vars(error)), *frames]


def test_a_wrong_key_is_refused_once_and_for_all(kind: str, shared_service: Service) -> None:
    with signing_client(kind, shared_service.url, "hk_wrong") as client, pytest.raises(Refused) as refused:
        next(client.wallets())
    assert (refused.value.status, refused.value.code) == (401, "invalid-api-key")


def test_a_unix_socket_serves_as_well(kind: str, shared_service: Service, tmp_path: Path) -> None:
    with relayed(tmp_path / "kms.sock", shared_service.url) as url:
        with signing_client(kind, url, shared_service.key) as client:
            wallet = client.generate(f"unix-{kind}", key_type="secp256k1")
            assert client.sign_action(wallet.wallet_id, ORDER).address == wallet.address
        (tmp_path / "none").touch()
    with (
        signing_client(kind, f"unix:{tmp_path}/none", "hk_x", Options(retries=NO_RETRIES)) as client,
        pytest.raises(NotConnected, match="cannot be reached"),
    ):
        client.health()


def test_one_synchronous_client_serves_many_threads(shared_service: Service) -> None:
    nonces: dict[str, list[int]] = {f"thread-{number}": [] for number in range(6)}
    with SigningClient(shared_service.url, shared_service.key) as client:
        for name in nonces:
            client.generate(name, key_type="secp256k1")

        def sign(wallet: str) -> None:
            for _ in range(15):
                signed = client.sign_action(wallet, ORDER)
                assert signed.wallet_id == wallet
                nonces[wallet].append(signed.nonce)

        threads = [threading.Thread(target=sign, args=(name,)) for name in nonces]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for given in nonces.values():
        assert len(given) == 15
        assert given == sorted(set(given))


def test_one_asynchronous_client_serves_many_tasks_over_few_connections(shared_service: Service) -> None:
    options = Options(connections=4)

    async def sign_all() -> list[int]:
        async with AsyncSigningClient(shared_service.url, shared_service.key, options=options) as client:
            wallet = (await client.generate("tasks", key_type="secp256k1")).wallet_id
            signed = await asyncio.gather(*(client.sign_action(wallet, ORDER) for _ in range(40)))
            return [one.nonce for one in signed]

    nonces = asyncio.run(sign_all())
    assert len(set(nonces)) == 40


def test_one_asynchronous_client_serves_one_event_loop_after_another(shared_service: Service) -> None:
    client = AsyncSigningClient(shared_service.url, shared_service.key)

    async def ask() -> str:
        status = (await client.health()).status
        await client.close()
        return status

    assert [asyncio.run(ask()) for _ in range(2)] == ["ok", "ok"]


def test_a_task_that_is_cancelled_leaves_no_answer_for_the_next(shared_service: Service) -> None:
    async def run() -> list[str]:
        options = Options(connections=1)
        async with AsyncSigningClient(shared_service.url, shared_service.key, options=options) as client:
            for name in ("cancelled", "kept"):
                await client.generate(name, key_type="ed25519")
            task = asyncio.create_task(client.sign_message("cancelled", "x"))
            for _ in range(3):  # it has written its request, and its answer is still to come
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return [(await client.sign_message("kept", "x")).wallet_id for _ in range(3)]

    assert asyncio.run(run()) == ["kept"] * 3


def _ask_in_a_child(client: SigningClient, answers: Any) -> None:
    try:
        answers.put([client.sign_message("forked", f"child {number}").wallet_id for number in range(10)])
    except SigningClientError as error:
        answers.put(str(error))


def test_a_child_process_uses_no_connection_of_its_parent(shared_service: Service) -> None:
    forked = multiprocessing.get_context("fork")
    with SigningClient(shared_service.url, shared_service.key) as client:
        client.generate("forked", key_type="ed25519")
        answers = forked.SimpleQueue()
        child = forked.Process(target=_ask_in_a_child, args=(client, answers))
        child.start()
        ours = [client.sign_message("forked", f"parent {number}").wallet_id for number in range(10)]
        theirs = answers.get()
        child.join()
    assert ours == theirs == ["forked"] * 10


def test_a_service_that_was_restarted_is_found_again(kind: str, tmp_path: Path) -> None:
    with Service.start(tmp_path / "data") as service:
        port = service.url.rpartition(":")[2]
        with signing_client(kind, service.url, service.key) as client:
            client.health()
            service.stop()
            with Service.start(tmp_path / "data", "--port", port):
                assert client.health().status == "ok"


def test_a_named_request_is_done_once_and_another_body_is_a_conflict(client: Any, kind: str) -> None:
    wallet = client.generate(f"once-{kind}", key_type="secp256k1").wallet_id
    first, again = (client.sign_action(wallet, ORDER, idempotency_key=f"once-{kind}") for _ in range(2))
    assert first == again
    with pytest.raises(Conflict) as reused:
        client.sign_action(wallet, {"type": "noop"}, idempotency_key=f"once-{kind}")
    assert reused.value.code == "idempotency-key-reused"


def test_a_batch_answers_or_refuses_each_of_its_requests(client: Any, kind: str, shared_service: Service) -> None:
    if shared_service.post("/hyperliquid/sign-batch", {"requests": []}).status == 404:
        pytest.skip("this service has no batches yet")
    wallet = client.generate(f"batch-{kind}", key_type="secp256k1").wallet_id
    signed, refused = client.sign_actions(
        [ActionToSign(wallet_id=wallet, action=ORDER), ActionToSign(wallet_id=wallet, action={"type": "claimRewards"})]
    )
    assert signed.action == ORDER
    assert refused.code == "action-not-allowed"
    messages = client.sign_messages(MessageToSign(wallet_id=wallet, message=text) for text in ("a", "b"))
    assert [one.wallet_id for one in messages] == [wallet, wallet]
    with pytest.raises(SigningClientError):
        client.sign_messages([MessageToSign(wallet_id=wallet, message="a")] * 201)
