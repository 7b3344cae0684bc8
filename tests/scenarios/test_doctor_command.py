"""`hyperkms doctor`: each finding says what is so and what to do."""

import datetime as dt
import json
import os
import resource
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from hyperkms.access.limits import DEFAULTS
from hyperkms.state.vm_generation import has_driver
from hyperkms.threshold.group import Group, Member
from support import custody, databases
from support.commands import run
from support.mpc import service_in_shares, wait_for_all
from support.service import START_S, command, environment


def _found(tmp_path: Path, *flags: str, **settings: str) -> dict[str, list[dict[str, Any]]]:
    done = run("doctor", "--data", "data", "--json", *flags, cwd=tmp_path, **settings)
    findings: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(done.stdout):
        findings.setdefault(finding["what"], []).append(finding)
    assert done.returncode == (1 if any("bad" in str(f["verdict"]) for fs in findings.values() for f in fs) else 0)
    return findings


def test_everything_is_looked_at_and_what_is_bad_has_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    run("wallet", "generate", "w", "--data", "data", cwd=tmp_path)
    findings = _found(tmp_path)
    assert findings.keys() >= {
        *("memory", "core files", "descriptors", databases.kind(), "disk", "space", "clock"),
        *("mode", "settings", "port"),
        *(("root key",) if custody.kind() == custody.FILE else ()),
    }
    for finding in (one for found in findings.values() for one in found):
        assert finding["words"]
        assert finding["do"] or finding["verdict"] != "bad"


@contextmanager
def _exchange_whose_clock_is(seconds: float) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(404)
            now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
            self.send_header("Date", format_datetime(now, usegmt=True))
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, "good"), (4.5, "note"), (-4.5, "note"), (3600, "bad"), (-3600, "bad")]
)
def test_the_clock_is_compared_with_the_exchanges(tmp_path: Path, seconds: float, verdict: str) -> None:
    with _exchange_whose_clock_is(seconds) as url:
        assert _found(tmp_path, HYPERKMS_TESTNET_URL=url)["clock"][0]["verdict"] == verdict


def test_an_exchange_that_does_not_answer_is_a_note(tmp_path: Path) -> None:
    [compared, *_] = _found(tmp_path)["clock"]
    assert compared["verdict"] == "note"
    assert "not compared" in compared["words"]


def test_settings_that_are_none_or_contradict_each_other_are_told(tmp_path: Path) -> None:
    settings = {"HYPERKMS_GRACE_DAY": "3", "HYPERKMS_ROTATE_AFTER_DAYS": "7", "HYPERKMS_URL": "http://127.0.0.1:9"}
    words = [finding["words"] for finding in _found(tmp_path, **settings)["settings"]]
    assert len(words) == 3
    for name in settings:
        assert any(name in line for line in words), name


def test_limits_are_remarked_on_unless_somebody_chose_one(tmp_path: Path) -> None:
    as_they_are = {f"HYPERKMS_LIMIT_{what.name}": text for what, text in DEFAULTS.items()}
    assert _found(tmp_path, **as_they_are)["limits"][0]["verdict"] == "note"
    assert "limits" not in _found(tmp_path, HYPERKMS_LIMIT_SIGN="10/s")


def test_plain_http_to_other_machines_is_bad(tmp_path: Path) -> None:
    [found] = _found(tmp_path, HYPERKMS_HOST="0.0.0.0", PORT="0")["address"]  # noqa: S104 (looked at, not bound for long)
    assert found["verdict"] == "bad"


def test_plain_http_on_a_unix_socket_is_nobody_elses_business(tmp_path: Path) -> None:
    found = _found(tmp_path, HYPERKMS_UDS=str(tmp_path / "s"))
    assert "address" not in found
    assert any("unix" in finding["words"] for finding in found["port"])


def test_a_port_that_another_program_has_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        [found] = _found(tmp_path, PORT=str(taken.getsockname()[1]))["port"]
    assert found["verdict"] == "note"


