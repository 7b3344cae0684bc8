"""The policies for AWS give what the code calls and no more, and docs/aws.md shows what deploy/aws has."""

import json
import re
import statistics
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session
import hyperkms_cosign as cosign
import pytest

from hyperkms._core import Context
from hyperkms.config import SETTINGS
from hyperkms.custody.aws.kms import encryption_context
from hyperkms.custody.leases import Terms
from hyperkms.metrics.catalogue import AWS_OPERATIONS, NATIVE_OPERATIONS
from hyperkms.threshold.cosigner.aws_root_key import context_of_identity, context_of_share
from support.iam import BREAK_GLASS, ENDPOINT, FOLDER, NAMES, SERVICE, Call, context_keys, is_allowed, listed, policy

PAGE = (Path(__file__).parents[2] / "docs" / "aws.md").read_text()
FILES = sorted(path.name for path in FOLDER.glob("*.json"))
BLOCKS: list[Any] = [json.loads(found) for found in re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)]
CALLED = {f"{service}:{operation}" for service, operation in AWS_OPERATIONS}
OF_KMS = {action for action in CALLED if action.startswith("kms:")}
KEY = f"arn:aws:kms:eu-west-1:123456789012:key/{NAMES['key_id']}"
SEALED = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:desk/hyperkms/w1/v1-AbCdEf"
ADMINISTRATOR = NAMES["admin_role"]
COSIGNER = NAMES["cosigner_role"]
NO_OPERATION = {"iam:PassRole"}
"""Actions that are no call by themselves."""


def _granted(document: Mapping[str, Any], *, to: str | None = None) -> set[str]:
    found = [each for each in document["Statement"] if each["Effect"] == "Allow"]
    if to is not None:
        found = [each for each in found if to in listed(each["Principal"]["AWS"])]
    return {action for each in found for action in listed(each["Action"])}


# ---- the page and the files -----------------------------------------------------------------------------


def test_every_policy_of_the_page_is_a_file_and_every_file_is_on_the_page() -> None:
    files = {name: json.loads((FOLDER / name).read_text()) for name in FILES}
    shown = [block for block in BLOCKS if "Statement" in block]
    assert len(shown) >= 5
    assert all(block in files.values() for block in shown)
    for name, document in files.items():
        assert document in shown or f"(../deploy/aws/{name})" in PAGE, name


def test_every_setting_of_the_page_is_one() -> None:
    names = set(re.findall(r"\b(HYPERKMS_[A-Z_]+[A-Z]|SECRETS_PREFIX|AWS_KMS_KEY_ID|AWS_REGION)\b", PAGE))
    assert names <= {*SETTINGS, "HYPERKMS_LIMIT"}


@pytest.mark.parametrize("name", FILES)
def test_every_action_is_an_operation_of_aws_and_every_statement_has_its_name(name: str) -> None:
    statements = policy(name)["Statement"]
    assert len({each["Sid"] for each in statements}) == len(statements)
    models = botocore.session.get_session()
    for action in {action for each in statements for action in listed(each["Action"])} - NO_OPERATION:
        service, _, operation = action.partition(":")
        known = models.get_service_model(service).operation_names
        assert any(fnmatchcase(each, operation) for each in known), action


@pytest.mark.parametrize("name", ["account-guard.json", "cosigner-account-guard.json"])
def test_what_lies_over_an_account_denies_alone_and_is_short_enough(name: str) -> None:
    document = policy(name)
    assert {each["Effect"] for each in document["Statement"]} == {"Deny"}
    assert len(json.dumps(document, separators=(",", ":"))) <= 5120


def test_containers_get_locked_memory_and_no_core_files() -> None:
    (task,) = [block for block in BLOCKS if "containerDefinitions" in block]
    (container,) = task["containerDefinitions"]
    limits = {each["name"]: each["hardLimit"] for each in container["ulimits"]}
    assert (limits["memlock"], limits["core"]) == (1024 * 1024, 0)
    assert container["readonlyRootFilesystem"]
    assert {each["name"] for each in container["environment"]} <= {*SETTINGS}
    assert not any("KEY_ID" in each["name"] or "SECRET" in each["name"] for each in container["environment"])


# ---- what is given --------------------------------------------------------------------------------------


