"""The settings: read once, checked at start, printed redacted by `hyperkms config`.

Flags win over the environment, the environment over the `.env` file, that over the defaults here.
"""

import difflib
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from hyperkms.access.limits import DEFAULTS, Limit, What
from hyperkms.access.proxies import Proxies
from hyperkms.audit.log import Durability
from hyperkms.errors import Malformed, Refused, quoted
from hyperkms.mode import Mode
from hyperkms.state.postgresql_address import PostgresAddress, parse_postgresql
from hyperkms.threshold.group import MOST_MEMBERS, require_served
from hyperkms.wallet import KeyType, Network

MemoryLock: TypeAlias = Literal["auto", "memfd_secret", "mlock"]

DEVELOPMENT_OF_NODE = ("development", "test")
GRACE_DAYS = 30
MAX_DAYS = 3650
MAX_WORKERS = 64
SEGMENT_MB = 64
MAX_SEGMENT_MB = 65_536
EMERGENCY_MB = 4
MAX_EMERGENCY_MB = 1024
MAX_REQUEST_WINDOW_S = 30
KEY_LEASE_S = 300
MAX_KEY_LEASE_S = 3600
_SECRETS_PREFIX = re.compile(r"[A-Za-z0-9/_+=.@-]{1,200}", re.ASCII)
SQLITE = "sqlite:"
DATABASE_AS_KEY_STORE = "database:"
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)
_DAYS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,12})?", re.ASCII)
MIN_API_KEY = 16
MIN_DIFFERENT = 8
_PLACEHOLDER = re.compile(r"^your.*(key|secret|token)|change|placeholder|example|insert|replace|^(test|secret|apikey)$")
"""API keys that example files carry; whoever copies one has an open service."""

SETTINGS: Mapping[str, str] = {
    "HYPERKMS_ENV": "mode",
    "HYPERKMS_DATA": "data",
    "HYPERKMS_HOST": "host",
    "PORT": "port",
    "HYPERKMS_METRICS_PORT": "metrics_port",
    "HYPERKMS_UDS": "uds",
    "HYPERKMS_WORKERS": "workers",
    "HYPERKMS_TLS_CERT": "tls_cert",
    "HYPERKMS_TLS_KEY": "tls_key",
    "HYPERKMS_TRUSTED_PROXIES": "trusted_proxies",
    "HYPERKMS_REQUEST_TIMEOUT": "request_timeout_s",
    "HYPERKMS_REQUEST_WINDOW_S": "request_window_s",
    "HYPERKMS_MAX_CONNECTIONS": "max_connections",
    "LOG_LEVEL": "log_level",
    "API_KEY": "api_key",
    "HYPERKMS_DEFAULT_KEY_TYPE": "default_key_type",
    "HYPERKMS_NETWORK": "default_network",
    "HYPERKMS_MAINNET_URL": "mainnet_url",
    "HYPERKMS_TESTNET_URL": "testnet_url",
    "HYPERKMS_ROOT_KEY": "root_key",
    "HYPERKMS_DATABASE": "database",
    "HYPERKMS_INSTANCES": "instances",
    "HYPERKMS_DATABASE_PROMOTION": "database_promotion",
    "HYPERKMS_ROOT_KEY_BEFORE": "root_key_before",
    "HYPERKMS_KEY_STORE": "key_store",
    "HYPERKMS_KEY_LEASE": "key_lease_s",
    "AWS_REGION": "aws_region",
    "AWS_KMS_KEY_ID": "aws_kms_key_id",
    "SECRETS_PREFIX": "secrets_prefix",
    "HYPERKMS_FIRST_SYSTEM_KEY": "first_system_key",
    "HYPERKMS_MEMORY_LOCK": "memory_lock",
    "HYPERKMS_AUDIT_DURABILITY": "audit_durability",
    "HYPERKMS_AUDIT_STORE": "audit_store",
    "HYPERKMS_AUDIT_SEGMENT_MB": "audit_segment_mb",
    "HYPERKMS_AUDIT_ANCHOR": "audit_anchor",
    "HYPERKMS_AUDIT_EMERGENCY_MB": "audit_emergency_mb",
    "HYPERKMS_GRACE_DAYS": "grace_days",
    "HYPERKMS_ROTATE_AFTER_DAYS": "rotate_after_days",
    "MPC_ENABLED": "mpc_enabled",
    "MPC_THRESHOLD_REQUIRED": "mpc_required",
    "MPC_THRESHOLD_TOTAL": "mpc_total",
    "HYPERKMS_MPC_GROUP": "mpc_group",
    "HYPERKMS_RECOVERY_RECIPIENT": "recovery_recipient",
    "HYPERKMS_ACCEPT_UNAUDITED_ECDSA": "accept_unaudited_ecdsa",
    "HYPERKMS_REPLAY_VECTORS": "replay_vectors",
    "HYPERKMS_BEHIND_TLS_PROXY": "behind_tls_proxy",
    **{f"HYPERKMS_LIMIT_{what.name}": f"limit_{what.name.lower()}" for what in What},
}
"""The name of every setting, and its member of Config; docs/settings.md describes them."""

