"""Settings are read once, checked at start, and never printed with their secrets."""

from pathlib import Path

import pytest

from hyperkms.config import SETTINGS, Config, default_data, load
from hyperkms.errors import HyperkmsError
from hyperkms.mode import Mode
from hyperkms.wallet import KeyType, Network

KEY = "a-key-of-more-than-sixteen-characters"


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _load(**environment: str) -> Config:
    return load({"HOME": "/home/someone", **environment}, {})


def _refusal(**environment: str) -> str:
    with pytest.raises(HyperkmsError) as refused:
        _load(**environment)
    return refused.value.code


def test_production_on_loopback_is_what_nobody_asked_for() -> None:
    config = _load()
    assert (config.mode, config.host, config.port) == (Mode.PRODUCTION, "127.0.0.1", 3000)
    assert (config.default_key_type, config.default_network) == (KeyType.ED25519, None)


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({"NODE_ENV": "development"}, Mode.DEVELOPMENT),
        ({"NODE_ENV": "test"}, Mode.DEVELOPMENT),
        ({"NODE_ENV": "production"}, Mode.PRODUCTION),
        ({"NODE_ENV": "development", "HYPERKMS_ENV": "production"}, Mode.PRODUCTION),
        ({"HYPERKMS_ENV": "development"}, Mode.DEVELOPMENT),
    ],
)
def test_the_mode_is_named_or_follows_node(environment: dict[str, str], mode: Mode) -> None:
    assert _load(**environment).mode is mode


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"HYPERKMS_ENV": "prod"}, "malformed-setting"),
        ({"PORT": "http"}, "malformed-setting"),
        ({"PORT": "65536"}, "malformed-setting"),
        ({"LOG_LEVEL": "loud"}, "malformed-setting"),
        ({"HYPERKMS_NETWORK": "main"}, "malformed-setting"),
        ({"HYPERKMS_TESTNET_URL": "file:///etc/passwd"}, "malformed-setting"),
        ({"HYPERKMS_MEMORY_LOCK": "off"}, "malformed-setting"),
        ({"HYPERKMS_REPLAY_VECTORS": "maybe"}, "malformed-setting"),
        ({"HYPERKMS_GRACE_DAYS": "-1"}, "malformed-setting"),
        ({"HYPERKMS_AUDIT_DURABILITY": "none"}, "malformed-setting"),
        ({"HYPERKMS_AUDIT_SEGMENT_MB": "0"}, "malformed-setting"),
        ({"HYPERKMS_AUDIT_SEGMENT_MB": "65537"}, "malformed-setting"),
        ({"HYPERKMS_GRACE_DAYS": "3651"}, "malformed-setting"),
        ({"HYPERKMS_GRACE_DAYS": "nan"}, "malformed-setting"),
        ({"HYPERKMS_ROTATE_AFTER_DAYS": "1e3"}, "malformed-setting"),
        ({"HYPERKMS_REPLAY_VECTORS": "1"}, "replay-in-production"),
        ({"HYPERKMS_NETWORK": "any"}, "any-network-in-production"),
        ({"API_KEY": "short"}, "api-key-short"),
        ({"API_KEY": "a" * 40}, "api-key-short"),
        ({"API_KEY": "your-api-key-here"}, "api-key-placeholder"),
        ({"API_KEY": "your-secure-api-key-here-change-me"}, "api-key-placeholder"),
        ({"API_KEY": "change-this-in-production"}, "api-key-placeholder"),
        ({"HYPERKMS_MAINNET_URL": "http://exchange.example"}, "exchange-without-tls"),
        ({"HYPERKMS_TESTNET_URL": "https://user:word@exchange.example"}, "malformed-setting"),
        ({"API_KEY": "changeme", "HYPERKMS_ENV": "development"}, "api-key-placeholder"),
        ({"HYPERKMS_HOST": "0.0.0.0"}, "bind-without-tls"),  # noqa: S104 (refused)
        ({"MPC_ENABLED": "true"}, "embedded-in-production"),
    ],
)
def test_a_setting_that_is_wrong_or_unsafe_stops_the_start(environment: dict[str, str], code: str) -> None:
    assert _refusal(**environment) == code


def test_the_grace_is_thirty_days_and_nothing_rotates_by_itself() -> None:
    config = _load()
    assert (config.grace_days, config.rotate_after_days) == (30, None)
    config = _load(HYPERKMS_GRACE_DAYS="0.5", HYPERKMS_ROTATE_AFTER_DAYS="90")
    assert (config.grace_days, config.rotate_after_days) == (0.5, 90)
    assert _load(HYPERKMS_ROTATE_AFTER_DAYS="0").rotate_after_days is None


