"""Proofs of every line of a record that the second implementation wrote, and of nothing else."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hyperkms.audit.head_lines import BLOCK
from hyperkms.audit.reading.findings import Findings
from hyperkms.audit.reading.heads import newest_head
from hyperkms.audit.reading.manifest import read_manifest
from hyperkms.audit.reading.proof import (
    Proof,
    chained_files,
    check_proof,
    parse_proof,
    parse_receipt,
    prove,
    prove_receipt,
)
from hyperkms.audit.reading.signed import Keys
from hyperkms.errors import Conflict, HyperkmsError, Malformed, NotFound, Tampered
from support.chained_record import SIGNATURE, Log, LogKey, Record, compact, leaf


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    record = Record(tmp_path_factory.mktemp("proofs") / "records")
    record.adopt()
    made = record.log()
    made.sign(3)
    made.head()
    made.sign(3)
    made.next_segment()
    made.refuse()
    made.head()
    made.sign(2)
    return made


def keys_of(log: Log) -> Keys:
    return read_manifest(log.record.folder, Findings(), None, None).keys


def proof_of(log: Log, index: int) -> Proof:
    return prove(log.record.folder, log.id, index, keys_of(log))


def check(proof: Proof) -> None:
    check_proof(proof, public_key=None, key_id=None)


def test_every_line_that_a_head_covers_is_proved(log: Log) -> None:
    covered = 9
    for index in range(covered):
        proof = proof_of(log, index)
        assert (proof.line.encode(), proof.tree_size) == (log.lines[index], covered)
        key = log.record.key
        check_proof(proof, public_key=key.public_key, key_id=key.id)
        assert parse_proof(msgspec.json.encode(proof)) == proof


def test_a_line_that_no_head_covers_yet_is_not_proved(log: Log) -> None:
    for index in (9, 10, 11):
        with pytest.raises(Conflict, match="proof-not-yet"):
            proof_of(log, index)
    with pytest.raises(NotFound, match="the log has 12 lines"):
        proof_of(log, 12)


def test_a_log_that_is_not_there_or_has_no_chain_proves_nothing(log: Log) -> None:
    [old] = log.record.folder.glob("20250101*")
    for name, words in (("f" * 32, "no file of it"), (old.name[17:49], "the release before")):
        with pytest.raises(NotFound, match=words):
            prove(log.record.folder, name, 0, keys_of(log))


def test_the_proof_of_another_key_is_not_the_expected_one(log: Log) -> None:
    other, proof = LogKey("of another"), proof_of(log, 4)
    for expected in ({"public_key": other.public_key, "key_id": None}, {"public_key": None, "key_id": other.id}):
        with pytest.raises(Tampered, match="key-unknown"):
            check_proof(proof, **expected)
    with pytest.raises(Tampered, match="key-unknown"):
        prove(log.record.folder, log.id, 4, Keys([other.public_key]))


def changed_in_one_character(value: Any) -> Iterator[Any]:
    """Each text with each of its characters changed, each number one higher, each list without its last member."""
    if isinstance(value, dict):
        for name, member in value.items():
            for changed in changed_in_one_character(member):
                yield {**value, name: changed}
    elif isinstance(value, list):
        yield value[:-1]
        yield [*value, value[-1]]
        for place, member in enumerate(value):
            for changed in changed_in_one_character(member):
                yield [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, str):
        for place, one in enumerate(value):
            yield value[:place] + ("1" if one != "1" else "2") + value[place + 1 :]
    else:
        yield value + 1


@pytest.mark.parametrize("index", [0, 5, 8])
def test_whatever_is_changed_in_a_proof_it_holds_no_more(log: Log, index: int) -> None:
    whole = msgspec.to_builtins(proof_of(log, index))
    tried = 0
    for changed in changed_in_one_character(copy.deepcopy(whole)):
        tried += 1
        with pytest.raises(HyperkmsError) as refused:
            check(parse_proof(msgspec.json.encode(changed)))
        assert refused.value.code in {"proof-wrong", "proof-malformed", "signature-wrong", "key-unknown"}
    assert tried > 700


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"x", b'{"v":2}', b"\xff"])
def test_what_is_no_proof_and_no_receipt_is_refused(text: bytes) -> None:
    for read in (parse_proof, parse_receipt):
        with pytest.raises(Malformed, match="proof-malformed"):
            read(text)


def receipt_of(log: Log, index: int, head: Any) -> dict[str, Any]:
    return {
        "log": log.id,
        "index": index,
        "requestId": "0" * 16,
        "keyVersion": 1,
        "digest": "0x" + "00" * 32,
        "leafHash": "0x" + leaf(log.lines[index]).hex(),
        "durability": "fsync",
        "head": head,
    }


def test_a_receipt_is_proved_if_its_line_and_its_head_are_those_of_the_log(tmp_path: Path) -> None:
    record = Record(tmp_path / "records")
    log = record.log()
    log.sign(4)
    before = log.head()
    log.sign(3)
    log.close()
    keys = keys_of(log)

    def prove_text(receipt: object) -> Proof:
        return prove_receipt(record.folder, parse_receipt(compact(receipt)), keys)

    for head in (None, before):
        receipt = receipt_of(log, 6, head)
        assert prove_text(receipt) == prove_text({"success": True, "receipt": receipt})
        with pytest.raises(Tampered, match="not the one that the receipt was given for"):
            prove_text({**receipt, "leafHash": "0x" + "1" * 64})
        with pytest.raises(Tampered, match="not the one that the receipt was given for"):
            prove_text({**receipt, "index": 3})
    forged = {**before, "root": "1" * 64}
    with pytest.raises(Tampered, match="signature-wrong"):
        prove_text(receipt_of(log, 6, forged))
    root = bytes(32)
    signature = record.key.sign_head(log.id, 5, root, 1)
    two_faced = {"time": 1, "size": 5, "root": root.hex(), "keyId": record.key.id, "signature": signature}
    with pytest.raises(Tampered, match="are not those of the receipt's head"):
        prove_text(receipt_of(log, 6, two_faced))


def test_a_log_that_was_changed_proves_no_line_any_more(tmp_path: Path) -> None:
    record = Record(tmp_path / "records")
    log = record.log()
    log.sign(6)
    log.close()
    [file] = log.files
    file.write_bytes(file.read_bytes().replace(b"60000", b"60001", 1))
    for index in range(7):
        with pytest.raises(Tampered, match="proof-wrong"):
            prove(record.folder, log.id, index, keys_of(log))
    file.write_bytes(b"".join(line + b"\n" for line in (*log.lines[:2], log.lines[-1])))
    with pytest.raises(HyperkmsError, match="its files have fewer"):
        prove(record.folder, log.id, 5, keys_of(log))


@pytest.mark.parametrize("padding", [0, 1, 2, 100, BLOCK - 500, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_the_newest_head_is_found_however_far_from_the_end_it_stands(tmp_path: Path, padding: int) -> None:
    record = Record(tmp_path / "records")
    log = record.log()
    log.sign()
    head = log.head()
    log.write(SIGNATURE, {"time": 1, "x": '{"v":17,"log":"' + "y" * padding})
    log.next_segment()
    found = newest_head(log.id, chained_files(record.folder, log.id))
    assert found is not None
    assert msgspec.to_builtins(found) == head
    with log.files[-1].open("ab") as file:
        file.write(b'{"v":17,"log":"%b","index":4' % log.id.encode())
    assert newest_head(log.id, chained_files(record.folder, log.id)) == found
