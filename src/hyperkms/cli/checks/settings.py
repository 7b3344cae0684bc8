"""Settings that weaken something, say nothing, or contradict each other; and the address to listen on."""

import socket
from collections.abc import Iterator

from hyperkms.access.limits import DEFAULTS, Limit, What
from hyperkms.cli.assemble import SWEEP
from hyperkms.cli.checks.finding import Finding, bad, good, note
from hyperkms.cli.sweeper import is_swept
from hyperkms.config import LOOPBACK, Config, service_is_named
from hyperkms.errors import HyperkmsError
from hyperkms.mode import Mode


def mode(config: Config) -> Iterator[Finding]:
    """What it is made for."""
    if config.mode is Mode.DEVELOPMENT:
        yield note("mode", config.mode.value, "set HYPERKMS_ENV=production where keys are worth something")
    else:
        yield good("mode", config.mode.value)
    if config.root_key.startswith("file:"):
        words = "the root key is a local file: who can read the data directory can open every key"
        yield note("root key", words, "keep backups of the two apart, and the disk encrypted")
    if config.replay_vectors:
        words = "nonce window, expiry and number checks are off"
        yield note("replay", words, "unset HYPERKMS_REPLAY_VECTORS but for replaying vectors")


def settings(config: Config) -> Iterator[Finding]:
    """Names that are none, and what does not go together."""
    found = [*_unknown(config), *_contradictions(config)]
    yield from found or [good("settings", "each is known, and none contradicts another")]
    if dict(config.limits) == {what: _default(what) for what in What}:
        words = f"every limit is the default: {config.limits[What.SIGN]} signatures a client"
        yield note("limits", words, "set HYPERKMS_LIMIT_SIGN to what your bots need and no more")
    if config.default_network is None:
        words = "HYPERKMS_NETWORK is unset: whoever makes a secp256k1 wallet has to say its network"
        yield note("network", words, "set it if all wallets are for one")


def address(config: Config) -> Iterator[Finding]:
    """Whether the service could listen, and who could hear."""
    if config.host not in LOOPBACK:
        words = f"{config.host} is not loopback and the service speaks plain HTTP"
        if config.behind_tls_proxy:
            yield note("address", f"{words} behind a proxy", "let nobody but the proxy reach it")
        else:
            yield bad("address", f"{words}: API keys travel in the clear", "use 127.0.0.1, or a proxy with TLS")
    error = _bind(config)
    where = f"{config.host} port {config.port}"
    if error is None:
        yield good("port", f"{where} is free")
    elif is_swept(config.data / SWEEP):
        yield good("port", f"{where} is in use, and a service runs on this data directory")
    else:
        yield note("port", f"{where}: {error}", "stop what listens there (ss -ltnp), or set PORT")


def _unknown(config: Config) -> Iterator[Finding]:
    for words in config.notes:
        yield note("settings", words, "correct the name or take it out")


def _contradictions(config: Config) -> Iterator[Finding]:
    rotate, grace = config.rotate_after_days, config.grace_days
    if rotate is not None and rotate < grace:
        words = f"HYPERKMS_ROTATE_AFTER_DAYS={rotate:g} is less than HYPERKMS_GRACE_DAYS={grace:g}"
        do = "shorten the grace: now several versions of a wallet are in grace at once"
        yield note("settings", words, do)
    if config.behind_tls_proxy and config.mode is Mode.DEVELOPMENT:
        words = "HYPERKMS_BEHIND_TLS_PROXY is for production, and this is development"
        yield note("settings", words, "set HYPERKMS_ENV=production, or unset it")
    try:
        named = service_is_named()
    except HyperkmsError:
        named = False
    if named:
        words = "HYPERKMS_URL is set: commands ask that service, unless they are given --data"
        yield note("settings", words, "unset it where this directory is meant")


def _default(what: What) -> Limit:
    return Limit.parse(DEFAULTS[what], what.name)


def _bind(config: Config) -> str | None:
    """The reason why the service could not listen there; None if it could."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((config.host, config.port))
    except OSError as error:
        return error.strerror or type(error).__name__
    return None
