"""Requests that their client signs, at every door of the service: accepted exactly as signed, and once."""

import http.client
import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from hyperkms.config import MAX_REQUEST_WINDOW_S
from support.every_route import routes_of
from support.keep_alive import Line, line_to
from support.service import START_S, Answer, Service
from support.signed import Request, Signer, ask, now_ms, registered, send

MESSAGE = {"walletId": "bytes", "message": "hello"}
NOOP = {"walletId": "trader", "action": {"type": "noop"}}
SIGNING = {
    "/wallets/sign": MESSAGE,
    "/hyperliquid/sign": NOOP,
    "/wallets/sign-batch": {"requests": [MESSAGE] * 60},
    "/hyperliquid/sign-batch": {"requests": [NOOP] * 60},
}
"""A body that works for each, with the wallets below."""


@pytest.fixture(scope="module")
def bot(shared_service: Service) -> Signer:
    shared_service.generate("bytes")
    shared_service.generate("trader", keyType="secp256k1")
    return registered(shared_service, "bot", "trade", "sign-bytes", "read")


@pytest.fixture(scope="module")
def administrator(shared_service: Service) -> Signer:
    signer = Signer("00" * 16)
    made = shared_service.post("/clients", {"name": "signing-admin", "role": "administrator", "publicKey": signer.text})
    assert made.status == 200
    return replace(signer, service=made.json["service"])


def code_of(answer: Answer) -> str:
    assert answer.status >= 400, answer.body
    return str(answer.json["code"])


# ---- every route


@pytest.mark.parametrize("path", SIGNING)
def test_a_signing_route_takes_a_signed_request_once(shared_service: Service, bot: Signer, path: str) -> None:
    request = bot.request("POST", path, SIGNING[path])
    header = bot.sign(request)
    done = send(shared_service, request, header)
    assert done.status == 200, done.body
    assert all(one["success"] for one in done.json.get("results", [done.json]))
    for _ in range(2):
        again = send(shared_service, request, header)
        assert (again.status, code_of(again)) == (401, "request-replayed")
        assert again.headers["www-authenticate"]
    assert send(shared_service, request, bot.sign(bot.request("POST", path, SIGNING[path]))).status == 200


def test_every_route_tells_a_signed_request_from_an_unsigned_one(
    shared_service: Service, administrator: Signer
) -> None:
    asked = [route for route in routes_of(shared_service.get("/openapi.json").json) if route.needs_key]
    assert len(asked) > 25
    for route in asked:
        request = administrator.request(route.method, route.at("nobody"), b"{}" if route.method == "POST" else b"")
        unsigned = shared_service.request(request.method, request.target, raw=request.body or None, headers={})
        assert (unsigned.status, code_of(unsigned)) == (401, "invalid-api-key"), route.path
        other = replace(request, method="PUT").message()
        for wrong in ("", "v1", request.header(administrator.private.sign(other)), Signer("00" * 16).sign(request)):
            refused = send(shared_service, request, wrong)
            assert (refused.status, code_of(refused)) == (401, "invalid-signature"), (route.path, wrong)
        good = send(shared_service, request, administrator.sign(request))
        assert good.status in {200, 400, 404}, (route.path, good.body)


def test_a_signed_control_route_does_what_it_says_once(shared_service: Service, administrator: Signer) -> None:
    body = {"walletId": "made-by-signature", "keyType": "secp256k1"}
    request = administrator.request("POST", "/wallets/generate", body)
    header = administrator.sign(request)
    made = send(shared_service, request, header)
    assert made.status == 200, made.body
    assert code_of(send(shared_service, request, header)) == "request-replayed"
    shown = ask(shared_service, administrator, "GET", "/wallets/made-by-signature")
    assert shown.json["wallet"]["address"] == made.json["wallet"]["address"]
    head = ask(shared_service, administrator, "HEAD", "/wallets/made-by-signature")
    assert (head.status, head.body) == (200, b"")


