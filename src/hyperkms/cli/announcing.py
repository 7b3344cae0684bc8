"""What is said when the service listens: one line in the log, one to the person, and the warnings."""

from collections.abc import Iterator
from pathlib import Path

import structlog

from hyperkms.cli.layout import ADMIN_KEY
from hyperkms.cli.listeners import Opened
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.mode import Mode

_log = structlog.stdlib.get_logger("hyperkms.serve")


def announce(config: Config, places: Opened, memory: str, fault: str) -> None:
    """Say that every worker listens; `memory` is how keys in use are kept, `fault` why nothing can be signed, if so."""
    url = places.url
    more = {"socket": f"unix:{config.uds}"} if config.uds and config.port is not None else {}
    _log.info(
        "listening",
        url=url,
        **more,
        mode=config.mode.value,
        data=str(config.data),
        memory=memory,
        workers=config.workers,
        docs=f"{url}/docs" if config.port is not None else "/docs",
        metrics=places.metrics_url,
    )
    if fault:
        _log.error("not-ready", words=fault)
    where = " and ".join([url, *more.values()])
    tell_operator(
        f"hyperkms: {_state(fault)} on {where} ({config.mode.value}; interface at /docs); "
        f"{_where_the_key_is(config.data / ADMIN_KEY)}; Ctrl-C stops"
    )
    for event, words in _warnings(config):
        _log.warning(event, words=words)


def _state(fault: str) -> str:
    if not fault:
        return "ready"
    return f"not ready: {fault}; nothing is signed until that is put right, and GET /ready tells; listening"


def _where_the_key_is(path: Path) -> str:
    if path.exists():
        return f"the administrator's API key is in {path}"
    return f"the administrator's API key was in {path}, which is not there any more"


def _warnings(config: Config) -> Iterator[tuple[str, str]]:
    if config.mode is Mode.PRODUCTION and config.root_key.startswith("file:"):
        yield "local-root-key", "the root key is a local file: who can read it and the database can open every key"
    for note in config.notes:
        yield "unknown-setting", note
    if config.replay_vectors:
        yield "replay", "nonce window, expiry and number checks are off: HYPERKMS_REPLAY_VECTORS"