_ELSEWHERE = frozenset(
    {
        "HYPERKMS_URL",
        "HYPERKMS_API_KEY",
        "HYPERKMS_REQUEST_KEY",
        "HYPERKMS_SERVICE",
        "HYPERKMS_REQUIRE_POSTGRES",
        "HYPERKMS_REQUIRE_VECTORS",
        "HYPERKMS_TEST_AWS_FAULTS",
        "HYPERKMS_TEST_CALLERS",
        "HYPERKMS_TEST_CUSTODY",
        "HYPERKMS_TEST_DATABASE",
        "HYPERKMS_TEST_INSTANCES",
        "HYPERKMS_TEST_KILLS",
        "HYPERKMS_TEST_ROTATIONS",
        "HYPERKMS_TEST_ROUNDS",
        "HYPERKMS_TEST_SIGNATURES",
    }
)
"""Names of that form that clients and tests read."""


class AuditStore(StrEnum):
    """What has to have a line of the record before its signature leaves."""

    FILES = "files"
    DATABASE = "database"
    """The files, and the database."""


class Instances(StrEnum):
    """How many instances may use the database at the same time."""

    ONE = "one"
    SEVERAL = "several"


class Promotion(StrEnum):
    """What a start does where a standby of the PostgreSQL server has taken over."""

    FENCE = "fence"
    ACCEPT = "accept"


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting, checked."""

    mode: Mode
    data: Path
    host: str
    port: int | None
    """None: only at the Unix socket."""
    metrics_port: int | None
    """Where /metrics is served without a key, on 127.0.0.1; None: nowhere."""
    uds: Path | None
    workers: int
    tls_cert: Path | None
    tls_key: Path | None
    trusted_proxies: Proxies
    request_timeout_s: int
    """For the head of a request, for its body, and for a client to take its answer: each as long."""
    request_window_s: int
    """How far from the clock the time of a signed request may be."""
    max_connections: int
    """Of one worker."""
    log_level: str
    api_key: str | None
    default_key_type: KeyType
    default_network: Network | None
    mainnet_url: str
    testnet_url: str
    root_key: str
    database: PostgresAddress | None
    instances: Instances
    database_promotion: Promotion
    """None: SQLite in the data directory."""
    root_key_before: str | None
    """The one that is being left: keys still open under it; None: there is none."""
    key_store: str
    key_lease_s: int
    """How long a key is used before a root key elsewhere is asked again; 0: for every request."""
    aws_region: str | None
    aws_kms_key_id: str | None
    """The first system's setting: alone it chooses this root key, and AWS Secrets Manager as the key store."""
    secrets_prefix: str
    first_system_key: str | None
    """The KMS key under which the first system encrypted private keys."""
    memory_lock: MemoryLock
    audit_durability: Durability
    audit_store: AuditStore
    audit_segment_mb: int
    audit_anchor: Path | None
    audit_emergency_mb: int
    """Space for cancels on a full disk, each process; 0: none."""
    """A file on another disk that gets every head of the record once more; None: nowhere."""
    grace_days: float
    rotate_after_days: float | None
    mpc_enabled: bool
    mpc_required: int | None
    """Cosigners that sign together; None: as the group says, else 2."""
    mpc_total: int | None
    """Cosigners of the group; None: as the group says, else 3."""
    mpc_group: Path | None
    recovery_recipient: Path | None
    """A file with the recipient of second copies: of master keys, and of a cosigner's shares; None: there are none."""
    """The description of a group on other hosts; None: cosigners that this service starts itself, in development."""
    accept_unaudited_ecdsa: bool
    """In production: whether secp256k1 keys in shares are made and sign."""
    replay_vectors: bool
    behind_tls_proxy: bool
    limits: Mapping[What, Limit]
    notes: tuple[str, ...] = ()
    """What an operator should hear of the settings."""

    def __repr__(self) -> str:
        return f"Config({self.redacted()!r})"

    @property
    def url(self) -> str:
        """Where a client on this machine reaches the service (docs/settings.md)."""
        if self.port is None:
            return f"unix:{self.uds}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    def redacted(self) -> dict[str, str | float | bool | None]:
        """Every setting by name; the API key only as set or unset."""
        shown: dict[str, str | float | bool | None] = {}
        for what, limit in self.limits.items():
            shown[f"limit_{what.name.lower()}"] = str(limit)
        for member in fields(self):
            value: Any = getattr(self, member.name)
            if isinstance(value, Mode | KeyType | Network):
                value = value.value
            shown[member.name] = str(value) if isinstance(value, Path | Proxies | PostgresAddress) else value
        shown["database"] = SQLITE if self.database is None else str(self.database)
        shown["api_key"] = None if self.api_key is None else "(set)"
        del shown["notes"], shown["limits"]
        return shown


