"""The wallets of a data directory, opened by this process; answers as a service on it would give them."""

from pathlib import Path

from hyperkms.cli.desk import View, built
from hyperkms.cli.operator import actor, operator
from hyperkms.http.conversion import convert
from hyperkms.http.life_views import history_view, migrated_view, retired_view, rotation_view, version_view
from hyperkms.http.schemas import (
    ActivateRequest,
    GenerateAnswer,
    HistoryAnswer,
    RetireRequest,
    RotateAnswer,
    RotateRequest,
    SignActionRequest,
    VersionsAnswer,
    WalletAnswer,
    WalletsAnswer,
)
from hyperkms.http.views import action_view, signed_view, wallet_view
from hyperkms.hyperliquid.members import parse_address
from hyperkms.operations import retire, rotate
from hyperkms.operations.activate import activate
from hyperkms.operations.generate import import_key
from hyperkms.operations.generate_native import generate_by_custody
from hyperkms.operations.import_first_system import migrate
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.operations.parts import Parts
from hyperkms.operations.refusals import ACTION, MESSAGE, Asked, decided
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign import sign_action, sign_message
from hyperkms.state.which import Which
from hyperkms.strict_json import parse
from hyperkms.wallet import Network, WalletId
from hyperkms.wallet_life import KeyFate


class WalletsAtDirectory:
    """Works as an administrator: whoever may open the directory may do everything with it."""

    def __init__(self, parts: Parts, *, page: int) -> None:
        self._parts = parts
        self._page = page

    def generate(self, wanted: NewWallet) -> View:
        """As POST /wallets/generate."""
        made = generate_by_custody(self._parts, actor(), wanted)
        return built(GenerateAnswer(success=True, wallet=wallet_view(made)))

    def page(self, *, after: str, state: str) -> View:
        """As GET /wallets."""
        wallets, which = self._parts.wallets, Which(state)
        found = wallets.page(after=after, limit=self._page + 1, which=which)
        views = [wallet_view(wallet) for wallet in found[: self._page]]
        following = views[-1].wallet_id if len(found) > self._page else None
        total = wallets.count(which)
        return built(WalletsAnswer(success=True, wallets=views, count=len(views), total=total, next=following))

    def show(self, wallet: WalletId) -> View:
        """As GET /wallets/:id."""
        return built(WalletAnswer(success=True, wallet=wallet_view(self._parts.wallets.get(wallet))))

    def versions(self, wallet: WalletId) -> View:
        """As GET /wallets/:id/versions."""
        history = self._parts.wallets.history(wallet)
        views = [version_view(version) for version in history.versions]
        current = history.wallet.current.number
        return built(VersionsAnswer(success=True, wallet_id=wallet, current_version=current, versions=views))

    def history(self, wallet: WalletId) -> View:
        """As GET /wallets/:id/rotation-history."""
        history = self._parts.wallets.history(wallet)
        return built(HistoryAnswer(success=True, wallet_id=wallet, history=history_view(history)))

    def sign(self, wallet: WalletId, message: bytes, version: int | None) -> View:
        """As POST /wallets/sign, of any bytes."""
        asked = Asked(wallet, sign_message, (wallet, message, version))
        return built(signed_view(decided(self._parts, operator(), MESSAGE, asked).wait()))

    def sign_action(self, body: View, action: bytes) -> View:
        """As POST /hyperliquid/sign."""
        asked = convert({**body, "action": parse(action)}, SignActionRequest)
        vault = asked.vault_address
        wanted = ActionRequest(
            wallet=WalletId(asked.wallet_id),
            action=asked.action,
            nonce=asked.nonce,
            vault_address=None if vault is None else parse_address(vault, "vaultAddress"),
            expires_after=asked.expires_after,
            network=Network(asked.network) if asked.network else None,
            version=asked.version,
            approvals=tuple(asked.approvals or ()),
        )
        pending = decided(self._parts, operator(), ACTION, Asked(wanted.wallet, sign_action, (wanted,)))
        return built(action_view(pending.wait()))

    def rotate(self, body: View) -> View:
        """As POST /wallets/rotate."""
        asked = convert(body, RotateRequest)
        wallet = WalletId(asked.wallet_id)
        wanted = rotate.RotateRequest(wallet=wallet, reason=asked.reason, activate=asked.activate)
        rotated = rotate.rotate(self._parts, actor(), wanted)
        return built(RotateAnswer(success=True, rotation=rotation_view(rotated, self._parts.lifetimes)))

    def activate(self, wallet: WalletId, body: View) -> View:
        """As POST /wallets/:id/activate."""
        asked = convert(body, ActivateRequest)
        rotated = activate(self._parts, actor(), wallet, asked.version, reason=asked.reason)
        return built(RotateAnswer(success=True, rotation=rotation_view(rotated, self._parts.lifetimes)))

    def retire(self, wallet: WalletId, body: View) -> View:
        """As POST /wallets/:id/retire."""
        asked = convert(body, RetireRequest)
        fate = KeyFate.AT_ONCE if asked.destroy else KeyFate.AFTER_GRACE
        wanted = retire.RetireRequest(wallet=wallet, version=asked.version, reason=asked.reason, fate=fate)
        done = retire.retire(self._parts, actor(), wanted)
        return built(retired_view(done, wallet_view(done.history.wallet)))

    def migrate(self, wallet: WalletId) -> View:
        """As POST /wallets/migrate."""
        return built(migrated_view(migrate(self._parts, actor(), wallet)))


def imported_at(parts: Parts, wanted: NewWallet, key_file: Path) -> View:
    """The wallet with the key of a file, as it is shown."""
    return built(wallet_view(import_key(parts, actor(), wanted, key_file)))