def test_what_a_signed_client_may_is_what_it_was_allowed(shared_service: Service, bot: Signer) -> None:
    for method, path, body in [("GET", "/clients", None), ("POST", "/wallets/generate", {"walletId": "no"})]:
        assert code_of(ask(shared_service, bot, method, path, body)) == "scope-missing"


def test_an_open_route_stays_open_whatever_is_in_the_header(shared_service: Service) -> None:
    assert shared_service.get("/health", headers={"Hyperkms-Signature": "nonsense"}).status == 200


# ---- exactly as signed

ROUTES = [("POST", "/wallets/sign", json.dumps(MESSAGE).encode()), ("GET", "/wallets?limit=1&after=a", b"")]


@pytest.mark.parametrize(("method", "target", "body"), ROUTES, ids=["at once", "by the framework"])
def test_every_changed_part_is_refused(
    shared_service: Service, bot: Signer, method: str, target: str, body: bytes
) -> None:
    request = bot.request(method, target, body)
    signature = bot.private.sign(request.message())
    changes: dict[str, list[object]] = {
        "key": [Signer("00" * 16).fingerprint, bytes(8)],
        "service": [bytes(16), request.service[::-1]],
        "time": [request.time - 1, request.time + 1, 0],
        "id": ["0" * 32, request.id + "0", request.id[:-1]],
        "idempotency_key": ["a-key"],
        "body": [body + b" ", body[:-1] + b"\n}" if body else b"{}"],
        "target": [target + "?", target + "#x", target.upper(), target + "&" if "?" in target else target + "/"],
    }
    for part, values in changes.items():
        for value in values:
            changed = replace(request, **{part: value})  # type: ignore[arg-type]
            answer = send(shared_service, changed, changed.header(signature))
            if answer.status == 404:
                assert part == "target", "no route takes it"
            else:
                assert (answer.status, code_of(answer)) == (401, "invalid-signature"), (part, value)
    for at in range(0, 64, 7):
        flipped = bytearray(signature)
        flipped[at] ^= 1
        assert code_of(send(shared_service, request, request.header(bytes(flipped)))) == "invalid-signature"
    assert send(shared_service, request, request.header(signature)).status == 200, "none of these used it up"


def test_every_changed_byte_of_a_body_is_refused(shared_service: Service, bot: Signer) -> None:
    request = bot.request("POST", "/wallets/sign", MESSAGE)
    header = bot.sign(request)
    for place in range(len(request.body)):
        changed = bytearray(request.body)
        changed[place] ^= 1
        assert code_of(send(shared_service, replace(request, body=bytes(changed)), header)) == "invalid-signature"
    assert send(shared_service, request, header).status == 200


def test_another_method_is_another_request(shared_service: Service, bot: Signer) -> None:
    request = bot.request("GET", "/wallets")
    connection = http.client.HTTPConnection("127.0.0.1", int(shared_service.url.rpartition(":")[2]), timeout=START_S)
    connection.request("HEAD", "/wallets", headers={"Hyperkms-Signature": bot.sign(request)})
    assert connection.getresponse().status == 401
    connection.close()
    assert send(shared_service, request, bot.sign(request)).status == 200


def test_a_header_that_stands_twice_is_refused(shared_service: Service, bot: Signer) -> None:
    request = bot.request("POST", "/wallets/sign", MESSAGE)
    header = bot.sign(request)
    for second in (header, bot.sign(bot.request("POST", "/wallets/sign", MESSAGE)), ""):
        for path in ("/wallets/sign", "/wallets/sign-batch"):
            with line_to(shared_service) as line:
                assert _with_two(line, replace(request, target=path), header, second) == (401, "invalid-signature")
    assert send(shared_service, request, header).status == 200


