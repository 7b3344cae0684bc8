"""AWS as an emulator plays it (moto, in a process of its own), and what a service is told to find it."""

import functools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from support.patience import START_S
from support.ports import free_ports
from support.until import until

REGION = "eu-west-1"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "no-secret-of-anybody"}
_one_at_a_time = threading.Lock()


@dataclass
class Aws:
    """A running emulator with one KMS key."""

    url: str
    process: subprocess.Popen[bytes]
    key_id: str = ""

    def settings(self, **more: str) -> dict[str, str]:
        """For a service that keeps its keys there, by the names that the first system used."""
        found = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.url, "AWS_KMS_KEY_ID": self.key_id}
        return {**found, **_CREDENTIALS, "AWS_EC2_METADATA_DISABLED": "true", **more}

    def client(self, service: str) -> Any:
        """An administrator's view."""
        return aws_client(service, self.url)

    def make_key(self) -> str:
        """The id of a fresh KMS key."""
        return str(self.client("kms").create_key()["KeyMetadata"]["KeyId"])

    def secrets(self) -> Mapping[str, str]:
        """The names of all secrets, and their ARNs."""
        return secrets_of(self.client("secretsmanager"))


@contextmanager
def aws() -> Iterator[Aws]:
    """Start it on a free port of 127.0.0.1, and stop it."""
    [port] = free_ports(1)
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "support.emulator", str(port)],
        cwd=Path(__file__).parents[1],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = Aws(f"http://127.0.0.1:{port}", process)
    try:
        until(lambda: answers(port))
        running.key_id = running.make_key()
        yield running
    finally:
        process.kill()
        process.wait()


def aws_client(service: str, url: str | None = None, account: str | None = None) -> Any:
    """An administrator's client of the emulator at `url`, or of the one that the environment names.

    It is made once a process: a third of a second goes into what botocore reads for the first one.
    """
    with _one_at_a_time:
        return _client(service, url or os.environ.get("AWS_ENDPOINT_URL"), account)


@functools.cache
def _session() -> Any:
    return botocore.session.get_session()


@functools.cache
def _client(service: str, url: str | None, account: str | None) -> Any:
    config = Config(
        retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=START_S, parameter_validation=False
    )
    client = _session().create_client(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id="AKIAADMIN",
        aws_secret_access_key="none",  # noqa: S106 (an emulator asks for no secret)
        config=config,
    )
    if account is not None:
        client.meta.events.register(
            "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", account)
        )
    return client


def secrets_of(client: Any) -> Mapping[str, str]:
    """The same as this client of an administrator sees it."""
    # On one page: from one to the next another secret would be missed if one before it ended meanwhile.
    page = client.list_secrets(MaxResults=1_000_000)
    return {secret["Name"]: secret["ARN"] for secret in page["SecretList"]}


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