def load(environment: Mapping[str, str], flags: Mapping[str, object], env_file: Path | None = None) -> Config:
    """Read and check every setting; Malformed or Refused names the first that is wrong."""
    values = {**_read_env_file(env_file), **environment}
    mode = _mode(values)
    data = flags.get("data") or values.get("HYPERKMS_DATA") or default_data(environment)
    config = Config(
        mode=mode,
        data=Path(str(data)).expanduser(),
        host=str(flags.get("host") or values.get("HYPERKMS_HOST") or "127.0.0.1"),
        port=_port_or_none(values, flags),
        metrics_port=_metrics_port(flags, values),
        uds=_path(values, flags, "HYPERKMS_UDS"),
        workers=_number(flags.get("workers") or values.get("HYPERKMS_WORKERS") or 1, "HYPERKMS_WORKERS", MAX_WORKERS),
        tls_cert=_path(values, flags, "HYPERKMS_TLS_CERT"),
        tls_key=_path(values, flags, "HYPERKMS_TLS_KEY"),
        trusted_proxies=Proxies.parse(values.get("HYPERKMS_TRUSTED_PROXIES") or "", "HYPERKMS_TRUSTED_PROXIES"),
        request_timeout_s=_number(values.get("HYPERKMS_REQUEST_TIMEOUT") or 10, "HYPERKMS_REQUEST_TIMEOUT", 300),
        request_window_s=_number(
            values.get("HYPERKMS_REQUEST_WINDOW_S") or MAX_REQUEST_WINDOW_S,
            "HYPERKMS_REQUEST_WINDOW_S",
            MAX_REQUEST_WINDOW_S,
        ),
        max_connections=_number(values.get("HYPERKMS_MAX_CONNECTIONS") or 1000, "HYPERKMS_MAX_CONNECTIONS", 100_000),
        log_level=_log_level(values.get("LOG_LEVEL") or "info"),
        api_key=values.get("API_KEY") or None,
        default_key_type=_word(values, "HYPERKMS_DEFAULT_KEY_TYPE", KeyType, KeyType.ED25519),
        default_network=_word(values, "HYPERKMS_NETWORK", Network, None),
        mainnet_url=_url(values, "HYPERKMS_MAINNET_URL", "https://api.hyperliquid.xyz"),
        testnet_url=_url(values, "HYPERKMS_TESTNET_URL", "https://api.hyperliquid-testnet.xyz"),
        root_key=values.get("HYPERKMS_ROOT_KEY") or _root_key_of_aws(values) or "file:",
        root_key_before=values.get("HYPERKMS_ROOT_KEY_BEFORE") or None,
        database=_database(values),
        instances=_word(values, "HYPERKMS_INSTANCES", Instances, Instances.ONE),
        database_promotion=_word(values, "HYPERKMS_DATABASE_PROMOTION", Promotion, Promotion.FENCE),
        key_store=_key_store(values),
        key_lease_s=_key_lease(values),
        aws_region=values.get("AWS_REGION") or values.get("AWS_DEFAULT_REGION") or None,
        aws_kms_key_id=values.get("AWS_KMS_KEY_ID") or None,
        secrets_prefix=_secrets_prefix(values),
        first_system_key=values.get("HYPERKMS_FIRST_SYSTEM_KEY") or values.get("AWS_KMS_KEY_ID") or None,
        memory_lock=_one_of(values, "HYPERKMS_MEMORY_LOCK", "auto", get_args(MemoryLock)),
        audit_durability=_one_of(values, "HYPERKMS_AUDIT_DURABILITY", "fsync", get_args(Durability)),
        audit_store=_word(values, "HYPERKMS_AUDIT_STORE", AuditStore, AuditStore.FILES),
        audit_segment_mb=_number(
            values.get("HYPERKMS_AUDIT_SEGMENT_MB") or SEGMENT_MB, "HYPERKMS_AUDIT_SEGMENT_MB", MAX_SEGMENT_MB
        ),
        audit_anchor=_path(values, flags, "HYPERKMS_AUDIT_ANCHOR"),
        audit_emergency_mb=_number(
            values.get("HYPERKMS_AUDIT_EMERGENCY_MB") or EMERGENCY_MB,
            "HYPERKMS_AUDIT_EMERGENCY_MB",
            MAX_EMERGENCY_MB,
            least=0,
        ),
        grace_days=_days(values, "HYPERKMS_GRACE_DAYS", GRACE_DAYS),
        rotate_after_days=_days(values, "HYPERKMS_ROTATE_AFTER_DAYS", 0) or None,
        mpc_enabled=_flag(values, "MPC_ENABLED"),
        mpc_required=_count(values, "MPC_THRESHOLD_REQUIRED"),
        mpc_total=_count(values, "MPC_THRESHOLD_TOTAL"),
        mpc_group=_path(values, flags, "HYPERKMS_MPC_GROUP"),
        recovery_recipient=_path(values, flags, "HYPERKMS_RECOVERY_RECIPIENT"),
        accept_unaudited_ecdsa=_flag(values, "HYPERKMS_ACCEPT_UNAUDITED_ECDSA"),
        replay_vectors=_flag(values, "HYPERKMS_REPLAY_VECTORS"),
        behind_tls_proxy=bool(flags.get("behind_tls_proxy")) or _flag(values, "HYPERKMS_BEHIND_TLS_PROXY"),
        limits={what: _limit(values, what) for what in What},
        notes=tuple(_notes(values)),
    )
    _check_tls(config)
    _check_mpc(config)
    _check_database(config)
    _check(config)
    return config