def test_the_role_may_what_the_code_calls_and_nothing_else() -> None:
    assert _granted(policy("service-role.json")) == CALLED
    assert _granted(policy("root-key-policy.json"), to=SERVICE) == OF_KMS
    assert _granted(policy("endpoint-kms.json")) == OF_KMS
    assert _granted(policy("endpoint-secretsmanager.json")) == CALLED - OF_KMS
    assert _granted(policy("cosigner-role.json")) == OF_KMS
    assert _granted(policy("cosigner-root-key-policy.json"), to=COSIGNER) == OF_KMS
    assert _granted(policy("cosigner-secrets.json")) == CALLED - OF_KMS
    assert _granted(policy("endpoint-cosigner-secrets.json"), to=COSIGNER) == CALLED - OF_KMS


@pytest.mark.parametrize("name", ["root-key-policy.json", "cosigner-root-key-policy.json"])
def test_nobody_but_the_service_or_its_cosigner_may_use_the_key(name: str) -> None:
    document = policy(name)
    for action in _granted(document, to=ADMINISTRATOR) | _granted(document, to=BREAK_GLASS):
        assert (
            not re.search("Decrypt|Encrypt|Generate|Grant|Replicate|Delet", action) or action == "kms:CancelKeyDeletion"
        )


WALLET = Context(wallet="w1", version=2, key_type="secp256k1", network="mainnet", origin="imported")
ED25519 = Context(wallet="w2", version=1, key_type="ed25519", network="none", origin="generated")
ANY_NETWORK = Context(wallet="w3", version=1, key_type="secp256k1", network="any", origin="generated")
OF_WALLET = encryption_context(WALLET)
UNWRAPS = {
    "a wallet's key": (OF_WALLET, True),
    "an Ed25519 wallet's": (encryption_context(ED25519), True),
    "the log key": (encryption_context(Context.of_log_key()), True),
    "a key for any network, which is for development": (encryption_context(ANY_NETWORK), False),
    "no context": ({}, False),
    "another purpose": ({**OF_WALLET, "hyperkms:purpose": "cosigner-identity"}, False),
    "one member more": ({**OF_WALLET, "more": "1"}, False),
    **{f"without {name}": ({key: OF_WALLET[key] for key in OF_WALLET if key != name}, False) for name in OF_WALLET},
}


@pytest.mark.parametrize("case", UNWRAPS)
def test_the_role_unwraps_under_a_context_of_ours_alone(case: str) -> None:
    context, allowed = UNWRAPS[case]
    keys = {**context_keys(context), "aws:SourceVpce": ENDPOINT}
    policies = (policy("service-role.json"), policy("root-key-policy.json"))
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert is_allowed(Call(action, KEY, keys=keys), *policies) is allowed


OTHER = "arn:aws:iam::123456789012:role/other"
GRANTED_ALL: Mapping[str, Any] = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
"""What an administrator of the account has."""


@pytest.mark.parametrize(
    ("action", "resource", "principal", "endpoint", "allowed"),
    [
        ("kms:Decrypt", KEY, SERVICE, ENDPOINT, True),
        ("kms:Decrypt", KEY, SERVICE, "vpce-other", False),
        ("kms:Decrypt", KEY, SERVICE, None, False),
        ("kms:Decrypt", KEY, OTHER, ENDPOINT, False),
        ("kms:Decrypt", KEY, BREAK_GLASS, ENDPOINT, False),
        ("kms:DisableKey", KEY, ADMINISTRATOR, None, True),
        ("kms:PutKeyPolicy", KEY, ADMINISTRATOR, None, False),
        ("kms:PutKeyPolicy", KEY, BREAK_GLASS, None, True),
        ("kms:ScheduleKeyDeletion", KEY, BREAK_GLASS, None, False),
        ("kms:CreateGrant", KEY, SERVICE, ENDPOINT, False),
    ],
)
def test_who_may_what_with_the_root_key(
    action: str, resource: str, principal: str, endpoint: str | None, *, allowed: bool
) -> None:
    keys = {**context_keys(OF_WALLET), **({"aws:SourceVpce": endpoint} if endpoint else {})}
    policies = (GRANTED_ALL, policy("root-key-policy.json"), policy("account-guard.json"))
    assert is_allowed(Call(action, resource, principal, keys), *policies) is allowed


