"""The two places of a command: the data directory of a service, or the service itself."""

import json
from dataclasses import dataclass
from typing import Any

from support.commands import refusal, run
from support.service import Service

PLACES = ("data", "url")


@dataclass(frozen=True)
class Place:
    """Commands run in one of them; `group` stands before their words."""

    service: Service
    where: str
    group: tuple[str, ...] = ()

    def text(self, *words: str, stdin: str = "") -> str:
        """What a command prints; it has to succeed."""
        done = run(*self._words(words), cwd=self.service.data.parent, stdin=stdin, **self._settings())
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def json(self, *words: str, stdin: str = "") -> Any:
        """The one document that it prints with --json."""
        return json.loads(self.text(*words, "--json", stdin=stdin))

    def refusal(self, *words: str, stdin: str = "") -> str:
        """The line of a command that has to be refused."""
        return refusal(*self._words(words), cwd=self.service.data.parent, stdin=stdin, **self._settings())

    def _words(self, words: tuple[str, ...]) -> tuple[str, ...]:
        flags = ("--data", str(self.service.data)) if self.where == "data" else ()
        return (*self.group, *words, *flags)

    def _settings(self) -> dict[str, str]:
        if self.where == "data":
            return {}
        return {"HYPERKMS_URL": self.service.url, "HYPERKMS_API_KEY": self.service.key}
