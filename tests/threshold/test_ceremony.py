"""A production group from its first directory to the replacement of a lost host, over TLS 1.3, by its commands."""

import datetime as dt
import json
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hyperkms.threshold.wire import Held, Prepare, ShareName, Shares
from support.ceremony import PRODUCTION, Ceremony, Owner, client_with, described, told
from support.certificates import self_signed
from support.commands import refusal, run
from support.cosigners import Process, Refusal
from support.databases import rows
from support.mpc import check_message
from support.service import Service
from support.signed import Signer, ask
from support.until import until

KEY_TYPES = ("ed25519", "secp256k1")


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceremony]:
    with Ceremony.held(tmp_path_factory.mktemp("desk")) as held:
        yield held


def generate(service: Service, owner: Owner, wallet: str, **members: Any) -> Any:
    with owner.client(service) as client:
        return client.post("/mpc/wallets/generate", {"walletId": wallet, **members})["wallet"]


def sign(service: Service, bot: Signer, wallet: str, message: str) -> Any:
    answer = ask(service, bot, "POST", "/mpc/wallets/sign", {"walletId": wallet, "message": message})
    assert answer.status == 200, answer.body
    check_message(answer.json, message)
    return answer.json


def mpc(service: Service, owner: Owner, *words: str) -> tuple[int, Any]:
    """A command at the service as its administrator: exit status, and what it prints as JSON."""
    done = run("mpc", *words, "--url", service.url, "--json", cwd=service.data.parent, **owner.settings())
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


# ---- joining ------------------------------------------------------------------------------------


def test_a_card_has_what_a_group_needs_and_is_the_same_again(ceremony: Ceremony) -> None:
    first = json.loads((ceremony.folder / "alpha.json").read_text())
    port = ceremony.ports["alpha"]
    words = ("mpc", "card", "--data", "alpha", "--name", "alpha", "--address", f"127.0.0.1:{port}")
    assert json.loads(told(*words, cwd=ceremony.folder)) == first
    assert first.keys() == {"type", "name", "identity", "address", "certificate"}
    assert stat.S_IMODE((ceremony.folder / "alpha" / "tls.key").stat().st_mode) == 0o600
    ours = json.loads((ceremony.folder / "service.json").read_text())
    assert ours.keys() == {"type", "service", "certificate"}


def test_a_cosigner_in_production_serves_only_the_group_that_its_operator_joined(
    ceremony: Ceremony, tmp_path: Path
) -> None:
    process = Process(tmp_path / "late", PRODUCTION)
    process.init()
    group = ("--group", str(ceremony.group))
    said = refusal("cosigner", "serve", "--data", "late", *group, cwd=tmp_path, **PRODUCTION)
    assert "[group-not-found]" in said
    assert "hyperkms mpc join" in said


def test_who_is_no_member_does_not_join(ceremony: Ceremony, tmp_path: Path) -> None:
    Process(tmp_path / "late", PRODUCTION).init()
    words = ("--group", str(ceremony.group), "--fingerprint", ceremony.fingerprint)
    assert "[not-a-member]" in refusal("mpc", "join", "--data", "late", *words, cwd=tmp_path, **PRODUCTION)


def test_nothing_is_joined_whose_fingerprint_is_not_the_one_that_was_typed(ceremony: Ceremony, tmp_path: Path) -> None:
    wrong = ceremony.fingerprint.replace(ceremony.fingerprint[-1], "0" if ceremony.fingerprint[-1] != "0" else "1")
    words = ("--group", str(ceremony.group), "--fingerprint")
    for typed in (wrong, ceremony.fingerprint[:-5], ""):
        said = refusal("mpc", "join", "--data", "alpha", *words, typed, cwd=ceremony.folder, **PRODUCTION)
        assert "[wrong-fingerprint]" in said
        assert ceremony.fingerprint not in said, "it is not there to be copied"
    changed = tmp_path / "changed.json"
    changed.write_bytes(ceremony.group.read_bytes().replace(b'"threshold": 2', b'"threshold": 3'))
    other = ("--group", str(changed), "--fingerprint", ceremony.fingerprint)
    assert "[wrong-fingerprint]" in refusal("mpc", "join", "--data", "alpha", *other, cwd=ceremony.folder, **PRODUCTION)


