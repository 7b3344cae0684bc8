"""The record of a real service, from its signatures to the proof of one of them, by the commands of an auditor."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.commands import run
from support.service import Service

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hyperkms.audit.manifest") is None, reason="this release writes no chained record"
)


def audit(*words: str, cwd: Path, **settings: str) -> Any:
    done = run("audit", *words, cwd=cwd, **settings)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def sign(service: Service, count: int) -> list[Any]:
    body = {"walletId": "w", "action": {"type": "noop"}}
    answers = [service.post("/hyperliquid/sign", body) for _ in range(count)]
    assert {answer.status for answer in answers} == {200}
    return [answer.json for answer in answers]


def test_a_day_of_a_service_is_verified_proved_and_no_longer_after_an_edit(tmp_path: Path) -> None:
    data, anchor = tmp_path / "data", tmp_path / "anchor.jsonl"
    with Service.start(data, HYPERKMS_AUDIT_ANCHOR=str(anchor)) as service:
        service.generate("w", keyType="secp256k1")
        answers = sign(service, 20)
        while_running = audit("verify", "--data", str(data), "--json", cwd=tmp_path)
        assert (while_running["ok"], while_running["findings"]) == (True, [])
        at = {"HYPERKMS_URL": service.url, "HYPERKMS_API_KEY": service.key}
        shown = audit("show", "--operation", "sign-action", "--json", cwd=tmp_path, **at)
        assert shown["count"] == 20
    receipt = answers[7]["receipt"]
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    copied = Path(shutil.copytree(data / "records", tmp_path / "copy"))
    report = audit("verify", "--records", str(copied), "--anchor", str(anchor), "--json", cwd=tmp_path)
    assert report["ok"] is True
    assert report["heads"] > 0
    assert all(one["closed"] for one in report["read"])
    [key_id] = report["keyIds"]

    proof = audit("prove", "--receipt", "receipt.json", "--records", str(copied), cwd=tmp_path)
    assert json.loads(proof["line"])["record"]["digest"] == receipt["digest"]
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    held = audit("verify", "--proof", "proof.json", "--key-id", key_id, "--json", cwd=tmp_path)
    assert (held["holds"], held["index"]) == (True, receipt["index"])

    [file] = copied.glob(f"*-{receipt['log']}-0001.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    lines[receipt["index"]] = lines[receipt["index"]].replace(b'"noop"', b'"nope"')
    file.write_bytes(b"".join(lines))
    done = run("audit", "verify", "--records", str(copied), "--json", cwd=tmp_path)
    [finding] = json.loads(done.stdout)["findings"]
    assert done.returncode == 1
    assert (finding["code"], finding["index"]) == ("line-changed", receipt["index"])
    assert run("audit", "prove", "--receipt", "receipt.json", "--records", str(copied), cwd=tmp_path).returncode == 1


def test_a_killed_service_leaves_a_record_that_the_next_one_closes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service.start(data) as service:
        service.generate("w", keyType="secp256k1")
        answers = sign(service, 5)
        service.kill()
    report = audit("verify", "--data", str(data), "--json", cwd=tmp_path)
    assert report["ok"] is True
    with Service.start(data) as service:
        sign(service, 1)
    report = audit("verify", "--data", str(data), "--json", cwd=tmp_path)
    assert report["ok"] is True
    assert all(one["closed"] for one in report["read"])
    log = answers[0]["receipt"]["log"]
    for file in (data / "records").glob(f"*-{log}-*.jsonl"):
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    done = run("audit", "verify", "--data", str(data), "--json", cwd=tmp_path)
    assert {finding["code"] for finding in json.loads(done.stdout)["findings"]} == {"log-truncated"}