def _with_two(line: Line, request: Request, first: str, second: str) -> tuple[int, str]:
    line.connection.putrequest(request.method, request.target)
    line.connection.putheader("Hyperkms-Signature", first)
    line.connection.putheader("Hyperkms-Signature", second)
    line.connection.putheader("Content-Length", str(len(request.body)))
    line.connection.endheaders(request.body)
    answer = line.connection.getresponse()
    return answer.status, json.loads(answer.read())["code"]


def test_an_api_key_beside_a_signature_is_refused_whosever_it_is(shared_service: Service, bot: Signer) -> None:
    for path, body in [("/wallets/sign", MESSAGE), ("/wallets/sign-batch", {"requests": [MESSAGE]})]:
        request = bot.request("POST", path, body)
        header = bot.sign(request)
        for more in ({"X-API-Key": shared_service.key}, {"X-API-Key": "x"}, {"Authorization": "Bearer x"}):
            assert code_of(send(shared_service, request, header, more)) == "two-credentials"
        assert send(shared_service, request, header, {"Authorization": "Basic eDp4"}).status == 200


def test_a_body_in_chunks_is_signed_as_a_whole(shared_service: Service, bot: Signer) -> None:
    request = bot.request("POST", "/wallets/sign", MESSAGE)
    with line_to(shared_service) as line:
        headers = {"Hyperkms-Signature": bot.sign(request)}
        pieces = iter([request.body[:5], request.body[5:]])
        line.connection.request("POST", request.target, pieces, headers, encode_chunked=True)
        assert line.connection.getresponse().status == 200


def test_a_large_body_is_signed_too(shared_service: Service, bot: Signer) -> None:
    body = {"walletId": "bytes", "message": "x" * 40_000}
    request = bot.request("POST", "/wallets/sign", body)
    header = bot.sign(request)
    assert code_of(send(shared_service, replace(request, body=request.body.replace(b"xx", b"xy", 1)), header)) == (
        "invalid-signature"
    )
    assert send(shared_service, request, header).status == 200


# ---- in time


@pytest.mark.parametrize("skew", [-40_000, 40_000, -86_400_000])
def test_a_clock_that_is_off_is_told_so_with_the_time_here(shared_service: Service, bot: Signer, skew: int) -> None:
    before = now_ms()
    for target, body in [("/wallets/sign", MESSAGE), ("/wallets/sign-batch", {"requests": [MESSAGE]})]:
        refused = ask(shared_service, bot, "POST", target, body, time=now_ms() + skew)
        assert (refused.status, code_of(refused)) == (401, "request-stale")
        assert before <= refused.json["serverTime"] <= now_ms()
    for fine in (-25_000, 25_000):
        assert ask(shared_service, bot, "POST", "/wallets/sign", MESSAGE, time=now_ms() + fine).status == 200


def test_a_wrong_signature_hears_nothing_of_the_clock(shared_service: Service, bot: Signer) -> None:
    request = bot.request("GET", "/wallets", time=1)
    assert code_of(send(shared_service, request, Signer("00" * 16).sign(request))) == "invalid-signature"


def test_the_window_can_be_made_narrower(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_REQUEST_WINDOW_S="5") as service:
        bot = registered(service, "bot", "read")
        assert code_of(ask(service, bot, "GET", "/wallets", time=now_ms() - 6000)) == "request-stale"
        assert ask(service, bot, "GET", "/wallets", time=now_ms() - 1000).status == 200


# ---- repeated under a key


@pytest.mark.parametrize("path", ["/wallets/sign", "/hyperliquid/sign", "/hyperliquid/sign-batch"])
def test_a_retry_is_signed_anew_and_answered_the_same(shared_service: Service, bot: Signer, path: str) -> None:
    key = f"key of {path}".replace(" ", "-")
    first = ask(shared_service, bot, "POST", path, SIGNING[path], idempotency_key=key)
    again = ask(shared_service, bot, "POST", path, SIGNING[path], idempotency_key=key)
    assert (first.status, again.status) == (200, 200)
    assert again.body == first.body
    assert again.headers["idempotency-replayed"] == "true"
    body = json.dumps(SIGNING[path]).encode() + b" "
    other = ask(shared_service, bot, "POST", path, body, idempotency_key=key)
    assert code_of(other) == "idempotency-key-reused"


