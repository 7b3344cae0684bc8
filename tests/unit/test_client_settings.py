"""What a signing client is told: URL, key, options."""

import subprocess
import sys
from pathlib import Path

import pytest

from hyperkms.client import AsyncSigningClient, Misconfigured, Options, SigningClient
from hyperkms.client.endpoint import Endpoint, parse_endpoint

PLACES = {
    "http://127.0.0.1:3000": ("127.0.0.1", 3000, False, "", "127.0.0.1:3000"),
    "http://kms.desk/": ("kms.desk", 80, False, "", "kms.desk"),
    "https://kms.desk/signing/": ("kms.desk", 443, True, "/signing", "kms.desk"),
    "https://[::1]:8443": ("::1", 8443, True, "", "[::1]:8443"),
}
ENVIRONMENT = {"HYPERKMS_URL": "http://127.0.0.1:3000", "HYPERKMS_API_KEY": "hk_x"}


@pytest.mark.parametrize(("url", "expected"), PLACES.items())
def test_a_url_says_where_the_service_is(url: str, expected: tuple[str, int, bool, str, str]) -> None:
    place = parse_endpoint(url)
    assert (place.host, place.port, place.tls, place.prefix, place.host_header) == expected


@pytest.mark.parametrize("url", ["unix:/run/kms.sock", "unix:///run/kms.sock"])
def test_a_unix_socket_is_given_by_its_path(url: str) -> None:
    assert parse_endpoint(url) == Endpoint(url=url, unix_path="/run/kms.sock")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:3000",
        "ftp://kms",
        "http://",
        "http://kms:99999",
        "http://user:secret@kms",
        "http://kms?key=1",
        "http://kms\r\nX: y",
        "http://kms/a b",
        "unix:",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        SigningClient(url, "hk_x")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["", "hk_x\r\nX-Other: 1", "hk x", "hk_é"])
def test_a_key_that_is_none_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        SigningClient("http://127.0.0.1:1", key)
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize("missing", ["HYPERKMS_URL", "HYPERKMS_API_KEY"])
@pytest.mark.parametrize("kind", [SigningClient, AsyncSigningClient])
def test_a_setting_that_the_environment_lacks_is_named(
    kind: type[SigningClient | AsyncSigningClient], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert kind.from_environment().url == "http://127.0.0.1:3000"
    monkeypatch.delenv(missing)
    with pytest.raises(Misconfigured, match=f"{missing} is not set"):
        kind.from_environment()


@pytest.mark.parametrize("wrong", [{"connect_s": 0}, {"read_s": -1}, {"connections": 0}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Options(**wrong)  # type: ignore[arg-type]  # the names are those of numbers


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ключ"])
def test_an_idempotency_key_that_is_none_is_refused_before_anything_is_sent(key: str) -> None:
    client = SigningClient("http://127.0.0.1:9", "hk_x")
    with pytest.raises(ValueError, match="1 to 255 visible"):
        client.sign_message("w", "hello", idempotency_key=key)


def test_importing_the_library_loads_nothing_of_the_service(tmp_path: Path) -> None:
    script = (
        "import sys, hyperkms.client; print(*sorted({name.split('.')[0] for name in sys.modules} | set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert "hyperkms.client" in loaded
    assert not loaded & {"fastapi", "pydantic", "sqlalchemy", "starlette", "structlog", "uvicorn", "requests", "click"}
    ours = {name for name in loaded if name.startswith("hyperkms") and not name.startswith("hyperkms.client")}
    assert ours == {"hyperkms", "hyperkms.errors"}