def load_from_process(flags: Mapping[str, object], env_file: Path | None = None) -> Config:
    """`load` with this process's environment; the only place that reads it.

    What the file says of AWS is put into the environment: there its library looks for credentials and endpoints.
    """
    for name, value in _read_env_file(env_file).items():
        if name.startswith("AWS_"):
            os.environ.setdefault(name, value)
    return load(os.environ, flags, env_file)


def sources_of_process(flags: Mapping[str, object], env_file: Path | None = None) -> Mapping[str, str]:
    """Of every setting where it comes from: `flag`, `environment`, the name of the file, `default`."""
    in_file, file = _read_env_file(env_file), str(env_file or ".env")
    return {name: _source(name, flags.get(member), in_file, file) for name, member in SETTINGS.items()}


def _source(name: str, flag: object, in_file: Mapping[str, str], file: str) -> str:
    if flag is not None:
        return "flag"
    if name in os.environ:  # an empty one hides that of the file and counts as unset
        source = "environment" if os.environ[name] else "default"
    else:
        source = file if in_file.get(name) else "default"
    return "NODE_ENV" if source == "default" and name == "HYPERKMS_ENV" and _is_of_node(in_file) else source


def _is_of_node(in_file: Mapping[str, str]) -> bool:
    return {**in_file, **os.environ}.get("NODE_ENV") in DEVELOPMENT_OF_NODE


