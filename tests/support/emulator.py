"""The emulator of AWS (moto) as a server, with one thing that AWS promises and it does not: a name is created once.

Its threads look whether a secret is there, and add it after that: of two callers at the same moment both could be told
that theirs was created, and the key of one would be gone.
"""

import sys
import threading
from typing import Any

from moto.secretsmanager.models import SecretsManagerBackend
from moto.server import main

_creating = threading.Lock()
_create_secret = SecretsManagerBackend.create_secret


def _create_one(backend: SecretsManagerBackend, *words: Any, **named: Any) -> Any:
    with _creating:
        return _create_secret(backend, *words, **named)


if __name__ == "__main__":
    SecretsManagerBackend.create_secret = _create_one  # type: ignore[assignment, method-assign]
    main(sys.argv[1:])
