"""`hyperkms mpc init | fingerprint`: one description of a group, known by its fingerprint."""

import json
from pathlib import Path

from support.commands import refusal, run


def cards(folder: Path, names: tuple[str, ...] = ("one", "two", "three")) -> list[str]:
    made = []
    for at, name in enumerate(names, 1):
        path = folder / f"{name}.json"
        path.write_text(
            json.dumps({"type": "cosigner", "name": name, "identity": f"{at:064x}", "address": f"10.0.0.{at}:4100"})
        )
        made.append(str(path))
    service = folder / "service.json"
    service.write_text(json.dumps({"type": "coordinator", "service": "ab" * 16, "certificate": "MAAB"}))
    return [*made, str(service)]


def test_a_group_is_described_once_and_known_by_its_fingerprint(tmp_path: Path) -> None:
    out = tmp_path / "group.json"
    words = ("mpc", "init", *cards(tmp_path), "--group", "desk", "--out", str(out))
    made = run(*words, "--json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    shown = json.loads(made.stdout)
    assert shown["members"] == ["one", "two", "three"]
    assert shown["coordinators"] == ["ab" * 16]
    again = run("mpc", "fingerprint", str(out), cwd=tmp_path).stdout.decode()
    assert again.splitlines()[0] == shown["fingerprint"]
    assert "2 of 3 cosigners sign together" in again
    assert "group-exists" in refusal(*words, cwd=tmp_path)

    described = json.loads(out.read_bytes())
    described["members"][0]["address"] = "10.0.0.9:4100"
    out.write_text(json.dumps(described))
    changed = run("mpc", "fingerprint", str(out), cwd=tmp_path).stdout.decode()
    assert changed.splitlines()[0] != shown["fingerprint"]


def test_what_is_no_card_or_no_group_is_refused_in_words(tmp_path: Path) -> None:
    made = cards(tmp_path)
    out = str(tmp_path / "group.json")
    for given, words in (
        ([*made[:2], made[0]], "same name"),
        (made[:1], "2 of 1"),
        ([*made[:3], str(tmp_path / "none.json")], "none.json"),
    ):
        assert words in refusal("mpc", "init", *given, "--group", "desk", "--out", out, cwd=tmp_path)
    Path(made[0]).write_text("{}")
    assert "malformed-group" in refusal("mpc", "init", *made, "--group", "desk", "--out", out, cwd=tmp_path)
    assert not Path(out).exists()