@dataclass(frozen=True)
class ServiceAddress:
    """Where a running service answers (http://, https://, unix:), and what to ask with: one of the two keys."""

    url: str
    api_key: str | None
    request_key: Path | None = None
    service: str | None = None
    """The id of the service, for which a request is signed."""

    def __repr__(self) -> str:
        return f"ServiceAddress({self.url!r})"


def service_of_process(url: str | None, env_file: Path | None = None) -> ServiceAddress | None:
    """The service that `url`, else HYPERKMS_URL, names; None if neither does."""
    values = {**_read_env_file(env_file), **os.environ}
    if url:
        values["HYPERKMS_URL"] = url
    if not values.get("HYPERKMS_URL"):
        return None
    if not url and values.get("HYPERKMS_DATA"):
        raise _both_named(env_file)
    key, request_key = values.get("HYPERKMS_API_KEY") or None, _path(values, {}, "HYPERKMS_REQUEST_KEY")
    if (key is None) == (request_key is None) or (key and not (key.isascii() and key.isprintable())):
        words = "HYPERKMS_API_KEY must be set, to a client's key, for a command that asks a service"
        raise Malformed(
            "malformed-setting", f"{words}, or HYPERKMS_REQUEST_KEY instead of it", {"setting": "HYPERKMS_API_KEY"}
        )
    unix = values["HYPERKMS_URL"].startswith("unix:")
    found = values["HYPERKMS_URL"] if unix else _url(values, "HYPERKMS_URL", "")
    return ServiceAddress(found, key, request_key, values.get("HYPERKMS_SERVICE") or None)


def _both_named(env_file: Path | None) -> Malformed:
    in_file, file = _read_env_file(env_file), str(env_file or ".env")
    url, data = (_source(name, None, in_file, file) for name in ("HYPERKMS_URL", "HYPERKMS_DATA"))
    words = f"HYPERKMS_URL (from: {url}) and HYPERKMS_DATA (from: {data}) are both set: say --url or --data"
    return Malformed("malformed-setting", words, {"setting": "HYPERKMS_URL"})


def service_is_named(env_file: Path | None = None) -> bool:
    """Whether HYPERKMS_URL names a service, with a key or without."""
    return bool(url_of_process(env_file))


def url_of_process(env_file: Path | None = None) -> str:
    """HYPERKMS_URL as it is set; empty if it is not."""
    return {**_read_env_file(env_file), **os.environ}.get("HYPERKMS_URL", "")


def environment_of_cosigner(config: Config) -> dict[str, str]:
    """What a cosigner is started with that this service starts: this process's environment with its own settings.

    Nothing of the service's own is in it, neither its API key nor where it listens.
    """
    own = {name: value for name, value in os.environ.items() if name not in SETTINGS and not _is_secret(name)}
    recipient = config.recovery_recipient
    copied = {} if recipient is None else {"HYPERKMS_RECOVERY_RECIPIENT": str(recipient.absolute())}
    return {
        **own,
        **copied,
        "HYPERKMS_ENV": config.mode.value,
        "HYPERKMS_MAINNET_URL": config.mainnet_url,
        "HYPERKMS_TESTNET_URL": config.testnet_url,
        "HYPERKMS_MEMORY_LOCK": config.memory_lock,
        "HYPERKMS_AUDIT_DURABILITY": "fsync",  # a cosigner knows no other
        "HYPERKMS_GRACE_DAYS": f"{config.grace_days:.12f}".rstrip("0").rstrip("."),
        "LOG_LEVEL": config.log_level,
    }


