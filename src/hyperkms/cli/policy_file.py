"""Policies in files."""

import sys
from pathlib import Path

from hyperkms.access.policy.document import MAX_BYTES, PolicyDocument, read_policy
from hyperkms.errors import Malformed


def read_file(path: Path) -> str:
    """The text of a file, or of standard input for `-`; Malformed if it cannot be read."""
    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if str(path) == "-" else path.read_bytes()
        return raw.decode()
    except OSError as error:
        raise Malformed("malformed-policy", f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Malformed("malformed-policy", f"{path}: it is no UTF-8") from error


def read_policy_file(path: Path) -> PolicyDocument:
    """The policy of a file; Malformed, naming the file and the place in it."""
    text = read_file(path)
    try:
        return read_policy(text)
    except Malformed as error:
        raise Malformed(error.code, f"{path}: {error.message}", error.details) from error