def test_a_keyed_request_that_is_replayed_gets_no_answer(shared_service: Service, bot: Signer) -> None:
    request = bot.request("POST", "/hyperliquid/sign", NOOP, idempotency_key="once-and-only")
    header = bot.sign(request)
    assert send(shared_service, request, header).status == 200
    assert code_of(send(shared_service, request, header)) == "request-replayed"
    assert code_of(send(shared_service, replace(request, idempotency_key=""), header)) == "invalid-signature"


# ---- on one connection


def test_signed_and_keyed_requests_mix_on_one_connection(shared_service: Service, bot: Signer) -> None:
    content = json.dumps(MESSAGE).encode()
    with line_to(shared_service) as line:
        used: list[str] = []
        for _ in range(5):
            header = bot.sign(bot.request("POST", "/wallets/sign", content))
            assert line.request("POST", "/wallets/sign", content, {"Hyperkms-Signature": header}).status == 200
            used.append(header)
            assert line.request("POST", "/wallets/sign", content).status == 200
            for old in used:
                answer = line.request("POST", "/wallets/sign", content, {"Hyperkms-Signature": old})
                assert (answer.status, code_of(answer)) == (401, "request-replayed")
            assert line.request("POST", "/wallets/sign", content, {}).status == 401, "nobody is taken for the last one"


def test_a_refused_client_does_not_use_up_anothers_requests(shared_service: Service, bot: Signer) -> None:
    """Not even one that sends the same id at the same time."""
    other = registered(shared_service, "same-id", "sign-bytes")
    request = bot.request("POST", "/wallets/sign", MESSAGE)
    assert ask(shared_service, other, "POST", "/wallets/sign", MESSAGE, id=request.id, time=request.time).status == 200
    assert send(shared_service, request, bot.sign(request)).status == 200


def test_a_request_that_has_to_wait_was_accepted_once_all_the_same(service: Service) -> None:
    """After a change of wallets or clients the attempt to answer at once ends midway, and the work begins anew."""
    bot = registered(service, "bot", "sign-bytes")
    for number in range(5):
        wallet = f"w{number}"
        service.generate(wallet)
        if number % 2:
            registered(service, f"other-{number}", "read")
        request = bot.request("POST", "/wallets/sign", {"walletId": wallet, "message": "hello"})
        header = bot.sign(request)
        assert send(service, request, header).status == 200
        assert code_of(send(service, request, header)) == "request-replayed"


# ---- over processes and their ends

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


def _workers(service: Service) -> list[int]:
    listed = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
    return [int(word) for word in listed.read_text().split()]


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[tuple[Service, Signer]]:
    with Service.start(tmp_path / "data", "--workers", "3") as service:
        service.generate("bytes")
        yield service, registered(service, "bot", "sign-bytes")