def _is_secret(name: str) -> bool:
    return name in _ELSEWHERE or name.startswith(("AWS_", "PG"))


def default_data(environment: Mapping[str, str]) -> Path:
    """Where a data directory is kept if nobody says: XDG, or Application Support on macOS."""
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "hyperkms"
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "hyperkms"


def _read_env_file(path: Path | None) -> dict[str, str]:
    if path is not None and not path.is_file():
        raise Malformed.at("--env-file", f"there is no file {path}", "malformed-setting")
    shown = path or Path(".env")
    if not shown.is_file():
        return {}
    try:
        bindings = list(parse_stream(io.StringIO(shown.read_text("utf-8"))))
    except UnicodeDecodeError as error:
        raise Malformed.at(str(shown), "is not UTF-8", "malformed-setting") from error
    except OSError as error:
        raise Malformed.at(str(shown), f"cannot be read: {error.strerror}", "malformed-setting") from error
    for binding in bindings:
        # A line that is passed over could have been the one that made the service safer.
        if binding.error or (binding.key and binding.value is None):
            words = f"line {binding.original.line} is not NAME=value (an open quote?)"
            raise Malformed.at(str(shown), words, "malformed-setting")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def _notes(values: Mapping[str, str]) -> Iterator[str]:
    """Names that look like settings and are none: perhaps misspelt, perhaps of another release."""
    for name in values:
        if name.startswith("HYPERKMS_") and name not in SETTINGS and name not in _ELSEWHERE:
            near = difflib.get_close_matches(name, SETTINGS, n=1)
            yield f"{name[:64]} is no setting of this release" + (f"; is {near[0]} meant?" if near else "")


def _mode(values: Mapping[str, str]) -> Mode:
    of_node = Mode.DEVELOPMENT if values.get("NODE_ENV") in DEVELOPMENT_OF_NODE else Mode.PRODUCTION
    mode: Mode = _word(values, "HYPERKMS_ENV", Mode, of_node)
    return mode


def _check_tls(config: Config) -> None:
    if (config.tls_cert is None) != (config.tls_key is None):
        missing = "HYPERKMS_TLS_KEY" if config.tls_key is None else "HYPERKMS_TLS_CERT"
        raise _wrong(missing, "is unset: a certificate and its key go together (--tls-cert, --tls-key)")


def _check_mpc(config: Config) -> None:
    if config.instances is Instances.SEVERAL and config.mpc_enabled and config.mpc_group is None:
        words = f"is {Instances.SEVERAL.value}, and cosigners that a service starts itself are of one data directory"
        raise _wrong("HYPERKMS_INSTANCES", f"{words}: describe a group by HYPERKMS_MPC_GROUP")
    if config.mode is Mode.PRODUCTION and config.mpc_enabled and config.mpc_group is None:
        words = "MPC_ENABLED=true without HYPERKMS_MPC_GROUP would start every cosigner on this machine, which protects"
        raise Refused("embedded-in-production", f"{words} against one process alone: describe a group on other hosts")
    if config.mpc_enabled and config.mpc_required is not None and config.mpc_total is not None:
        try:
            require_served(config.mpc_required, config.mpc_total)
        except Malformed as error:
            words = f"MPC_THRESHOLD_REQUIRED and MPC_THRESHOLD_TOTAL: {error.message}"
            raise Malformed(error.code, words, {"setting": "MPC_THRESHOLD_REQUIRED"}) from error


