"""A signed request is its client's: exactly as it was signed, for this service, in time, and once."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hyperkms._core import RequestKey, RequestSignature, SharedCounters, SharedReplays
from hyperkms.access.client_records import read_identities
from hyperkms.access.identity_key import IdentityKey
from hyperkms.access.signed_requests import Identities, SignedRequests
from hyperkms.errors import Conflict, HyperkmsError, Malformed, Unauthorized, Unavailable
from hyperkms.state.generation import CLIENT_CHANGES, Generation
from hyperkms.state.replays import MAX_WINDOW_MS
from hyperkms.state.schema import key_versions, wallets
from hyperkms.state.waiting import MustWait, without_waiting
from support.access import DAY_MS
from support.signed import Request, Signer
from support.signed_access import SERVICE, WINDOW_MS, SignedAccess, key_of, sent

pytestmark = pytest.mark.usefixtures("each_database")

TABLE = 16 * 2**20 + 4096


@pytest.fixture
def access(tmp_path: Path) -> SignedAccess:
    return SignedAccess(tmp_path)


def _code(access: SignedAccess, signer: Signer, request: Request) -> str:
    with pytest.raises(HyperkmsError) as refused:
        access.accept(signer, request)
    return refused.value.code


def _changes(access: SignedAccess) -> Generation:
    return Generation(SharedCounters.open(access.folder / "shared"), CLIENT_CHANGES)


# ---- exactly as it was signed


def test_a_second_implementation_signs_what_the_core_verifies(access: SignedAccess) -> None:
    signer = access.signer()
    assert access.ask(signer).name == "bot"
    assert access.ask(signer, method="GET", target="/wallets?limit=1&after=%61", body=b"").name == "bot"
    assert access.ask(signer, id="x" * 16, idempotency_key="an order").name == "bot"
    assert access.ask(signer, id="-_" * 32, body=b"x" * 64 * 1024).name == "bot"


def test_the_core_signs_what_a_second_implementation_verifies(tmp_path: Path) -> None:
    key = RequestKey.create(tmp_path / "bot.key")
    seed = bytes.fromhex((tmp_path / "bot.key").read_text().removeprefix("hyperkms-request-key-v1 ").strip())
    private = Ed25519PrivateKey.from_private_bytes(seed)
    assert private.public_key().public_bytes_raw() == key.public_key
    header = key.sign(SERVICE, time=1_780_000_000_000, method=b"POST", target=b"/a?b", body=b"{}", idempotency_key=b"k")
    request = Signer(SERVICE, private=private).request(
        "POST", "/a?b", b"{}", time=1_780_000_000_000, id=header.split("id=")[1][:32], idempotency_key="k"
    )
    assert header == request.header(private.sign(request.message()))


CHANGED: dict[str, object] = {
    "method": "GET",
    "target": "/wallets/sign?",
    "body": b"{} ",
    "idempotency_key": "k",
    "time": 1_780_000_000_001,
    "id": "f" * 32,
    "service": bytes(16),
}


@pytest.mark.parametrize("part", CHANGED)
def test_nothing_of_a_request_can_be_changed(access: SignedAccess, part: str) -> None:
    signer = access.signer()
    request = access.request(signer)
    changed = replace(request, **{part: CHANGED[part]})  # type: ignore[arg-type]
    signature = RequestSignature.read(changed.header(signer.private.sign(request.message())).encode())
    assert signature is not None
    with pytest.raises(Unauthorized) as refused:
        access.signed.accept(signature, sent(changed))
    assert (refused.value.code, dict(refused.value.details)) == ("invalid-signature", {})
    assert access.accept(signer, request).name == "bot", "and it was not used up"


@given(st.integers(0, 10**4), st.integers(1, 255))
def test_no_byte_of_method_target_or_body_can_be_changed(place: int, flip: int) -> None:
    signer = Signer(SERVICE)
    request = signer.request("POST", "/wallets/sign?x=1", b'{"walletId":"w","message":"hello"}')
    signature = RequestSignature.read(signer.sign(request).encode())
    assert signature is not None
    parts = [bytearray(part) for part in sent(request)[:3]]
    at = place % sum(map(len, parts))
    for part in parts:
        if at < len(part):
            part[at] ^= flip
            break
        at -= len(part)
    method, target, body = map(bytes, parts)
    with pytest.raises(HyperkmsError):
        signature.verify(signer.public_key, method=method, target=target, body=body, idempotency_key=b"")


def test_every_changed_character_of_the_header_is_refused(access: SignedAccess) -> None:
    signer = access.signer()
    request = access.request(signer)
    header = signer.sign(request)
    for place in range(len(header)):
        for put in ("", "0", "1", "F", " ", ",", "é"):
            changed = header[:place] + put + header[place + 1 :]
            signature = RequestSignature.read(changed.encode("latin-1"))
            if changed == header or signature is None:
                continue
            with pytest.raises(Unauthorized) as refused:
                access.signed.accept(signature, sent(request))
            assert refused.value.code == "invalid-signature"
    assert access.accept(signer, request).name == "bot"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1",
        "v2 {0}",
        "v1  {0}",
        "v1 {0},",
        "v1 {0} ",
        "v1 {0}, {0}",
        "v1 {1}",
        "V1 {0}",
    ],
)
def test_a_header_of_another_form_is_no_signature(header: str) -> None:
    signer = Signer(SERVICE)
    good = signer.sign(signer.request("GET", "/wallets")).removeprefix("v1 ")
    turned = ",".join(reversed(good.split(",")))
    assert RequestSignature.read(header.format(good, turned).encode()) is None
    assert RequestSignature.read(f"v1 {good}".encode()) is not None


@pytest.mark.parametrize("id_", ["x" * 15, "x" * 65, "x" * 15 + ".", "x" * 15 + "é"])
def test_an_id_is_16_to_64_plain_characters(id_: str) -> None:
    signer = Signer(SERVICE)
    assert RequestSignature.read(signer.sign(signer.request("GET", "/", id=id_)).encode()) is None


# ---- whose


def test_an_unknown_key_and_a_wrong_signature_are_answered_alike(access: SignedAccess) -> None:
    known, unknown = access.signer(), Signer(SERVICE)
    request = access.request(known)
    assert _code(access, unknown, access.request(unknown)) == "invalid-signature"
    assert _code(access, unknown, request) == "invalid-signature", "the known key named, another one's signature"


def test_a_revoked_client_signs_nothing_any_more_in_any_process(access: SignedAccess) -> None:
    signer, other = access.signer(), access.another()
    assert access.ask(signer) == other.ask(signer)
    access.revoke("bot")
    for process in (access, other):
        assert _code(process, signer, process.request(signer)) == "invalid-signature"
        assert process.signed.client_of(signer.fingerprint.hex()) is None


def test_a_rotated_key_overlaps_with_the_one_before_it_and_no_longer(access: SignedAccess) -> None:
    old = access.signer()
    new = access.rotated("bot", overlap=DAY_MS)
    access.clock.now += DAY_MS - 1
    assert access.ask(old) == access.ask(new)
    access.clock.now += 1
    assert _code(access, old, access.request(old)) == "invalid-signature"
    assert access.ask(new).name == "bot"
    newest = access.rotated("bot", overlap=0)
    assert _code(access, new, access.request(new)) == "invalid-signature"
    assert access.ask(newest).name == "bot"


def test_a_client_changes_from_an_api_key_to_signing_and_back(access: SignedAccess) -> None:
    api_key = access.make("bot").key
    signer = Signer(SERVICE)
    assert access.give("bot", signer, overlap=0).key == ""
    with pytest.raises(Unauthorized):
        access.api_keys.authenticate(api_key)
    assert access.ask(signer).name == "bot"
    again = access.rotate("bot", overlap=0).key
    assert access.api_keys.authenticate(again).name == "bot"
    assert _code(access, signer, access.request(signer)) == "invalid-signature"


def test_a_key_that_is_added_stands_beside_the_others(access: SignedAccess) -> None:
    api_key = access.make("bot").key
    one, two = Signer(SERVICE), Signer(SERVICE)
    access.add("bot", one)
    access.add("bot", two)
    assert access.api_keys.authenticate(api_key) == access.ask(one) == access.ask(two)
    record = access.clients.get("bot")
    assert {own.key.fingerprint for own in record.identities} == {one.fingerprint.hex(), two.fingerprint.hex()}
    assert access.clients.list() == [record]


def test_a_client_that_expires_ends_with_its_key(access: SignedAccess) -> None:
    signer = access.signer(expires_at=access.clock() + DAY_MS)
    access.clock.now += DAY_MS - 1
    assert access.ask(signer).name == "bot"
    access.clock.now += 1
    assert _code(access, signer, access.request(signer)) == "invalid-signature"


def test_a_public_key_has_one_use_for_ever(access: SignedAccess) -> None:
    signer = access.signer()
    access.make("other")
    access.revoke("bot")
    with pytest.raises(Conflict) as taken:
        access.add("other", signer)
    assert taken.value.code == "public-key-taken"
    assert access.clients.get("other").identities == ()


def test_a_wallets_key_signs_no_requests(access: SignedAccess) -> None:
    signer = Signer(SERVICE)
    wallet = {"id": "w", "key_type": "ed25519", "current_version": 1, "created_at": 1, "metadata": "{}"}
    version = {"wallet": "w", "number": 1, "state": "retired", "origin": "imported", "created_at": 1}
    with access.database.write() as connection:
        connection.execute(wallets.insert().values(wallet))
        connection.execute(key_versions.insert().values({**version, "public_key": signer.public_key}))
    access.make("bot")
    with pytest.raises(Conflict) as taken:
        access.add("bot", signer)
    assert "wallet" in taken.value.message


SMALL = ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "ff" * 32]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ab" * 32,
        "0x" + "ab" * 32,
        "ed25519:" + "ab" * 31,
        "ed25519:" + "AB" * 32,
        *(f"ed25519:{key}" for key in SMALL),
    ],
)
def test_what_vouches_for_nobody_is_no_public_key(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        IdentityKey.parse(text)
    assert refused.value.code == "malformed-public-key"
    assert refused.value.details["field"] == "publicKey"


def test_a_key_is_known_without_the_database_until_clients_change(access: SignedAccess) -> None:
    signer = access.signer()

    def here() -> str:
        with without_waiting():
            return access.ask(signer).name

    with pytest.raises(MustWait):
        here()
    access.ask(signer)
    assert here() == "bot"
    access.make("another")
    with pytest.raises(MustWait):
        here()


# ---- for this service


def test_what_is_signed_for_another_service_is_worth_nothing_here(access: SignedAccess) -> None:
    signer = access.signer()
    assert _code(access, signer, access.request(signer, service=bytes(16))) == "request-for-another-service"


# ---- in time


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_window_is_exact_on_both_sides(access: SignedAccess, sign: int) -> None:
    signer = access.signer()
    assert access.ask(signer, time=access.clock() + sign * WINDOW_MS).name == "bot"
    with pytest.raises(Unauthorized) as refused:
        access.ask(signer, time=access.clock() + sign * (WINDOW_MS + 1))
    assert refused.value.code == "request-stale"
    assert refused.value.details["serverTime"] == access.clock()


def test_a_narrower_window_is_as_exact(tmp_path: Path) -> None:
    access = SignedAccess(tmp_path, window_ms=1000)
    signer = access.signer()
    assert access.ask(signer, time=access.clock() - 1000).name == "bot"
    assert _code(access, signer, access.request(signer, time=access.clock() - 1001)) == "request-stale"


# ---- once


def test_a_request_is_accepted_once_by_all_processes_together(access: SignedAccess) -> None:
    signer, other = access.signer(), access.another()
    request = access.request(signer)
    assert other.accept(signer, request).name == "bot"
    for process in (access, other, access.another()):
        assert _code(process, signer, request) == "request-replayed"


def test_a_request_is_known_as_long_as_it_is_in_the_window(access: SignedAccess) -> None:
    signer = access.signer()
    request = access.request(signer, time=access.clock() + WINDOW_MS)
    access.accept(signer, request)
    for _ in range(2 * WINDOW_MS // 1000):
        access.clock.now += 1000
        assert _code(access, signer, request) == "request-replayed"
        access.ask(signer)
    access.clock.now += 1
    assert _code(access, signer, request) == "request-stale"


def test_a_request_that_is_late_once_it_is_entered_is_refused(access: SignedAccess) -> None:
    """A process that was put aside in between may have entered it where its first entry has made room."""
    signer = access.signer()
    access.ask(signer)  # the memory is open and the keys are known
    request = access.request(signer)
    now, asked = access.clock(), 0

    def put_aside() -> int:
        nonlocal asked
        asked += 1
        return now if asked <= 2 else now + WINDOW_MS + 1

    identities = Identities(access.database, _changes(access), partial(read_identities, access.rows), put_aside)
    identities.find("")
    asked = 0
    late = SignedRequests(identities, access.signed.replays, service=SERVICE, window_ms=WINDOW_MS, clock=put_aside)
    signature = RequestSignature.read(signer.sign(request).encode())
    assert signature is not None
    with pytest.raises(Unauthorized) as refused:
        late.accept(signature, sent(request))
    assert (refused.value.code, asked) == ("request-stale", 3)
    assert _code(access, signer, request) == "request-replayed", "it was entered before"


def test_after_the_loss_of_the_memory_nothing_from_before_is_accepted(access: SignedAccess, tmp_path: Path) -> None:
    signer = access.signer()
    accepted = [access.request(signer, time=access.clock() + ahead) for ahead in range(-WINDOW_MS, WINDOW_MS + 1, 5000)]
    for request in accepted:
        access.accept(signer, request)
    (tmp_path / "replays").unlink()
    after = access.another()
    assert _code(after, signer, after.request(signer)) == "replay-memory-new"
    for _ in range(2 * MAX_WINDOW_MS // 1000):
        after.clock.now += 1000
        for request in accepted:
            assert _code(after, signer, request) in {"replay-memory-new", "request-stale"}
    assert after.ask(signer).name == "bot", "and the others are, as soon as they may be"


def test_a_refused_client_is_told_when_to_sign_again(access: SignedAccess, tmp_path: Path) -> None:
    signer = access.signer()
    access.ask(signer)
    (tmp_path / "replays").unlink()
    after = access.another()
    with pytest.raises(Unavailable, match=f"what is signed in {MAX_WINDOW_MS // 1000} s is accepted"):
        after.ask(signer)
    after.clock.now += MAX_WINDOW_MS
    assert _code(after, signer, after.request(signer)) == "replay-memory-new"
    after.clock.now += 1
    assert after.ask(signer).name == "bot"


@pytest.mark.parametrize("damage", ["another boot", "cut off", "not of its form"])
def test_a_memory_that_is_not_of_this_boot_is_not_believed(access: SignedAccess, tmp_path: Path, damage: str) -> None:
    signer = access.signer()
    request = access.request(signer)
    access.accept(signer, request)
    path = tmp_path / "replays"
    content = bytearray(path.read_bytes())
    assert len(content) == TABLE
    assert path.stat().st_mode & 0o777 == 0o600
    if damage == "another boot":
        content[16] ^= 1
    elif damage == "not of its form":
        content[0] ^= 1
    else:
        del content[-1]
    path.unlink()  # the one that is mapped stays whole
    path.write_bytes(content)
    after = access.another()
    assert _code(after, signer, request) == "replay-memory-new"
    after.clock.now += MAX_WINDOW_MS + 1
    assert after.ask(signer).name == "bot"


def test_a_process_whose_memory_was_replaced_accepts_nothing(access: SignedAccess, tmp_path: Path) -> None:
    signer = access.signer()
    access.ask(signer)
    (tmp_path / "replays").unlink()
    assert _code(access, signer, access.request(signer)) == "replay-memory-unavailable"
    with pytest.raises(Unavailable):
        access.signed.replays.check()
    after = access.another()
    after.clock.now += MAX_WINDOW_MS + 1
    assert _code(after, signer, access.request(signer, time=access.clock() - MAX_WINDOW_MS - 1)) == "request-stale"
    assert _code(access, signer, access.request(signer)) == "replay-memory-unavailable", "a new one is not its own"


def test_the_very_first_memory_has_nothing_to_wait_for(access: SignedAccess) -> None:
    signer = access.signer()
    assert access.ask(signer, time=access.clock() - WINDOW_MS).name == "bot"


def test_a_memory_that_was_lost_is_made_at_the_start_and_not_at_the_first_request(
    access: SignedAccess, tmp_path: Path
) -> None:
    signer = access.signer()
    access.signed.replays.prepare()
    assert not (tmp_path / "replays").exists(), "nobody has signed a request yet"
    access.ask(signer)
    (tmp_path / "replays").unlink()
    after = access.another()
    after.signed.replays.prepare()
    after.clock.now += MAX_WINDOW_MS + 1
    assert after.ask(signer).name == "bot"


def test_a_full_memory_refuses_and_forgets_nothing(access: SignedAccess, tmp_path: Path) -> None:
    signer = access.signer()
    first = access.request(signer)
    access.accept(signer, first)
    memory = (tmp_path / "replays").stat().st_ino
    with (tmp_path / "replays").open("r+b") as file:  # every slot but those in use is taken for all times to come
        content = bytearray(file.read())
        ahead = (((access.clock() >> 17) + 2**19) % 2**21 << 43).to_bytes(8, "little")
        for at in range(4096, TABLE, 8):
            if content[at : at + 8] == bytes(8):
                content[at : at + 8] = ahead
        file.seek(0)
        file.write(content)
    assert (tmp_path / "replays").stat().st_ino == memory
    assert _code(access, signer, access.request(signer)) == "replay-memory-full"
    assert _code(access, signer, first) == "request-replayed"


def test_a_file_of_another_process_of_this_boot_is_the_same_memory(access: SignedAccess, tmp_path: Path) -> None:
    signer = access.signer()
    request = access.request(signer)
    access.accept(signer, request)
    boot = (tmp_path / "replays").read_bytes()[16:32]
    opened = SharedReplays.open(tmp_path / "replays", boot)
    signature = RequestSignature.read(signer.sign(request).encode())
    assert opened is not None
    assert signature is not None
    assert opened.take(signature) is False
    assert opened.floor == 0


def test_the_record_and_the_list_show_fingerprints(access: SignedAccess) -> None:
    signer = access.signer()
    assert [own.key for own in access.noted[-1].identities] == [key_of(signer)]
    assert access.clients.get("bot").keys == ()
