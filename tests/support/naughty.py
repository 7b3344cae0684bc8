"""Published texts that have broken programs (vectors/naughty_strings.json)."""

import re

from support.vectors import load

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""What a wallet or a client may be called, as docs/api.md says."""


def naughty_strings() -> list[str]:
    """All of them."""
    return [bytes.fromhex(case["utf8_hex"]).decode() for case in load("naughty_strings.json")["cases"]]


def naughty_names() -> list[str]:
    """Those that are no name of a wallet or client, more than 150."""
    refused = [text for text in naughty_strings() if not NAME.fullmatch(text)]
    assert len(refused) > 150
    return refused