def _check(config: Config) -> None:
    if config.api_key and _is_placeholder(config.api_key):
        raise Refused("api-key-placeholder", "API_KEY is the placeholder of an example file; choose a random one")
    if config.api_key and not config.api_key.isascii():
        raise Malformed(
            "malformed-setting",
            "API_KEY has characters outside ASCII, which no HTTP header carries",
            {"setting": "API_KEY"},
        )
    if config.mode is Mode.DEVELOPMENT:
        return
    if config.api_key and (len(config.api_key) < MIN_API_KEY or len(set(config.api_key)) < MIN_DIFFERENT):
        words = f"API_KEY has fewer than {MIN_API_KEY} characters, or fewer than {MIN_DIFFERENT} different ones"
        raise Refused("api-key-short", f"{words}; production refuses it")
    if config.replay_vectors:
        raise Refused("replay-in-production", "HYPERKMS_REPLAY_VECTORS=1 lifts checks; production refuses it")
    if config.default_network is Network.ANY:
        raise Refused("any-network-in-production", "HYPERKMS_NETWORK=any is for development only")
    for name, url in (("HYPERKMS_MAINNET_URL", config.mainnet_url), ("HYPERKMS_TESTNET_URL", config.testnet_url)):
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            words = f"{name} is http to another machine: whoever is on the way could give a coin another asset number"
            raise Refused("exchange-without-tls", words)
    if config.host not in LOOPBACK and not config.behind_tls_proxy and config.tls_cert is None:
        words = f"--host {config.host} is not loopback and would carry API keys in the clear"
        raise Refused("bind-without-tls", f"{words}: use --tls-cert and --tls-key, or --behind-tls-proxy")


def _check_database(config: Config) -> None:
    if config.audit_store is AuditStore.DATABASE and config.database is None:
        words = f"is {AuditStore.DATABASE.value}: that takes one on a server, by HYPERKMS_DATABASE"
        raise _wrong("HYPERKMS_AUDIT_STORE", words)
    if config.instances is Instances.SEVERAL and config.database is None:
        words = f"is {Instances.SEVERAL.value}: that takes a database that they share, by HYPERKMS_DATABASE"
        raise _wrong("HYPERKMS_INSTANCES", words)
    if config.mode is Mode.DEVELOPMENT or config.database is None:
        return
    if not (config.database.is_local or config.database.proves_server):
        words = "HYPERKMS_DATABASE is on another machine, and who is on the way could answer in its place: add"
        raise Refused("database-without-tls", f"{words} ?sslmode=verify-full (and sslrootcert=FILE)")


def _database(values: Mapping[str, str]) -> PostgresAddress | None:
    text = values.get("HYPERKMS_DATABASE") or SQLITE
    if text == SQLITE:
        return None
    try:
        return parse_postgresql(text)
    except ValueError as error:
        raise _wrong("HYPERKMS_DATABASE", f"is neither {SQLITE} nor an address of PostgreSQL: {error}") from None


def _key_store(values: Mapping[str, str]) -> str:
    """What is called after one kind of database goes with that kind alone."""
    text = values.get("HYPERKMS_KEY_STORE") or _key_store_of_aws(values) or DATABASE_AS_KEY_STORE
    kind = SQLITE if _database(values) is None else "postgresql:"
    if text in (SQLITE, "postgresql:") and text != kind:
        raise _wrong("HYPERKMS_KEY_STORE", f"is {text} and the database is not: {DATABASE_AS_KEY_STORE} is due")
    return DATABASE_AS_KEY_STORE if text == kind else text


def _is_placeholder(key: str) -> bool:
    letters = re.sub(r"[^a-z]", "", key.lower())
    return bool(_PLACEHOLDER.search(letters)) and len(letters) > len(key) * 2 // 3


def _word(values: Mapping[str, str], name: str, kind: Any, default: Any) -> Any:
    text = values.get(name)
    if not text:
        return default
    try:
        return kind(text)
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise _wrong(name, f"is {quoted(text)}; one of {allowed} is due") from None


def _one_of(values: Mapping[str, str], name: str, default: str, allowed: tuple[Any, ...]) -> Any:
    text = values.get(name) or default
    if text not in allowed:
        raise _wrong(name, f"is {quoted(text)}; one of {', '.join(allowed)} is due")
    return text


def _root_key_of_aws(values: Mapping[str, str]) -> str | None:
    key = values.get("AWS_KMS_KEY_ID")
    return f"aws-kms:{key}" if key else None


def _key_store_of_aws(values: Mapping[str, str]) -> str | None:
    chosen = values.get("AWS_KMS_KEY_ID") and not values.get("HYPERKMS_ROOT_KEY")
    return "aws-secrets-manager:" if chosen else None