def test_a_cosigner_that_runs_is_not_given_another_group(ceremony: Ceremony) -> None:
    words = ("--group", str(ceremony.group), "--fingerprint", "".join(ceremony.fingerprint.split()).upper())
    assert "[cosigner-running]" in refusal("mpc", "join", "--data", "alpha", *words, cwd=ceremony.folder, **PRODUCTION)


def test_another_certificate_than_the_described_one_does_not_join(ceremony: Ceremony, tmp_path: Path) -> None:
    late = Process(tmp_path / "late", PRODUCTION)
    late.init()
    cards = []
    for port in (1, 2):
        words = ("mpc", "card", "--data", "late", "--name", "late", "--address", f"127.0.0.1:{port}")
        cards.append(tmp_path / f"{port}.json")
        cards[-1].write_text(told(*words, cwd=tmp_path))
        (late.data / "tls.key").rename(tmp_path / f"{port}.key")
        (late.data / "tls.crt").rename(tmp_path / f"{port}.crt")
    (tmp_path / "1.key").rename(late.data / "tls.key")
    (tmp_path / "1.crt").rename(late.data / "tls.crt")
    group, fingerprint = described(tmp_path / "g.json", [cards[1], ceremony.folder / "alpha.json"])
    said = refusal(
        "mpc", "join", "--data", "late", "--group", str(group), "--fingerprint", fingerprint, cwd=tmp_path, **PRODUCTION
    )
    assert "[certificate-unknown]" in said


# ---- strangers ----------------------------------------------------------------------------------


def strangers(ceremony: Ceremony, folder: Path) -> dict[str, ssl.SSLContext]:
    """Who may not come in, and with what they try."""
    pair = self_signed(folder)
    unknown = client_with(None)
    unknown.load_cert_chain(pair.certificate, pair.key)
    old = client_with(ceremony.folder / "service")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    return {
        "without a certificate": client_with(None),
        "with one of its own": unknown,
        "with TLS 1.2": old,
        "with another cosigner's": client_with(ceremony.folder / "beta"),
        "with one that the service's key has signed": issued(ceremony.folder / "service", folder),
    }