def test_what_an_import_adds_reads_the_first_system_and_opens_nothing_of_this_one() -> None:
    document = policy("first-system-import.json")
    assert _granted(document) == {
        "secretsmanager:ListSecrets",
        "secretsmanager:GetSecretValue",
        "kms:DescribeKey",
        "kms:Decrypt",
    }
    theirs = KEY.replace(NAMES["key_id"], NAMES["first_system_key_id"])
    record = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:desk/bot-v1-AbCdEf"
    assert is_allowed(Call("kms:Decrypt", theirs), document)
    assert is_allowed(Call("secretsmanager:GetSecretValue", record), document)
    for call in (
        Call("kms:Decrypt", theirs, keys=context_keys(OF_WALLET)),
        Call("kms:Decrypt", KEY),
        Call("secretsmanager:GetSecretValue", record.replace("desk/", "web/")),
        *(Call(f"secretsmanager:{verb}Secret", record) for verb in ("Delete", "Update", "Restore", "Tag")),
        Call("secretsmanager:PutSecretValue", record),
    ):
        assert not is_allowed(call, document), call


@pytest.mark.parametrize(
    ("action", "resource", "principal", "allowed"),
    [
        ("secretsmanager:GetSecretValue", SEALED, SERVICE, True),
        ("secretsmanager:GetSecretValue", SEALED, ADMINISTRATOR, False),
        ("secretsmanager:GetSecretValue", SEALED.replace("hyperkms", "web"), ADMINISTRATOR, True),
        ("secretsmanager:PutSecretValue", SEALED, SERVICE, False),
        ("secretsmanager:ReplicateSecretToRegions", SEALED, BREAK_GLASS, False),
        ("iam:PutRolePolicy", SERVICE, ADMINISTRATOR, False),
        ("iam:PutRolePolicy", OTHER, ADMINISTRATOR, True),
        ("iam:PassRole", SERVICE, ADMINISTRATOR, False),
        ("iam:PassRole", SERVICE, NAMES["deploy_role"], True),
        ("ecs:ExecuteCommand", "arn:aws:ecs:eu-west-1:123456789012:task/1", ADMINISTRATOR, False),
        ("cloudtrail:StopLogging", "arn:aws:cloudtrail:eu-west-1:123456789012:trail/1", ADMINISTRATOR, False),
    ],
)
def test_an_administrator_of_the_account_gets_at_nothing(
    action: str, resource: str, principal: str, *, allowed: bool
) -> None:
    assert is_allowed(Call(action, resource, principal), GRANTED_ALL, policy("account-guard.json")) is allowed


@pytest.mark.parametrize(
    ("action", "principal", "keys", "allowed"),
    [
        ("kms:ScheduleKeyDeletion", ADMINISTRATOR, {}, False),
        ("kms:ReplicateKey", ADMINISTRATOR, {}, False),
        ("kms:CreateGrant", ADMINISTRATOR, {}, False),
        ("kms:CreateGrant", ADMINISTRATOR, {"kms:GrantIsForAWSResource": "false"}, False),
        ("kms:CreateGrant", ADMINISTRATOR, {"kms:GrantIsForAWSResource": "true"}, True),
        ("secretsmanager:DeleteSecret", ADMINISTRATOR, {}, False),
        ("secretsmanager:DeleteSecret", COSIGNER, {}, True),
        ("secretsmanager:DeleteSecret", BREAK_GLASS, {}, True),
        ("secretsmanager:GetSecretValue", COSIGNER, {}, True),
        ("secretsmanager:GetSecretValue", BREAK_GLASS, {}, False),
        ("secretsmanager:CreateSecret", ADMINISTRATOR, {}, False),
        ("secretsmanager:PutSecretValue", COSIGNER, {}, False),
        ("secretsmanager:RestoreSecret", BREAK_GLASS, {}, False),
        ("secretsmanager:ReplicateSecretToRegions", COSIGNER, {}, False),
        ("iam:PutRolePolicy", ADMINISTRATOR, {}, False),
        ("iam:CreateRole", ADMINISTRATOR, {}, False),
        ("ec2:CreateSnapshot", BREAK_GLASS, {}, False),
        ("ssm:StartSession", ADMINISTRATOR, {}, False),
        ("ssm:StartSession", BREAK_GLASS, {}, True),
    ],
)
def test_an_account_of_a_cosigner_gives_nothing_away(
    action: str, principal: str, keys: Mapping[str, str], *, allowed: bool
) -> None:
    call = Call(action, "*", principal, keys)
    assert is_allowed(call, GRANTED_ALL, policy("cosigner-account-guard.json")) is allowed