def _key_lease(values: Mapping[str, str]) -> int:
    name = "HYPERKMS_KEY_LEASE"
    text = values.get(name) or str(KEY_LEASE_S)
    return 0 if text in ("0", "strict") else _number(text, name, MAX_KEY_LEASE_S)


def _secrets_prefix(values: Mapping[str, str]) -> str:
    prefix = values.get("SECRETS_PREFIX") or "hyperliquid/wallets/"
    if not _SECRETS_PREFIX.fullmatch(prefix):
        raise _wrong("SECRETS_PREFIX", f"is {quoted(prefix)}; up to 200 of A-Z a-z 0-9 / _ + = . @ - are due")
    return prefix


def _days(values: Mapping[str, str], name: str, default: float) -> float:
    text = values.get(name) or str(default)
    if not _DAYS.fullmatch(text) or float(text) > MAX_DAYS:
        raise _wrong(name, f"is {quoted(text)}; days are due, from 0 to {MAX_DAYS}, e.g. 30 or 0.5")
    return float(text)


def _flag(values: Mapping[str, str], name: str) -> bool:
    text = (values.get(name) or "").lower()
    if text in ("1", "true", "yes"):
        return True
    if text in ("", "0", "false", "no"):
        return False
    raise _wrong(name, f"is {quoted(text)}; true or false is due")


def _limit(values: Mapping[str, str], what: What) -> Limit:
    name = f"HYPERKMS_LIMIT_{what.name}"
    return Limit.parse(values.get(name) or DEFAULTS[what], name)


def _number(value: object, name: str, most: int, *, least: int = 1) -> int:
    text = str(value)
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise _wrong(name, f"is {text[:40]!r}; a number from {least} to {most} is due")
    return int(text)


def _count(values: Mapping[str, str], name: str) -> int | None:
    """A number of cosigners; `_check_mpc` says whether the two fit together."""
    return _number(values[name], name, MOST_MEMBERS) if values.get(name) else None


def _path(values: Mapping[str, str], flags: Mapping[str, object], name: str) -> Path | None:
    given = flags.get(SETTINGS.get(name, name)) or values.get(name)
    return Path(str(given)).expanduser() if given else None


def _port_or_none(values: Mapping[str, str], flags: Mapping[str, object]) -> int | None:
    """Who names a Unix socket, and neither port nor host, wants to be reached there alone."""
    port = flags.get("port") if flags.get("port") is not None else values.get("PORT")
    host = flags.get("host") or values.get("HYPERKMS_HOST")
    if not port and port != 0 and not host and _path(values, flags, "HYPERKMS_UDS"):
        return None
    return _port("PORT", 3000 if port in (None, "") else port)


def _metrics_port(flags: Mapping[str, object], values: Mapping[str, str]) -> int | None:
    given = flags.get("metrics_port")
    text = values.get("HYPERKMS_METRICS_PORT") if given is None else given
    return None if text in (None, "") else _port("HYPERKMS_METRICS_PORT", text)


def _port(name: str, value: object) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or int(text) > 65535:  # noqa: PLR2004 (the largest port)
        raise _wrong(name, f"is {quoted(text)}; a number from 0 to 65535 is due")
    return int(text)


def _log_level(text: str) -> str:
    levels = {"debug": "debug", "info": "info", "warn": "warning", "warning": "warning", "error": "error"}
    if text.lower() not in levels:
        raise _wrong("LOG_LEVEL", f"is {quoted(text)}; one of {', '.join(levels)} is due")
    return levels[text.lower()]


def _url(values: Mapping[str, str], name: str, default: str) -> str:
    text = (values.get(name) or default).rstrip("/")
    try:
        parts = urlsplit(text)
        sound = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:
        sound = False
    if not sound:
        raise _wrong(name, "is not usable; an http or https address without user and password is due")
    return text


def _wrong(name: str, words: str) -> Malformed:
    return Malformed("malformed-setting", f"{name} {words}", {"setting": name})
