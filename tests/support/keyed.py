"""Requests with an Idempotency-Key."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.service import Answer, Service

NOOP = {"type": "noop"}
REPLAYED = "idempotency-replayed"


def post(service: Service, path: str, body: object, key: str, *, api_key: str | None = None) -> Answer:
    """A POST under this key; the body goes out as these bytes, or as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"X-API-Key": api_key or service.key, "Idempotency-Key": key}
    return service.request("POST", path, raw=content, headers=sent)


def signatures(data: Path, wallet: str) -> list[dict[str, Any]]:
    """The record's lines of signatures by this wallet."""
    lines = [json.loads(line) for line in _lines(data)]
    return [line["record"] for line in lines if line["record"].get("signature") and line["record"]["wallet"] == wallet]


def _lines(data: Path) -> Sequence[str]:
    """Whole lines: a process that was killed may have left half of one."""
    texts = [path.read_text() for path in sorted((data / "records").glob("*.jsonl"))]
    return [line for text in texts for line in text.splitlines(keepends=True) if line.endswith("\n")]