def test_a_tls_proxy_in_front_allows_a_public_bind() -> None:
    config = _load(HYPERKMS_HOST="0.0.0.0", HYPERKMS_BEHIND_TLS_PROXY="true")  # noqa: S104 (what is tested)
    assert config.behind_tls_proxy


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nHYPERKMS_NETWORK=mainnet\nLOG_LEVEL=warn\n")
    config = load({"PORT": "2", "HYPERKMS_NETWORK": "testnet"}, {"port": 3})
    assert (config.port, config.default_network, config.log_level) == (3, Network.TESTNET, "warning")


def test_an_env_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(HyperkmsError):
        load({}, {}, tmp_path / "absent.env")


def test_the_api_key_is_shown_only_as_set() -> None:
    config = _load(API_KEY=KEY)
    assert KEY not in repr(config)
    assert config.redacted()["api_key"] == "(set)"
    assert _load().redacted()["api_key"] is None


def test_the_data_directory_follows_xdg() -> None:
    assert default_data({"HOME": "/h"}) == Path("/h/.local/share/hyperkms")
    assert default_data({"HOME": "/h", "XDG_DATA_HOME": "/x"}) == Path("/x/hyperkms")


@pytest.mark.parametrize(
    "text",
    [
        'API_KEY="open\n',
        "PORT: 3400\n",
        "HYPERKMS_ENV\n",
        "A=1\nthis is no setting\n",
        'A=1\nHYPERKMS_NETWORK="mainnet\nB="2\n',
    ],
)
def test_a_line_of_the_file_that_is_no_setting_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text(text)
    assert _refusal() == "malformed-setting"


def test_a_file_in_another_encoding_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1", encoding="utf-16")
    assert _refusal() == "malformed-setting"


def test_an_unknown_name_is_noted_with_the_nearest() -> None:
    (note,) = _load(HYPERKMS_NETWROK="testnet", HYPERKMS_URL="http://127.0.0.1:3000").notes
    assert note == "HYPERKMS_NETWROK is no setting of this release; is HYPERKMS_NETWORK meant?"


def test_every_setting_is_described_and_shown() -> None:
    described = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    shown = _load().redacted()
    assert set(SETTINGS.values()) == set(shown)
    assert all(f"`{name}`" in described for name in SETTINGS)


def test_a_unix_socket_alone_is_what_names_neither_port_nor_host() -> None:
    assert (_load(HYPERKMS_UDS="/run/kms.sock").port, _load(HYPERKMS_UDS="/run/kms.sock").url) == (
        None,
        "unix:/run/kms.sock",
    )
    assert _load(HYPERKMS_UDS="/run/kms.sock", PORT="3001").port == 3001
    assert _load(HYPERKMS_UDS="/run/kms.sock", HYPERKMS_HOST="127.0.0.1").port == 3000
    assert _load().port == 3000


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"HYPERKMS_WORKERS": "0"}, "malformed-setting"),
        ({"HYPERKMS_WORKERS": "65"}, "malformed-setting"),
        ({"HYPERKMS_WORKERS": "two"}, "malformed-setting"),
        ({"HYPERKMS_REQUEST_TIMEOUT": "0"}, "malformed-setting"),
        ({"HYPERKMS_MAX_CONNECTIONS": "-1"}, "malformed-setting"),
        ({"HYPERKMS_TRUSTED_PROXIES": "everybody"}, "malformed-setting"),
        ({"HYPERKMS_TLS_CERT": "cert.pem"}, "malformed-setting"),
        ({"HYPERKMS_TLS_KEY": "key.pem"}, "malformed-setting"),
        ({"HYPERKMS_HOST": "0.0.0.0"}, "bind-without-tls"),  # noqa: S104 (it is refused)
    ],
)
def test_settings_of_serving_are_checked(environment: dict[str, str], code: str) -> None:
    assert _refusal(**environment) == code


def test_a_bind_beyond_loopback_is_allowed_with_tls() -> None:
    config = _load(HYPERKMS_HOST="0.0.0.0", HYPERKMS_TLS_CERT="cert.pem", HYPERKMS_TLS_KEY="key.pem")  # noqa: S104
    assert config.url == "https://0.0.0.0:3000"


@pytest.mark.parametrize(
    "name", ["LOG_LEVEL", "PORT", "HYPERKMS_ENV", "HYPERKMS_MEMORY_LOCK", "HYPERKMS_GRACE_DAYS", "HYPERKMS_LIMIT_SIGN"]
)
def test_a_key_in_the_line_of_another_setting_is_not_repeated(name: str) -> None:
    key = "hk_1234567_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    with pytest.raises(HyperkmsError) as refused:
        _load(**{name: key})
    assert name in refused.value.message
    assert "a value of 54 characters" in refused.value.message
    assert key[:12] not in refused.value.message


def test_a_short_wrong_value_is_repeated_since_that_helps() -> None:
    with pytest.raises(HyperkmsError, match="LOG_LEVEL is 'loud'"):
        _load(LOG_LEVEL="loud")