def test_of_many_identical_requests_at_many_workers_one_is_accepted(trio: tuple[Service, Signer]) -> None:
    service, bot = trio
    requests = [bot.request("POST", "/wallets/sign", MESSAGE) for _ in range(60)]
    headers = [bot.sign(request) for request in requests]
    accepted: Counter[int] = Counter()
    others: Counter[str] = Counter()
    logs = set()
    with ExitStack() as ends:
        lines = [ends.enter_context(line_to(service)) for _ in range(12)]
        together = threading.Barrier(len(lines))

        def send_all(line: Line) -> None:
            for number, header in enumerate(headers):
                together.wait(START_S)
                answer = line.request("POST", "/wallets/sign", requests[number].body, {"Hyperkms-Signature": header})
                if answer.status == 200:
                    accepted[number] += 1
                    logs.add(answer.json["receipt"]["log"])
                else:
                    others[code_of(answer)] += 1

        threads = [threading.Thread(target=send_all, args=(line,)) for line in lines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(START_S)
    assert accepted == dict.fromkeys(range(60), 1)
    assert others == {"request-replayed": 60 * 11}
    assert len(logs) > 1, "connections spread over workers, each of which has a log of its own"


@linux
def test_a_killed_worker_takes_no_memory_with_it(trio: tuple[Service, Signer]) -> None:
    service, bot = trio
    used: list[tuple[Request, str]] = []
    for _ in range(4):
        for _ in range(10):
            request = bot.request("POST", "/wallets/sign", MESSAGE)
            used.append((request, bot.sign(request)))
            assert send(service, *used[-1]).status == 200
        os.kill(_workers(service)[0], signal.SIGKILL)
        for request, header in used:
            code = code_of(_sent_at_last(service, request, header))
            is_old = now_ms() - request.time > MAX_REQUEST_WINDOW_S * 1000
            assert code == "request-replayed" or (code == "request-stale" and is_old)
    assert ask(service, bot, "POST", "/wallets/sign", MESSAGE).status == 200


def _sent_at_last(service: Service, request: Request, header: str) -> Answer:
    """A connection to a worker that was killed breaks; what was accepted there must not be accepted elsewhere."""
    for _ in range(50):
        try:
            return send(service, request, header)
        except (ConnectionError, http.client.HTTPException):
            continue
    raise AssertionError("no worker answered")


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_a_restart_forgets_nothing(tmp_path: Path, end: str) -> None:
    data = tmp_path / "data"
    with Service.start(data) as service:
        service.generate("bytes")
        bot = registered(service, "bot", "sign-bytes")
        used = [bot.request("POST", "/wallets/sign", MESSAGE, time=now_ms() + ahead) for ahead in (-9000, 0, 25_000)]
        headers = [bot.sign(request) for request in used]
        assert [send(service, *each).status for each in zip(used, headers, strict=True)] == [200] * 3
        if end == "killed":
            service.kill()
    with Service.start(data) as service:
        answers = [send(service, *each) for each in zip(used, headers, strict=True)]
        assert [code_of(answer) for answer in answers] == ["request-replayed"] * 3
        assert ask(service, bot, "POST", "/wallets/sign", MESSAGE).status == 200, "and nobody has to wait"


def test_without_its_file_a_service_accepts_nothing_that_it_may_have_accepted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service.start(data) as service:
        service.generate("bytes")
        bot = registered(service, "bot", "sign-bytes")
        request = bot.request("POST", "/wallets/sign", MESSAGE, time=now_ms() + 25_000)
        header = bot.sign(request)
        assert send(service, request, header).status == 200
        (data / "replays").unlink()
        for _ in range(2):
            refused = ask(service, bot, "POST", "/wallets/sign", MESSAGE)
            assert (refused.status, code_of(refused)) == (503, "replay-memory-unavailable")
        assert service.get("/ready").status == 503
        assert service.post("/wallets/sign", MESSAGE).status == 200, "who has an API key is served"
    with Service.start(data) as service:
        for each in (request, bot.request("POST", "/wallets/sign", MESSAGE)):
            refused = send(service, each, bot.sign(each))
            assert (refused.status, code_of(refused)) == (503, "replay-memory-new")
            assert refused.headers["retry-after"]
        assert service.post("/wallets/sign", MESSAGE).status == 200


# ---- keys that end


def test_keys_rotate_overlap_and_end_over_http(service: Service) -> None:
    first = registered(service, "bot", "read")
    second, third = replace(first, private=Signer("").private), replace(first, private=Signer("").private)
    rotated = service.post("/clients/bot/rotate", {"publicKey": second.text})
    assert (rotated.status, rotated.json["service"], "apiKey" in rotated.json) == (200, first.service, False)
    added = service.post("/clients/bot/keys", {"publicKey": third.text})
    shown = added.json["client"]["identities"]
    assert [own["fingerprint"] for own in shown] == [one.fingerprint.hex() for one in (first, second, third)]
    assert ["expiresAt" in own for own in shown] == [True, False, False]
    assert [ask(service, one, "GET", "/wallets").status for one in (first, second, third)] == [200] * 3
    service.post("/clients/bot/rotate", {"overlapHours": 0, "publicKey": Signer("").text})
    for one in (first, second, third):
        assert code_of(ask(service, one, "GET", "/wallets")) == "invalid-signature"


def test_a_revoked_client_signs_nothing_any_more(service: Service) -> None:
    bot = registered(service, "bot", "read")
    assert ask(service, bot, "GET", "/wallets").status == 200
    assert service.post("/clients/bot/revoke", {}).status == 200
    assert code_of(ask(service, bot, "GET", "/wallets")) == "invalid-signature"


def test_a_made_client_is_answered_the_same_under_its_key(service: Service) -> None:
    """The answer shows no secret, so it is kept, unlike one with an API key."""
    body = {"name": "bot", "publicKey": Signer("").text}
    headers = {"X-API-Key": service.key, "Idempotency-Key": "make-it"}
    first, again = (service.post("/clients", body, headers=headers) for _ in range(2))
    assert (first.status, again.status, again.body) == (200, 200, first.body)


# ---- guessing


def test_who_guesses_is_counted_by_address_and_who_signs_is_not_held_up(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_LIMIT_FAILED_AUTHENTICATION="10/h") as service:
        service.generate("bytes")
        bot = registered(service, "bot", "sign-bytes")
        request = bot.request("POST", "/wallets/sign", MESSAGE)
        header = bot.sign(request)
        assert send(service, request, header).status == 200
        codes = [
            code_of(send(service, request, header)),
            code_of(ask(service, bot, "POST", "/wallets/sign", MESSAGE, time=1)),
            code_of(send(service, request, "v1")),
            *(code_of(ask(service, Signer("00" * 16), "GET", "/wallets")) for _ in range(8)),
        ]
        assert codes[:3] == ["request-replayed", "request-stale", "invalid-signature"]
        assert codes[3:] == ["invalid-signature"] * 7 + ["rate-limited"]
        assert ask(service, bot, "POST", "/wallets/sign", MESSAGE).status == 200


# ---- at the Unix socket


def test_signed_requests_work_at_the_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Service.start(tmp_path / "data", "--uds", str(path)) as service:
        service.generate("bytes")
        bot = registered(service, "bot", "sign-bytes")
        request = bot.request("POST", "/wallets/sign", MESSAGE)
        header = bot.sign(request)
        assert _over_unix(path, request, header) == 200
        assert _over_unix(path, request, header) == 401
        assert code_of(send(service, request, header)) == "request-replayed", "the port remembers it too"


def _over_unix(path: Path, request: Request, header: str) -> int:
    connection = http.client.HTTPConnection("localhost", timeout=START_S)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request(request.method, request.target, request.body, {"Hyperkms-Signature": header})
    status = connection.getresponse().status
    connection.close()
    return status


# ---- what is told


def test_no_answer_or_log_line_shows_a_signature(service: Service) -> None:
    bot = registered(service, "bot", "read")
    request = bot.request("GET", "/wallets")
    header = bot.sign(request)
    answers = [send(service, request, header) for _ in range(2)]
    answers.append(ask(service, bot, "GET", "/wallets", time=1))
    assert service.stop() == 0
    told = b"".join(answer.body for answer in answers) + "".join(service.lines).encode()
    for part in (header[-128:], request.id, bot.public_key.hex()):
        assert part.encode() not in told


def test_the_document_names_the_third_way_to_ask(shared_service: Service) -> None:
    document = shared_service.get("/openapi.json").json
    scheme = document["components"]["securitySchemes"]["RequestSignature"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Hyperkms-Signature")
    for method, path in [("get", "/wallets"), ("post", "/wallets/sign"), ("post", "/clients/{name}/keys")]:
        assert {"RequestSignature": []} in document["paths"][path][method]["security"]