def test_a_cosigner_has_the_secrets_with_its_own_shares_and_no_others() -> None:
    own = (
        f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:desk/hyperkms-cosigner/{NAMES['cosigner']}/w1/v1/e0/ab/1"
    )
    policies = policy("cosigner-secrets.json"), policy("endpoint-cosigner-secrets.json")
    for verb in ("CreateSecret", "GetSecretValue", "DeleteSecret"):
        assert is_allowed(Call(f"secretsmanager:{verb}", f"{own}-AbCdEf", COSIGNER), *policies)
        for other in (own.replace(NAMES["cosigner"], "ab" * 32), SEALED, own.replace("desk/", "web/")):
            assert not is_allowed(Call(f"secretsmanager:{verb}", other, COSIGNER), *policies)
        assert not is_allowed(Call(f"secretsmanager:{verb}", own), policy("service-role.json"))


OF_SHARE = context_of_share(
    cosign.ShareContext(
        wallet="w1",
        version=2,
        key_type="secp256k1",
        network="mainnet",
        group=cosign.Group(threshold=2, identities=[bytes.fromhex(NAMES["cosigner"]), bytes(32), bytes([1] * 32)]),
        index=1,
        epoch=3,
    ),
    bytes.fromhex(NAMES["cosigner"]),
)
OF_COSIGNER = {
    "a share of its own": (OF_SHARE, True),
    "its identity key": (context_of_identity(), True),
    "its log key": (encryption_context(Context.of_log_key()), True),
    "another cosigner's share": ({**OF_SHARE, "hyperkms:cosigner": "another"}, False),
    "a wallet's key": (OF_WALLET, False),
    "a wallet's key that names it": ({**OF_WALLET, "hyperkms:cosigner": NAMES["cosigner"]}, False),
    "no context": ({}, False),
}


@pytest.mark.parametrize("case", OF_COSIGNER)
def test_the_role_of_a_cosigner_unwraps_for_no_other_cosigner_and_not_for_the_service(case: str) -> None:
    context, allowed = OF_COSIGNER[case]
    policies = [policy(f"cosigner-{name}.json") for name in ("role", "root-key-policy", "account-guard")]
    keys = {**context_keys(context), "aws:SourceVpce": ENDPOINT}
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert is_allowed(Call(action, KEY, COSIGNER, keys), *policies) is allowed
        for other in (SERVICE, ADMINISTRATOR, BREAK_GLASS):
            assert not is_allowed(Call(action, KEY, other, keys), GRANTED_ALL, *policies)


def test_no_policy_lets_the_service_use_what_is_a_cosigners() -> None:
    keys = {**context_keys(OF_SHARE), "aws:SourceVpce": ENDPOINT}
    policies = (policy("service-role.json"), policy("root-key-policy.json"))
    assert not is_allowed(Call("kms:Decrypt", KEY, keys=keys), *policies)


@pytest.mark.parametrize(
    "action", ["kms:ScheduleKeyDeletion", "kms:ReplicateKey", "kms:CreateGrant", "iam:PutRolePolicy", "iam:PassRole"]
)
def test_nobody_deletes_copies_lends_the_key_of_a_cosigner_or_changes_its_role(action: str) -> None:
    policies = (policy("cosigner-root-key-policy.json"), policy("cosigner-account-guard.json"))
    keys = {"kms:GrantIsForAWSResource": "true"}
    assert not is_allowed(Call(action, KEY, ADMINISTRATOR, keys), GRANTED_ALL, *policies)


# ---- what it costs --------------------------------------------------------------------------------------


def test_a_lease_of_300_seconds_is_renewed_as_often_as_the_page_counts() -> None:
    every = statistics.fmean(Terms(300).begin(0).renew_at for _ in range(20_000))
    assert every == pytest.approx(216, rel=0.01)
    assert f"every {216} s" in PAGE
    row = r"^\| lease 300 s \| ([\d,]+) \| ([\d,]+)/s \| [\d,]+ s \| ([\d,]+) \| ([\d.]+) \|$"
    rows = re.findall(row, PAGE, re.MULTILINE)
    assert len(rows) == 3
    for wallets, rate, decrypts, dollars in rows:
        count = 1_000_000 / _number(rate) / 216 * _number(wallets)
        assert _number(decrypts) == pytest.approx(count, rel=0.01)
        assert _number(dollars) == pytest.approx(count * 0.000003, rel=0.05)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


# ---- keys that stay in KMS -------------------------------------------------------------------------------