@pytest.mark.parametrize("flag", ["--port", "--metrics-port"])
def test_the_port_of_a_flag_could_not_be_looked_at_although_serve_takes_it(tmp_path: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = _found(tmp_path, flag, port, PORT="0")["port"]
    assert [finding["verdict"] for finding in found if port in finding["words"]] == ["note"]


def test_doctor_takes_what_serve_takes_of_where_it_listens(tmp_path: Path) -> None:
    assert _found(tmp_path, "--host", "0.0.0.0", "--port", "0")["address"][0]["verdict"] == "bad"  # noqa: S104 (as above)
    behind = _found(tmp_path, "--host", "0.0.0.0", "--port", "0", "--behind-tls-proxy")  # noqa: S104 (as above)
    assert behind["address"][0]["verdict"] == "note"
    assert "address" not in _found(tmp_path, "--uds", str(tmp_path / "s"))


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="no prlimit")
@pytest.mark.parametrize(("most", "verdict"), [(200, "note"), (100, "bad")])
def test_few_descriptors_are_told(tmp_path: Path, most: int, verdict: str) -> None:
    done = subprocess.run(
        ["prlimit", f"--nofile={most}:{most}", *command("doctor", "--data", "data", "--json")],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        timeout=START_S,
        check=False,
    )
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > most
    found = {finding["what"]: finding["verdict"] for finding in json.loads(done.stdout)}
    assert found["descriptors"] == verdict


def test_the_disk_of_the_record_is_looked_at_and_too_little_room_is_bad(tmp_path: Path) -> None:
    records, anchor = tmp_path / "data" / "records", tmp_path / "other" / "anchor"
    for folder in (records, anchor.parent):
        folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "none", str(records)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only a superuser who may mount has a small disk")
    try:
        found = _found(tmp_path, HYPERKMS_AUDIT_ANCHOR=str(anchor))
        assert [one["verdict"] for one in found["space"] if "data/records" in one["words"]] == ["bad"]
        assert any(str(anchor.parent) in one["words"] for one in found["disk"])
        subprocess.run(["mount", "-o", "remount,ro", str(records)], check=True)
        disks = _found(tmp_path)["disk"]
        assert [one["verdict"] for one in disks if "data/records" in one["words"]] == ["bad"]
    finally:
        subprocess.run(["umount", "--lazy", str(records)], check=True)


def test_cosigners_are_looked_at_while_the_service_runs_and_after_it(tmp_path: Path) -> None:
    assert {"cosigners", "vm generation"}.isdisjoint(_found(tmp_path))
    [_, _, unmade] = _found(tmp_path, MPC_ENABLED="true")["cosigners"]
    assert "none were made yet" in unmade["words"]
    with service_in_shares(tmp_path) as service:
        wait_for_all(service)
        findings = _found(tmp_path, MPC_ENABLED="true")
        assert "protects against one process, not against this machine" in findings["cosigners"][0]["words"]
        assert "nobody has published an audit" in findings["cosigners"][1]["words"]
        assert [one["verdict"] for one in findings["cosigner"]] == ["good"] * 3
        assert findings["quorum"][0]["words"] == "2 of 3 sign, and 3 can be reached"
        known = "knows the machine's generation" if has_driver() else "no driver vmgenid has found a generation id"
        assert known in findings["vm generation"][0]["words"]
    [_, _, away] = _found(tmp_path, MPC_ENABLED="true")["cosigners"]
    assert "they run while the service runs" in away["words"]


@pytest.mark.parametrize(
    ("gone", "verdict", "words"),
    [(1, "note", "no key is made, rotated or refreshed"), (2, "bad", "nothing is signed in shares")],
)
def test_a_quorum_that_cannot_be_reached_is_bad(tmp_path: Path, gone: int, verdict: str, words: str) -> None:
    listening = [tmp_path / f"{index}.sock" for index in range(1, 4)]
    group = Group(
        name="desk",
        threshold=2,
        members=tuple(
            Member(
                index=index, name=f"c-{index}", identity=bytes([index]) * 32, address=f"unix:{path}", certificate=None
            )
            for index, path in enumerate(listening, 1)
        ),
        coordinators=("c0" * 16,),
    )
    (tmp_path / "group.json").write_bytes(group.describe())
    with ExitStack() as ends:
        for path in listening[gone:]:
            listener = ends.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen()
        findings = _found(tmp_path, MPC_ENABLED="true", HYPERKMS_MPC_GROUP=str(tmp_path / "group.json"))
    assert sum(one["verdict"] == "note" for one in findings["cosigner"]) == gone
    [quorum] = findings["quorum"]
    assert quorum["verdict"] == verdict
    assert words in quorum["words"]