def issued(folder: Path, out: Path) -> ssl.SSLContext:
    """A certificate that chains to the one that is accepted."""
    issuer = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
    signer = serialization.load_pem_private_key((folder / "tls.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "guest")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)  # type: ignore[arg-type]  # it is of the kind above
        .sign(signer, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (out / "tls.crt").write_bytes(made.public_bytes(encoding))
    (out / "tls.key").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return client_with(out)


def test_a_stranger_is_gone_before_a_frame_is_read_and_is_in_the_log(ceremony: Ceremony, tmp_path: Path) -> None:
    process = ceremony.processes["alpha"]
    for who, context in strangers(ceremony, tmp_path).items():
        before = len(process.log_codes())
        heard = b"?"
        try:
            with ceremony.connect("alpha", context) as line:
                heard = line.recv(1)
        except OSError:
            heard = b""
        assert heard == b"", who
        assert next_code(process, before) in {"certificate-unknown", "handshake-failed"}, who
    with socket.create_connection(("127.0.0.1", ceremony.ports["alpha"]), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        until(lambda: process.log_codes()[-1] == "handshake-failed")
    with closing(ceremony.coordinator("alpha")) as known:
        assert known.ask(Shares()) == Held(shares=[]), "who is known comes in as before"


def next_code(process: Process, before: int) -> str:
    """Of the next line of the log that says what was refused."""
    until(lambda: len(process.log_codes()) > before)
    return process.log_codes()[-1]


def test_listen_overrides_where_it_binds(ceremony: Ceremony) -> None:
    process = ceremony.processes["gamma"]
    process.stop()
    process.start("--listen", "127.0.0.1:0")
    address = process.lines[-1]["address"]
    assert address != f"127.0.0.1:{ceremony.ports['gamma']}"
    process.stop()
    process.start()
    assert process.lines[-1]["address"] == f"127.0.0.1:{ceremony.ports['gamma']}"


# ---- signing, and a lost host -------------------------------------------------------------------


def test_a_group_signs_and_a_lost_cosigner_is_replaced_and_what_it_held_is_worthless(ceremony: Ceremony) -> None:
    with ceremony.service() as service:
        bot, owner = ceremony.bot(service), ceremony.owner(service)
        alone = service.post("/mpc/wallets/generate", {"walletId": "ed25519"})
        assert (alone.status, alone.json["code"]) == (403, "evidence-required"), "the service makes no key by itself"
        made = {key_type: generate(service, owner, key_type, keyType=key_type) for key_type in KEY_TYPES}
        for key_type in KEY_TYPES:
            sign(service, bot, key_type, "before")
        bearer = service.post("/mpc/wallets/sign", {"walletId": "ed25519", "message": "m"})
        assert (bearer.status, bearer.json["code"]) == (403, "evidence-required")
        status, seen = mpc(service, owner, "status")
        assert status == 0
        assert seen["deployment"] == "separate"
        assert [one["wallets"] for one in seen["conditions"]] == [2, 2, 2]
        assert seen["fingerprint"] == ceremony.fingerprint
        status, refreshed = mpc(service, owner, "refresh", "ed25519")
        assert (status, refreshed["epoch"]) == (0, 1)
        sign(service, bot, "ed25519", "after a refresh")

        stolen = ceremony.lose("gamma")
        for key_type in KEY_TYPES:
            sign(service, bot, key_type, "one is gone")
        status, seen = mpc(service, owner, "status")
        assert (status, seen["quorumLeft"]) == (0, 0)
        assert "error" in seen["conditions"][2]

    group, fingerprint = ceremony.successor("gamma")
    follow(ceremony, group, fingerprint)
    ceremony.know("gamma", bot)
    ceremony.know_owner("gamma", owner)
    with ceremony.service() as service:
        assert sorted(sign(service, bot, "ed25519", "meanwhile")["receipt"]["cosigned"]["signers"]) == [1, 2]
        status, done = mpc(service, owner, "replace")
        assert status == 0, done
        assert {one["walletId"]: one["versions"] for one in done["wallets"]} == {
            "ed25519": [{"version": 1, "epoch": 2, "repaired": ["gamma"]}],
            "secp256k1": [{"version": 1, "epoch": 1, "repaired": ["gamma"]}],
        }
        status, again = mpc(service, owner, "replace")
        assert (status, [one["outcome"] for one in again["wallets"]]) == (0, ["nothing-due", "nothing-due"])
        assert mpc(service, owner, "refresh", "secp256k1")[1]["epoch"] == 2
        for other in ("alpha", "beta"):
            ceremony.processes[other].stop()
            until(lambda: len(alive(service)) == 2)
            for key_type in KEY_TYPES:
                signed = sign(service, bot, key_type, f"without {other}")
                assert 3 in signed["receipt"]["cosigned"]["signers"]
                assert signed["publicKey"] == made[key_type]["publicKey"]
                assert signed.get("address") == made[key_type].get("address")
            ceremony.processes[other].start()
            until(lambda: len(alive(service)) == 3)
        held_is_worthless(ceremony, stolen)
        exported_is_what_is_sealed(ceremony)
    records_tell_of_it(ceremony)


def follow(ceremony: Ceremony, group: Path, fingerprint: str) -> None:
    """Every host follows the new description: the new one joins, the others say that it is a replacement."""
    for name in ("alpha", "beta"):
        process = ceremony.processes[name]
        process.stop()
        words = ("mpc", "join", "--data", name, "--group", str(group), "--fingerprint", fingerprint)
        assert "[wrong-group]" in refusal(*words, cwd=ceremony.folder, **PRODUCTION)
        noted, kept = process.data / "group.next.json", (process.data / "group.json").read_bytes()
        noted.write_bytes(group.read_bytes())  # as after a crash before the shares were bound
        said = refusal("cosigner", "serve", "--data", name, cwd=ceremony.folder, **PRODUCTION)
        assert "[replacement-unfinished]" in said
        joined = process.join(group, fingerprint, "--replace")
        assert (joined["changed"], joined["replaced"], joined["sharesBound"]) == (True, 3, 2)
        noted.write_bytes(group.read_bytes())  # as after one that came when they were
        (process.data / "group.json").write_bytes(kept)
        assert process.join(group, fingerprint, "--replace")["sharesBound"] == 0
        assert not noted.exists()
        assert process.join(group, fingerprint, "--replace")["changed"] is False
        process.start()
    ceremony.processes["gamma"].join(group, fingerprint)
    ceremony.processes["gamma"].start()
    ceremony.group, ceremony.fingerprint = group, fingerprint


def alive(service: Service) -> list[int]:
    return [one["index"] for one in service.get("/mpc/status", headers={}).json["cosigners"] if one["alive"]]


def held_is_worthless(ceremony: Ceremony, stolen: Path) -> None:
    """Whoever has the lost directory and the service's certificate as well finds nobody to sign with."""
    for key_type, epoch in (("ed25519", 1), ("secp256k1", 0)):
        thief = sealed(stolen, key_type)
        assert thief[-1][0] == epoch
        assert thief[-1][1] is not None, "the thief has the share of an epoch that signed"
        name = ShareName(wallet=key_type, version=1, epoch=epoch)
        for index, each in ((1, "alpha"), (2, "beta"), (3, "gamma")):
            kept = dict(sealed(ceremony.folder / each, key_type))
            assert kept.pop(epoch, None) is None, "nobody else has its epoch any more"
            with closing(ceremony.coordinator(each)) as line:
                with pytest.raises(Refusal) as refused:
                    line.ask(Prepare(share=name, signers=sorted({index, index % 3 + 1}), count=1))
                assert refused.value.code in {"share-retired", "share-not-found"}
                found: Held = line.ask(Shares(wallet=key_type))
            assert [one.name.epoch for one in found.shares if one.state == "in-force"] == [2]


def sealed(data: Path, wallet: str) -> list[tuple[int, bytes | None]]:
    """Epochs and sealed shares of a wallet in a directory."""
    return rows(data, "SELECT epoch, sealed FROM shares WHERE wallet = ? AND version = 1 ORDER BY epoch", wallet)


def records_tell_of_it(ceremony: Ceremony) -> None:
    said = told("audit", "show", "--data", "alpha", cwd=ceremony.folder)
    assert "join-group desk" in said
    assert f"replace-cosigner desk ({ceremony.fingerprint}), cosigner 3 replaced" in said
    assert "rebind-share: 1 in-force" in said
    ours = told("audit", "show", "--data", "service", "--wallet", "ed25519", cwd=ceremony.folder)
    assert "replace-cosigner: 1 active (shares made for gamma; group desk" in ours
    told("audit", "verify", "--data", "alpha", cwd=ceremony.folder)


def exported_is_what_is_sealed(ceremony: Ceremony) -> None:
    """Byte for byte, in a file that its owner reads alone, and the export is in the record."""
    words = ("mpc", "export-share", "ed25519", "--data", "alpha", "--out", "share.sealed")
    said = json.loads(told(*words, "--json", cwd=ceremony.folder))
    out = ceremony.folder / "share.sealed"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_bytes() == dict(sealed(ceremony.folder / "alpha", "ed25519"))[said["epoch"]]
    assert "export-share: 1 in-force" in told("audit", "show", "--data", "alpha", cwd=ceremony.folder)
    assert "[file-exists]" in refusal(*words, cwd=ceremony.folder, **PRODUCTION)
    nobody = ("mpc", "export-share", "nobody", "--data", "alpha", "--out", "none")
    assert "[share-not-found]" in refusal(*nobody, cwd=ceremony.folder, **PRODUCTION)