NATIVE = {f"{service}:{operation}" for service, operation in NATIVE_OPERATIONS}
TAGS = {
    "hyperkms:root-key": NAMES["key_id"],
    "hyperkms:service": "5e" * 16,
    "hyperkms:wallet": "w1",
    "hyperkms:version": "1",
    "hyperkms:making": "ab" * 16,
}
ANY_KEY = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"
MADE = {f"aws:ResourceTag/{name}": value for name, value in TAGS.items()}
WANTED = {f"aws:RequestTag/{name}": value for name, value in TAGS.items()}
SIGNED = {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}
NEW = {**WANTED, "kms:KeyUsage": "SIGN_VERIFY", "kms:KeySpec": "ECC_SECG_P256K1"}


def test_what_keys_in_kms_add_is_what_the_code_calls() -> None:
    added = {*NATIVE, "kms:TagResource", "kms:DescribeKey"}
    assert _granted(policy("kms-native.json")) == added
    assert _granted(policy("endpoint-kms-native.json")) == added | OF_KMS


@pytest.mark.parametrize(
    ("action", "resource", "keys", "allowed"),
    [
        ("kms:CreateKey", "*", NEW, True),
        ("kms:CreateKey", "*", {**NEW, "kms:KeySpec": "ECC_NIST_EDWARDS25519"}, True),
        ("kms:CreateKey", "*", {**NEW, "kms:KeySpec": "RSA_2048"}, False),
        ("kms:CreateKey", "*", {**NEW, "kms:KeyUsage": "ENCRYPT_DECRYPT"}, False),
        ("kms:CreateKey", "*", {**NEW, "aws:RequestTag/hyperkms:root-key": "another"}, False),
        ("kms:CreateKey", "*", {key: NEW[key] for key in NEW if not key.endswith(":wallet")}, False),
        ("kms:TagResource", "*", {**WANTED, "aws:TagKeys": list(TAGS)}, True),
        ("kms:TagResource", "*", {**WANTED, "aws:TagKeys": [*TAGS, "team"]}, False),
        ("kms:Sign", ANY_KEY, {**MADE, **SIGNED}, True),
        ("kms:Sign", ANY_KEY, {**MADE, **SIGNED, "kms:MessageType": "RAW"}, False),
        ("kms:Sign", ANY_KEY, {**MADE, "kms:SigningAlgorithm": "ED25519_SHA_512", "kms:MessageType": "RAW"}, True),
        (
            "kms:Sign",
            ANY_KEY,
            {**MADE, "kms:SigningAlgorithm": "ED25519_PH_SHA_512", "kms:MessageType": "DIGEST"},
            False,
        ),
        ("kms:Sign", ANY_KEY, SIGNED, False),
        ("kms:Sign", ANY_KEY, {**SIGNED, "aws:ResourceTag/hyperkms:root-key": "another"}, False),
        ("kms:DisableKey", ANY_KEY, MADE, True),
        ("kms:DisableKey", ANY_KEY, {}, False),
        ("kms:DisableKey", KEY, {}, False),
        ("kms:ScheduleKeyDeletion", ANY_KEY, {**MADE, "kms:ScheduleKeyDeletionPendingWindowInDays": "30"}, True),
        ("kms:ScheduleKeyDeletion", ANY_KEY, {**MADE, "kms:ScheduleKeyDeletionPendingWindowInDays": "7"}, False),
        ("kms:ScheduleKeyDeletion", KEY, {"kms:ScheduleKeyDeletionPendingWindowInDays": "30"}, False),
        ("kms:PutKeyPolicy", ANY_KEY, MADE, False),
        ("kms:CreateGrant", ANY_KEY, MADE, False),
        ("kms:CancelKeyDeletion", ANY_KEY, MADE, False),
        ("kms:EnableKey", ANY_KEY, MADE, False),
    ],
)
def test_the_role_may_use_keys_of_its_own_wallets_alone(
    action: str, resource: str, keys: Mapping[str, Any], *, allowed: bool
) -> None:
    assert is_allowed(Call(action, resource, keys=keys), policy("kms-native.json")) is allowed


def test_a_million_signatures_cost_what_the_page_says() -> None:
    (dollars,) = re.findall(r"0\.15 USD for 10,000 signatures, \*\*([\d,]+) USD for a million\*\*", PAGE)
    assert _number(dollars) == pytest.approx(1_000_000 / 10_000 * 0.15)
