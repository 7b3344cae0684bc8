"""Published test vectors, which stand beside the project."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "vectors"

_MULTI_SIG = frozenset({"multiSigActionHash", "payloadMultiSigUser"})
UNREADABLE = frozenset({"dummy"})
"""Types of the published L1 cases that no exchange knows."""


def load(name: str) -> Any:
    """A file of vectors; the test is skipped where the folder is absent."""
    if not FOLDER.is_dir():
        pytest.skip(f"the published vectors are not at {FOLDER}")
    return json.loads((FOLDER / name).read_text())


def user_cases() -> list[dict[str, Any]]:
    """The published cases of user-signed actions, without the parts of a multi-sig."""
    cases = load("hyperliquid_signing.json")
    return [case for case in cases if case["scheme"] == "user" and case["action"].keys().isdisjoint(_MULTI_SIG)]


def l1_cases() -> list[dict[str, Any]]:
    """The published L1 cases of actions that the exchange knows."""
    cases = load("hyperliquid_signing.json")
    return [
        case
        for case in cases
        if case["scheme"] == "l1" and isinstance(case["action"], dict) and case["action"]["type"] not in UNREADABLE
    ]
