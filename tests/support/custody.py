"""Where services of tests keep their keys: here, or at an emulator of AWS if HYPERKMS_TEST_CUSTODY says so."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import pytest

from support import databases
from support.aws import Aws, aws

KIND = "HYPERKMS_TEST_CUSTODY"
FILE, AWS_KMS, SECRETS_MANAGER = "file", "aws-kms", "aws-kms+aws-secrets-manager"
KINDS = (FILE, AWS_KMS, SECRETS_MANAGER)


def kind() -> str:
    """The root key's place, and the sealed keys' if it is not the database."""
    chosen = os.environ.get(KIND) or FILE
    assert chosen in KINDS, f"{KIND} is one of {', '.join(KINDS)}"
    return chosen


@contextmanager
def on(chosen: str) -> Iterator[None]:
    """Within this block services of tests keep their keys there."""
    before = os.environ.get(KIND)
    os.environ[KIND] = chosen
    try:
        yield
    finally:
        os.environ.pop(KIND)
        if before is not None:
            os.environ[KIND] = before


def settings_for(data: Path) -> dict[str, str]:
    """What tells a process where the state and the keys of a data directory are; nothing for one with defaults."""
    return {**databases.setting_for(data), **_of_keys(data)}


@contextmanager
def found_here(data: Path) -> Iterator[None]:
    """Within this block this very process finds AWS too: its library reads the environment."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in _of_keys(data).items():
            if name.startswith("AWS_"):
                patched.setenv(name, value)
        yield


def needs(*kinds: str, because: str) -> pytest.MarkDecorator:
    """A test that is about what these kinds alone have."""
    return pytest.mark.skipif(kind() not in kinds, reason=f"{because}; not with {KIND}={kind()}")


def secrets_of(data: Path) -> list[str]:
    """The names of the secrets of a data directory."""
    return [name for name in _emulator()[1].secrets() if name.startswith(_prefix(data))]


def change_secret(data: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Another value for one of its secrets, as its administrator could put it there."""
    client, place = _emulator()[1].client("secretsmanager"), _prefix(data) + name
    before = client.get_secret_value(SecretId=place)["SecretBinary"]
    client.put_secret_value(SecretId=place, SecretBinary=change(before))


def remove_emulator() -> None:
    """At the end of the tests of this process: stop the emulator, if one was started."""
    if _emulator.cache_info().currsize:
        running, _ = _emulator()
        running.__exit__(None, None, None)
        _emulator.cache_clear()


def _of_keys(data: Path) -> dict[str, str]:
    if kind() == FILE or databases.is_of_a_cosigner(data):
        return {}
    _, emulator = _emulator()
    store = {"HYPERKMS_KEY_STORE": "database:"} if kind() == AWS_KMS else {}
    return emulator.settings(SECRETS_PREFIX=_prefix(data), **store)


def _prefix(data: Path) -> str:
    return hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:20] + "/"


@cache
def _emulator() -> tuple[AbstractContextManager[Aws], Aws]:
    """The one of this process, started when it is first needed."""
    running = aws()
    return running, running.__enter__()
