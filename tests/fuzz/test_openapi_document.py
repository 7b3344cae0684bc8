"""The OpenAPI document and the service agree: schemathesis makes requests of it, good and bad ones.

No answer is 5xx or takes longer than 2 s; every status, content type and body is as documented; what does not
fit the document is refused and what fits it is not called malformed. HYPERKMS_FUZZ_EXAMPLES=1000 is the long form.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fuzz.schemathesis_hooks import BY_RULES, PREPARED
from hyperkms.problem_table import PROBLEMS
from support.service import Service, command
from support.unlimited import UNLIMITED

LONG = os.environ.get("HYPERKMS_FUZZ_EXAMPLES")
EXAMPLES = int(LONG or "20")
SEED = () if LONG else ("--seed", "20")
"""CI tries the same requests each time."""
ADMINISTRATOR = "administrator-of-the-environment-7c1f"
"""A key that no request can revoke or rotate."""

CONFIG = """
[checks]
positive_data_acceptance.enabled = false
allow_header_conformance.enabled = false

[[operations]]
include-path-regex = "sign-batch$"
checks.negative_data_rejection.enabled = false
"""
"""In a batch each request is refused for itself. Ours say more than the first check; the second does not
know that GET /wallets/rotate shows a wallet of that name."""
TAGS = ("wallets", "hyperliquid", "clients", "policies", "audit", "mpc", "problems", "health")
CLOSED = ("/mpc/wallets/", "/mpc/cosigners", "/mpc/replace")
"""These routes answer 400 in every case."""
UNGUESSED = {("GET", "/audit/proof"), ("POST", "/clients/{name}/grants/{grant_id}/end")}
"""They are asked for a log or a grant by its id, which is random."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without limits, with wallets and clients of the prepared names."""
    data = tmp_path_factory.mktemp("fuzzed") / "data"
    with Service.start(data, LOG_LEVEL="debug", API_KEY=ADMINISTRATOR, **UNLIMITED) as service:
        for name, key_type in PREPARED.items():
            service.generate(name, keyType=key_type)
            assert service.post("/clients", {"name": name, "allow": ["trade"]}).status == 200
        assert service.post("/wallets/rotate", {"walletId": "rotated"}).json["rotation"]["state"] == "pending"
        yield service


@pytest.fixture(scope="module")
def document(prepared: Service) -> Any:
    return prepared.get("/openapi.json").json


def test_every_route_has_a_tag_that_is_tried(document: Any) -> None:
    tagged = {
        tag for operations in document["paths"].values() for route in operations.values() for tag in route["tags"]
    }
    assert tagged == set(TAGS)


@pytest.mark.timeout(120 + 3 * EXAMPLES)
@pytest.mark.parametrize("tag", TAGS)
def test_the_service_answers_as_its_document_says(prepared: Service, document: Any, tag: str, tmp_path: Path) -> None:
    before = len(prepared.lines)
    done = _schemathesis(prepared, tmp_path, "--include-tag", tag)
    assert done.returncode == 0, done.stdout[-20_000:]
    prepared.get("/health")
    asked = [event for event in map(json.loads, prepared.lines[before:]) if event["event"] == "request"]
    assert [event for event in asked if event["status"] >= 500] == []
    answered = {(event["method"], event["route"]) for event in asked if event["status"] == 200}
    expected = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, route in operations.items()
        if tag in route["tags"] and not path.startswith(CLOSED)
    }
    expected -= UNGUESSED
    assert answered >= expected, f"never answered 200: {sorted(expected - answered)}"


def _schemathesis(service: Service, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "schemathesis.toml").write_text(CONFIG)
    program = [str(Path(command()[0]).with_name("schemathesis")), "run", f"{service.url}/openapi.json"]
    options = ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--max-response-time", "2"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "SCHEMATHESIS_HOOKS": "fuzz.schemathesis_hooks",
    }
    header = ["--header", f"X-API-Key: {ADMINISTRATOR}"]
    return subprocess.run(
        [*program, *header, *options, *SEED, "--no-shrink", "--continue-on-failure", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_rule_that_excuses_a_refusal_is_one_that_exists() -> None:
    assert set(PROBLEMS) >= BY_RULES
