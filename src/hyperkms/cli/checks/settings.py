"""Settings that weaken something, say nothing, or contradict each other."""

from collections.abc import Iterator

from hyperkms.access.limits import DEFAULTS, Limit, What
from hyperkms.cli.checks.finding import Finding, good, note
from hyperkms.config import Config, service_is_named
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
