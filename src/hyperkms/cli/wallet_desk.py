"""Wallets as the commands reach them: by a running service, or in its data directory. The answers are the same."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from hyperkms.cli.desk import View, desk_at, opened
from hyperkms.cli.target import Target
from hyperkms.cli.wallets_at_service import WalletsAtService
from hyperkms.mode import Kind
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.wallet import WalletId

if TYPE_CHECKING:
    from hyperkms.operations.parts import Parts

PAGE = 1000


class WalletDesk(Protocol):
    """The routes of wallets: what they take as `body`, and what they answer as JSON."""

    def generate(self, wanted: NewWallet) -> View:
        """POST /wallets/generate."""

    def page(self, *, after: str, state: str) -> View:
        """GET /wallets, one page."""

    def show(self, wallet: WalletId) -> View:
        """GET /wallets/:id."""

    def versions(self, wallet: WalletId) -> View:
        """GET /wallets/:id/versions."""

    def history(self, wallet: WalletId) -> View:
        """GET /wallets/:id/rotation-history."""

    def sign(self, wallet: WalletId, message: bytes, version: int | None) -> View:
        """POST /wallets/sign."""

    def sign_action(self, body: View, action: bytes) -> View:
        """POST /hyperliquid/sign; the action is JSON text that was read strictly, and goes on as it is."""

    def rotate(self, body: View) -> View:
        """POST /wallets/rotate."""

    def activate(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/activate."""

    def retire(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/retire."""

    def migrate(self, wallet: WalletId) -> View:
        """POST /wallets/migrate."""


def every_wallet(desk: WalletDesk, state: str) -> Iterator[View]:
    """All of them, page by page; where there are several pages, a terminal is shown how far it is."""
    page = desk.page(after="", state=state)
    hidden = "next" not in page or not sys.stderr.isatty()
    with click.progressbar(length=page["total"], label="wallets", file=sys.stderr, hidden=hidden) as bar:
        while True:
            yield from page["wallets"]
            bar.update(page["count"])
            if "next" not in page:
                return
            page = desk.page(after=page["next"], state=state)


def wallet_desk(target: Target) -> AbstractContextManager[WalletDesk]:
    """The desk of the service or directory that the options and settings name."""
    return _desk(target)


def wallet_desk_for(target: Target, wanted: NewWallet) -> AbstractContextManager[WalletDesk]:
    """The same for a new wallet: a data directory that is not there is made, if the wallet can be."""
    return _desk(target, lambda: _directory_for(target, wanted))


def imported(target: Target, wanted: NewWallet, key_file: Path) -> View:
    """A wallet with the key of a file, made in the data directory; only the core reads the file."""
    with _directory_for(target, wanted) as parts:
        from hyperkms.cli.wallets_at_directory import imported_at  # noqa: PLC0415 (as in `desk.opened`)

        return imported_at(parts, wanted, key_file)


def _desk(
    target: Target, directory: "Callable[[], AbstractContextManager[Parts]] | None" = None
) -> AbstractContextManager[WalletDesk]:
    def of_a_service() -> "AbstractContextManager[Parts]":
        """A cosigner's wallets are made and retired by all cosigners together."""
        return opened(target.settings(), create=False, kind=Kind.SERVICE)

    return desk_at(target, partial(WalletsAtService, page=PAGE), _at_directory, directory or of_a_service)


def _at_directory(parts: "Parts") -> WalletDesk:
    from hyperkms.cli.wallets_at_directory import WalletsAtDirectory  # noqa: PLC0415 (as in `desk.opened`)

    return WalletsAtDirectory(parts, page=PAGE)


@contextmanager
def _directory_for(target: Target, wanted: NewWallet) -> "Iterator[Parts]":
    """The data directory for a new wallet; made only if the wallet can be."""
    from hyperkms.cli.assemble import defaults_of  # noqa: PLC0415 (as in `desk.opened`)
    from hyperkms.operations.generate import settle  # noqa: PLC0415

    config = target.settings()
    settle(wanted, defaults_of(config), config.mode)
    with opened(config, create=True) as parts:
        yield parts
