"""`hyperkms status`: alive, ready, and what there is."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import custody
from support.commands import run
from support.places import PLACES, Place
from support.service import Service


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("served") / "data") as running:
        running.generate("one", keyType="secp256k1")
        running.generate("two", keyType="secp256k1")
        running.post("/wallets/rotate", {"walletId": "one"})
        running.post("/wallets/rotate", {"walletId": "two", "activate": True})
        yield running


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, served: Service) -> Place:
    return Place(served, request.param)


def test_it_says_what_there_is(place: Place) -> None:
    found = place.json("status")
    assert (found["alive"], found["ready"], found["notReady"], found["mode"]) == (True, True, None, "development")
    assert (found["wallets"], found["clients"]) == ({"live": 2, "retired": 0}, {"active": 1, "ended": 0})
    assert [(one["walletId"], one["version"]) for one in found["pending"]["first"]] == [("one", 2)]
    assert [(one["walletId"], one["version"]) for one in found["inGrace"]["first"]] == [("two", 1)]
    assert found["inGrace"]["first"][0]["expiresAt"] > found["lastSweepAt"]
    assert found["records"]["files"] == 1
    text = place.text("status")
    assert "it could sign now" in text
    assert "one version 2" in text


def test_it_says_the_same_in_both_places(served: Service) -> None:
    answers = [Place(served, where).json("status") for where in PLACES]
    for answer in answers:
        del answer["target"], answer["lastSweepAt"], answer["records"]["bytes"]  # a head may come in between
    assert answers[0] == answers[1]


def test_another_client_is_told_no_more_than_anybody(served: Service) -> None:
    key = served.post("/clients", {"name": "bot", "allow": ["trade"]}).json["apiKey"]
    found = Place(dataclasses.replace(served, key=key), "url").json("status")
    assert found == {"target": served.url, "alive": True, "ready": True, "notReady": None}


def test_a_service_that_is_away_ends_with_1(tmp_path: Path) -> None:
    at = {"HYPERKMS_URL": f"unix:{tmp_path}/none", "HYPERKMS_API_KEY": "k"}
    done = run("status", "--json", cwd=tmp_path, **at)
    found = json.loads(done.stdout)
    assert (done.returncode, found["alive"], found["ready"]) == (1, False, False)
    assert found["notReady"]["code"] == "service-unreachable"


@custody.needs(custody.FILE, because="it is about the root key file")
def test_a_directory_that_does_not_open_is_not_ready(tmp_path: Path) -> None:
    run("wallet", "generate", "w", "--data", "data", cwd=tmp_path)
    found = json.loads(run("status", "--data", "data", "--json", cwd=tmp_path).stdout)
    assert (found["alive"], found["ready"], found["lastSweepAt"]) == (False, True, None)
    (tmp_path / "data" / "root.key").unlink()
    done = run("status", "--data", "data", cwd=tmp_path)
    assert done.returncode == 1
    assert b"[root-key-missing]" in done.stdout


def test_a_service_that_cannot_write_its_record_says_so(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data") as running:
        for path in (tmp_path / "data" / "records").iterdir():
            path.unlink()
        (tmp_path / "data" / "records").rmdir()
        (tmp_path / "data" / "records").write_text("in the way")
        at = {"HYPERKMS_URL": running.url, "HYPERKMS_API_KEY": running.key}
        done = run("status", "--json", cwd=tmp_path, **at)
        found = json.loads(done.stdout)
        assert (done.returncode, found["alive"], found["ready"]) == (1, True, False)
        assert found["notReady"]["code"] == "record-unwritable"
