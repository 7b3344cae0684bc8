"""/metrics: exact over all processes, readable for Prometheus, and nothing on it that names anybody."""

import http.client
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hyperkms.metrics.catalogue import FAMILIES, STORED
from hyperkms.metrics.routes import ROUTES
from support.keep_alive import line_to
from support.record_reader import read_logs
from support.scraped import Scraped, parse, scrape
from support.service import START_S, Service
from support.until import until

CANARY = "canary-7d20e1"
SIGN = "/wallets/sign"
NOOP = {"walletId": "bot", "action": {"type": "noop"}}


def _sign(service: Service, times: int) -> None:
    with line_to(service) as line:
        for _ in range(times):
            assert line.post(SIGN, {"walletId": "bytes", "message": "m"}).status == 200


def _signatures(scraped: Scraped) -> float:
    return scraped.value("hyperkms_signatures_total", key_type="ed25519", operation="sign-message")


def _allowed(service: Service, name: str, *operations: str) -> dict[str, str]:
    answer = service.post("/clients", {"name": name, "allow": list(operations)})
    assert answer.status == 200, answer.body
    return {"X-API-Key": answer.json["apiKey"]}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Two processes on one data directory, of which both have signed at once."""
    data = tmp_path_factory.mktemp("two") / "data"
    with ExitStack() as running, ThreadPoolExecutor(4) as pool:
        first = running.enter_context(Service.start(data, HYPERKMS_LIMIT_SIGN="100000/s"))
        second = running.enter_context(Service.start(data, HYPERKMS_LIMIT_SIGN="100000/s"))
        first.generate("bytes")
        list(pool.map(_sign, (first, second, first, second), (100, 150, 50, 25)))
        yield first, second


def test_whichever_process_is_asked_tells_the_exact_sum_over_all(two: tuple[Service, Service]) -> None:
    for scraped in map(scrape, two):
        assert _signatures(scraped) == 325
        assert scraped.value("hyperkms_requests_total", method="POST", route=SIGN, status="2xx") == 325
        assert scraped.value("hyperkms_request_duration_seconds_count", group="sign") == 325
        assert scraped.value("hyperkms_keys_opened_total") == 2


def test_whichever_process_is_asked_has_counted_every_line_of_the_record(two: tuple[Service, Service]) -> None:
    """Each of the two looks at the signed rows once while it serves, and may have one more to write of them."""

    def lines() -> int:
        """But the first of each log, and the heads: no request waits for those."""
        logs = read_logs(two[0].data / "records").values()
        return sum(len(log.lines) - 1 - len(log.heads()) for log in logs)

    def is_counted(service: Service) -> bool:
        scraped = scrape(service)
        groups = scraped.value("hyperkms_record_group_size_count")
        is_whole = scraped.value("hyperkms_record_fsync_seconds_count") == groups <= lines()
        return is_whole and scraped.value("hyperkms_record_group_size_sum") == lines() > 325

    for each in two:
        until(partial(is_counted, each))


def test_each_process_is_one_of_the_workers(two: tuple[Service, Service]) -> None:
    for scraped in map(scrape, two):
        assert scraped.total("hyperkms_workers") == 2
        assert scraped.value("hyperkms_threads", pool="signing") == 80
        assert scraped.value("hyperkms_worker_start_time_seconds", worker="1") > 1_700_000_000
        assert scraped.value("hyperkms_uptime_seconds") > 0
        assert scraped.value("hyperkms_ready") == 1


def test_the_page_has_the_families_of_the_catalogue_and_no_other(two: tuple[Service, Service]) -> None:
    scraped = scrape(two[0])
    assert scraped.types == {family.name: family.kind.value for family in FAMILIES}
    for family in STORED:
        for values in family.series:
            labels = dict(zip(family.labels, values, strict=True))
            suffix = "_count" if family.bounds else ""
            assert scraped.value(family.name + suffix, **labels) >= 0
            if family.bounds:
                assert scraped.value(f"{family.name}_bucket", **labels, le="+Inf") == scraped.value(
                    f"{family.name}_count", **labels
                )


def test_a_killed_process_is_no_worker_any_more_and_what_it_counted_stays(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data") as first:
        first.generate("bytes")
        _sign(first, 7)
        with Service.start(tmp_path / "data") as second:
            first.kill()
            assert scrape(second).total("hyperkms_workers") == 1
            assert _signatures(scrape(second)) == 7
    with Service.start(tmp_path / "data") as third:
        assert _signatures(scrape(third)) == 7
        assert scrape(third).total("hyperkms_workers") == 1


def test_the_page_needs_a_client_that_is_allowed_metrics(service: Service) -> None:
    assert service.get("/metrics", headers={}).status == 401
    others = ("trade", "sign-bytes", "read", "generate", "rotate", "retire")
    refused = service.get("/metrics", headers=_allowed(service, "all-but-metrics", *others))
    assert (refused.status, refused.json["code"]) == (403, "scope-missing")
    key = _allowed(service, "prometheus", "metrics")
    assert service.get("/metrics", headers=key).status == 200
    assert service.get("/metrics", headers={"Authorization": f"Bearer {key['X-API-Key']}"}).status == 200
    assert service.get("/wallets", headers=key).status == 403


def test_the_metrics_port_needs_no_key_and_has_that_page_alone(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", "--metrics-port", "0") as service:
        service.generate("bytes")
        _sign(service, 3)
        url = json.loads(next(line for line in service.lines if '"listening"' in line))["metrics"]
        assert url.startswith("http://127.0.0.1:")
        alone = replace(service, url=url.removesuffix("/metrics"), key="")
        assert _signatures(parse(alone.get("/metrics", headers={}))) == 3
        for path in ("/", "/metrics/", "/wallets", "/health"):
            assert alone.get(path, headers={}).status == 404
        assert alone.post("/metrics", {}, headers={}).status == 404
        assert alone.request("HEAD", "/metrics", headers={}).status == 200
        assert service.stop() == 0


def test_a_metrics_port_that_is_taken_stops_the_start(tmp_path: Path, service: Service) -> None:
    port = service.url.rpartition(":")[2]
    with (
        pytest.raises(AssertionError, match="address-unavailable"),
        Service.start(tmp_path / "another", HYPERKMS_METRICS_PORT=port),
    ):
        pass


def test_refusals_failed_authentications_and_limits_are_counted(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_LIMIT_SIGN="2/h") as service:
        service.generate("bytes")
        statuses = [service.post(SIGN, {"walletId": "bytes", "message": "m"}).status for _ in range(5)]
        assert statuses == [200, 200, 429, 429, 429]
        for headers in ({}, {"X-API-Key": "wrong"}):
            assert service.post(SIGN, {}, headers=headers).status == 401
            assert service.get("/wallets", headers=headers).status == 401
        service.get("/wallets/nobody")
        scraped = scrape(service)
    assert scraped.value("hyperkms_refusals_total", code="rate-limited") == 3
    assert scraped.value("hyperkms_limit_refusals_total", limit="sign") == 3
    assert scraped.value("hyperkms_failed_authentications_total") == 4
    assert scraped.value("hyperkms_refusals_total", code="invalid-api-key") == 4
    assert scraped.value("hyperkms_refusals_total", code="wallet-not-found") == 1
    assert scraped.value("hyperkms_requests_total", method="POST", route=SIGN, status="4xx") == 5
    assert scraped.value("hyperkms_requests_total", method="GET", route="/wallets/{wallet_id}", status="4xx") == 1


def test_signatures_are_counted_by_kind(service: Service) -> None:
    service.generate("bytes")
    service.generate("bot", keyType="secp256k1")
    answers = [
        service.post(SIGN, {"walletId": "bytes", "message": "m"}),
        service.post(SIGN, {"walletId": "bot", "message": "m"}),
        service.post("/wallets/sign-order", {"walletId": "bytes", "orderPayload": {"a": 1}}),
        service.post("/hyperliquid/sign", NOOP),
        service.post("/hyperliquid/sign", NOOP),
    ]
    assert [answer.status for answer in answers] == [200] * 5
    scraped = scrape(service)
    found = {
        (dict(labels)["key_type"], dict(labels)["operation"]): value
        for (name, labels), value in scraped.samples.items()
        if name == "hyperkms_signatures_total" and value
    }
    assert found == {
        ("ed25519", "sign-message"): 1,
        ("secp256k1", "sign-message"): 1,
        ("ed25519", "sign-order"): 1,
        ("secp256k1", "sign-action"): 2,
    }


def test_wallets_versions_and_clients_are_counted_by_state(service: Service) -> None:
    for wallet in ("a", "b", "c"):
        service.generate(wallet)
    service.post("/wallets/rotate", {"walletId": "a"})
    service.post("/wallets/c/retire", {})
    _allowed(service, "one", "read")
    _allowed(service, "two", "read")
    service.post("/clients/two/revoke", {})
    scraped = scrape(service)
    assert scraped.value("hyperkms_wallets", state="live") == 2
    assert scraped.value("hyperkms_wallets", state="retired") == 1
    assert scraped.total("hyperkms_key_versions") == 4
    assert scraped.value("hyperkms_clients", state="in-force") == 2, "the administrator and one"
    assert scraped.value("hyperkms_clients", state="revoked") == 1


def test_nobody_and_nothing_that_was_sent_is_on_the_page(service: Service) -> None:
    wallet = service.generate(CANARY, keyType="secp256k1", metadata={CANARY: CANARY})
    key = _allowed(service, CANARY, "trade", "sign-text")
    service.post(SIGN, {"walletId": CANARY, "message": CANARY}, headers=key)
    service.post("/hyperliquid/sign", {"walletId": CANARY, "action": {"type": CANARY}}, headers=key)
    service.get(f"/{CANARY}")
    service.get(f"/wallets/{CANARY}/versions?{CANARY}={CANARY}", headers={**key, "User-Agent": CANARY})
    service.get(f"/wallets/{CANARY}x/public-key")
    service.get(f"/problems/{CANARY}")
    service.get("/wallets", headers={"X-API-Key": CANARY})
    _odd_method(service)
    text = service.get("/metrics").body.decode()
    hidden = (CANARY, wallet["publicKey"], wallet["address"], service.key, key["X-API-Key"], str(service.data))
    for word in hidden:
        assert word.removeprefix("0x") not in text
    assert "127.0.0.1" not in text


def _odd_method(service: Service) -> None:
    """A method that HTTP has and no route of ours."""
    port = int(service.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
    connection.request("PROPFIND", f"/{CANARY}", headers={"X-API-Key": service.key})
    assert connection.getresponse().status in (404, 405)
    connection.close()


def test_no_caller_can_make_a_series(service: Service) -> None:
    first_sweep: tuple[str, frozenset[tuple[str, str]]] = ("hyperkms_last_sweep_timestamp_seconds", frozenset())
    until(lambda: first_sweep in scrape(service).samples)  # a series that begins with it, whoever calls
    before = set(scrape(service).samples)
    for number in range(50):
        service.get(f"/path-{number}")
        service.request("DELETE", f"/wallets/w{number}")
        service.request("PUT", SIGN)
    after = scrape(service)
    assert set(after.samples) == before
    assert after.value("hyperkms_requests_total", method="other", route="other", status="4xx") == 150


def test_every_route_that_is_described_is_counted_by_its_template(shared_service: Service) -> None:
    document = shared_service.get("/openapi.json").json
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    words = "give each route its line in src/hyperkms/metrics/routes.py"
    assert described == set(ROUTES), words


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc, which is Linux")
def test_asking_again_and_again_takes_no_memory(service: Service) -> None:
    with line_to(service) as line:
        for _ in range(100):
            line.get("/metrics")
        before = _resident(service)
        for _ in range(100):
            assert line.get("/metrics").status == 200
        assert _resident(service) - before < 2 * 1024 * 1024
    told = scrape(service).value("hyperkms_worker_resident_memory_bytes", worker="0")
    assert abs(told - _resident(service)) < 16 * 1024 * 1024


def _resident(service: Service) -> int:
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
