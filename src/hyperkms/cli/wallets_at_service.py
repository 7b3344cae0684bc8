"""The wallets of a running service, which is asked over HTTP."""

from urllib.parse import quote

import msgspec

from hyperkms.cli.desk import View
from hyperkms.cli.remote import Remote
from hyperkms.errors import Malformed
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.wallet import Custody, WalletId


class WalletsAtService:
    """Asks as the client whose key is in HYPERKMS_API_KEY, with its permissions and limits."""

    def __init__(self, remote: Remote, *, page: int) -> None:
        self._remote = remote
        self._page = page

    def generate(self, wanted: NewWallet) -> View:
        """POST /wallets/generate."""
        body: View = {"walletId": wanted.id}
        if wanted.key_type:
            body["keyType"] = wanted.key_type.value
        if wanted.network:
            body["network"] = wanted.network.value
        if wanted.custody is not Custody.STANDARD:
            body["custody"] = wanted.custody.value
        if wanted.metadata:
            body["metadata"] = dict(wanted.metadata)
        return self._remote.post("/wallets/generate", body)

    def page(self, *, after: str, state: str) -> View:
        """GET /wallets, one page."""
        return self._remote.get(f"/wallets?limit={self._page}&state={state}&after={quote(after, safe='')}")

    def show(self, wallet: WalletId) -> View:
        """GET /wallets/:id."""
        return self._remote.get(f"/wallets/{wallet}")

    def versions(self, wallet: WalletId) -> View:
        """GET /wallets/:id/versions."""
        return self._remote.get(f"/wallets/{wallet}/versions")

    def history(self, wallet: WalletId) -> View:
        """GET /wallets/:id/rotation-history."""
        return self._remote.get(f"/wallets/{wallet}/rotation-history")

    def sign(self, wallet: WalletId, message: bytes, version: int | None) -> View:
        """POST /wallets/sign, which takes text."""
        try:
            body: View = {"walletId": wallet, "message": message.decode()}
        except UnicodeDecodeError:
            words = "is not UTF-8, and a service signs text; other bytes are signed with --data"
            raise Malformed.at("--message", words) from None
        if version is not None:
            body["version"] = version
        return self._remote.post("/wallets/sign", body)

    def sign_action(self, body: View, action: bytes) -> View:
        """POST /hyperliquid/sign; the service reads the very digits of the action."""
        return self._remote.post("/hyperliquid/sign", {**body, "action": msgspec.Raw(action)})

    def rotate(self, body: View) -> View:
        """POST /wallets/rotate."""
        return self._remote.post("/wallets/rotate", body)

    def activate(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/activate."""
        return self._remote.post(f"/wallets/{wallet}/activate", body)

    def retire(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/retire."""
        return self._remote.post(f"/wallets/{wallet}/retire", body)

    def migrate(self, wallet: WalletId) -> View:
        """POST /wallets/migrate."""
        return self._remote.post("/wallets/migrate", {"walletId": wallet})
