"""Services whose wallets have their keys in AWS KMS."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.aws import Aws
from support.kms_signer import Hold, Signer, signing
from support.service import Answer, Service

KEY_TYPES = ("ed25519", "secp256k1")
NATIVE = {"custody": "kms-native"}


def settings(aws: Aws, url: str, folder: Path, **more: str) -> dict[str, str]:
    """For a service that finds AWS at this address, with its sealed keys in its database unless it is said."""
    there = {"AWS_ENDPOINT_URL": url, "HYPERKMS_KEY_STORE": "database:", "SECRETS_PREFIX": f"{folder.name}/"}
    return aws.settings(**{**there, **more})


@contextmanager
def native(aws: Aws, folder: Path, **more: str) -> Iterator[tuple[Service, Signer]]:
    """A service with a wallet of each key type whose key is in KMS, named by the type, and the door in front of KMS."""
    with (
        signing(aws.url) as signer,
        Service.start(folder / "data", **settings(aws, signer.url, folder, **more)) as service,
    ):
        for key_type in KEY_TYPES:
            service.generate(key_type, keyType=key_type, **NATIVE)
        yield service, signer


@contextmanager
def held(signer: Signer, ask: Callable[[], Answer], *, at: str = "Sign") -> Iterator[Callable[[], Answer]]:
    """A request for which KMS takes its time at this operation: until this is called, which gives its answer."""
    hold = signer.hold = Hold(at)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(ask)
        assert hold.asked.wait(60)

        def go_on() -> Answer:
            hold.answered.set()
            return pending.result()

        try:
            yield go_on
        finally:
            hold.answered.set()
            signer.hold = None


def keys_of(aws: Aws, service: Service) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """The KMS keys of a service, as an operator finds them by their tags: descriptions by wallet and version."""
    return keys_with(aws, service.get("/status").json["service"])


def keys_with(aws: Aws, service_id: str) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """The same by the id of the service."""
    kms = aws.client("kms")
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for key in kms.get_paginator("list_keys").paginate().search("Keys[].KeyId"):
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key)["Tags"]}
        if tags.get("hyperkms:service") == service_id:
            place = tags["hyperkms:wallet"], int(tags["hyperkms:version"])
            found.setdefault(place, []).append(kms.describe_key(KeyId=key)["KeyMetadata"])
    return found


def states(aws: Aws, service: Service) -> dict[tuple[str, int], list[str]]:
    """The states of those keys."""
    return {place: [key["KeyState"] for key in keys] for place, keys in keys_of(aws, service).items()}
