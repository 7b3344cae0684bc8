"""Requests with an Idempotency-Key."""

import json
from pathlib import Path
from typing import Any

from support.record import records_in
from support.service import Answer, Service

NOOP = {"type": "noop"}
REPLAYED = "idempotency-replayed"


def post(service: Service, path: str, body: object, key: str, *, api_key: str | None = None) -> Answer:
    """A POST under this key; the body goes out as these bytes, or as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"X-API-Key": api_key or service.key, "Idempotency-Key": key}
    return service.request("POST", path, raw=content, headers=sent)


def signatures(data: Path, wallet: str) -> list[dict[str, Any]]:
    """What the record says of signatures by this wallet, in the order of their times."""
    records = [line["record"] for line in records_in(data / "records")]
    found = [record for record in records if record.get("signature") and record["wallet"] == wallet]
    return sorted(found, key=lambda record: record["time"])
