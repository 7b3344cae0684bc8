"""No data key that came from AWS KMS is in the memory of the service, raw or in base64, nor what it seals."""

import sys
from pathlib import Path

import pytest

from support.aws import Aws
from support.memory_scan import Scanner, files_below, secrets_of_keys
from support.sealed_key_reader import Opened, Secret, open_with, read_sealed_key, sealed_keys_of
from support.service import Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc, which is Linux")

SIGNATURES = 100


@pytest.mark.parametrize("lease", ["strict", "300"])
def test_no_key_of_aws_is_in_memory_in_answers_or_in_files(emulated_aws: Aws, tmp_path: Path, lease: str) -> None:
    """Strict has a data key come in for every signature; the emulator itself says what each one is."""
    settings = emulated_aws.settings(
        SECRETS_PREFIX=f"{tmp_path.name}/", HYPERKMS_KEY_LEASE=lease, HYPERKMS_MEMORY_LOCK="mlock", LOG_LEVEL="debug"
    )
    with Service.start(tmp_path / "data", **settings) as service:
        service.generate("e", keyType="ed25519")
        service.generate("k", keyType="secp256k1")
        said = []
        for number in range(SIGNATURES):
            wallet = "ek"[number % 2]
            answer = service.post("/wallets/sign", {"walletId": wallet, "message": "hello"})
            assert answer.status == 200, answer.body
            said.append((f"answer {number}", answer.body))
        keys = {wallet: _opened(emulated_aws, tmp_path.name, wallet) for wallet in "ek"}
        keys["log key"] = _open(emulated_aws, sealed_keys_of(tmp_path / "data")["log key"])
        named = secrets_of_keys(keys)
        assert len(named) > 10
        planted = Secret(settings["AWS_SECRET_ACCESS_KEY"].encode())
        memory = Scanner({**named, "planted": planted}).look_into(service.process.pid)
    assert [hit for hit in memory.hits if hit.name != "planted"] == []
    assert [hit for hit in memory.hits if hit.name == "planted"], "the control: AWS credentials are ordinary memory"
    assert memory.unreadable == []
    said.append(("the log", "".join(service.lines).encode()))
    assert Scanner(named).look_at_all([*said, *files_below(tmp_path / "data")]) == []


def _opened(aws: Aws, folder: str, wallet: str) -> Opened:
    secret = aws.client("secretsmanager").get_secret_value(SecretId=f"{folder}/hyperkms/{wallet}/v1")
    return _open(aws, secret["SecretBinary"])


def _open(aws: Aws, content: bytes) -> Opened:
    sealed = read_sealed_key(content)
    context = {
        "hyperkms:purpose": sealed.purpose.replace(" ", "-"),
        "hyperkms:wallet": sealed.wallet,
        "hyperkms:version": str(sealed.version),
        "hyperkms:key-type": sealed.key_type,
        "hyperkms:network": sealed.network,
        "hyperkms:origin": sealed.origin,
    }
    kms = aws.client("kms")
    return open_with(sealed, Secret(kms.decrypt(CiphertextBlob=sealed.wrapped, EncryptionContext=context)["Plaintext"]))
