"""AWS at a cosigner: each call that it makes, done once; nothing is left of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import hyperkms_cosign as cosign

from hyperkms import _core
from hyperkms.cli.assemble_cosigner import standing_group
from hyperkms.cli.checks.finding import Finding, note, tried
from hyperkms.cli.layout import IDENTITY
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms import encryption_context as context_of_a_key
from hyperkms.custody.aws.kms_key import KmsKey
from hyperkms.threshold.cosigner.aws_root_key import context_of_identity, context_of_share
from hyperkms.threshold.group import Group


def kms(account: AwsAccount, key: str, data: Path, probe: str) -> Iterator[Finding]:
    """The root key, for each of the purposes that this cosigner has: its policy may allow some of them alone."""
    root_key, finding = tried("kms:DescribeKey", lambda: KmsKey(account, key, _core.KmsClient))
    yield finding
    if root_key is None:
        return
    purposes: dict[str, Mapping[str, str]] = {
        "the log key": context_of_a_key(_core.Context.of_log_key()),
        "the identity key": context_of_identity(),
    }
    identity = _core.inspect_sealed_key((data / IDENTITY).read_bytes()).public_key
    group = standing_group(data)
    index = next((one.index for one in group.members if one.identity == identity), None) if group else None
    if group is None or index is None:
        yield note("aws", "this cosigner is in no group yet: what its shares need was not tried", "hyperkms mpc join")
    else:
        purposes[f"shares of cosigner {index}"] = _of_a_share(group, index, identity, probe)
    for purpose, context in purposes.items():
        yield from _purpose(root_key, purpose, context)


def _purpose(root_key: KmsKey[_core.DataKey], purpose: str, context: Mapping[str, str]) -> Iterator[Finding]:
    made, finding = tried(f"kms:GenerateDataKey for {purpose}", lambda: root_key.new_data_key(context))
    yield finding
    if made is not None:
        wrapped = made[1]
        yield tried(f"kms:Decrypt for {purpose}", lambda: root_key.unwrap(wrapped, context))[1]


def _of_a_share(group: Group, index: int, identity: bytes, probe: str) -> Mapping[str, str]:
    known = cosign.Group(threshold=group.threshold, identities=group.identities)
    context = cosign.ShareContext(
        wallet=probe, version=1, key_type="ed25519", network="none", group=known, index=index, epoch=0
    )
    return context_of_share(context, identity)
