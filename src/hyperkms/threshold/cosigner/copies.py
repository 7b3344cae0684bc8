"""Second copies of shares, for a recipient whose key is offline: durable before a cosigner says that it keeps a share.

No epoch comes into force, and no address is shown, before all n have said so: where it is shown, every cosigner with a
recipient has its copy.
"""

from pathlib import Path

from hyperkms.custody.key_copies import read_recipient
from hyperkms.errors import Unavailable
from hyperkms.state.durable import new_file, sync
from hyperkms.state.share_rows import ShareRow
from hyperkms.threshold.cosigner.ourselves import Ourselves, Place
from hyperkms.threshold.cosigner.root_key import open_share


class Copies:
    """Those in one folder, for the recipient of one file; none are made where no file is named."""

    def __init__(self, folder: Path, recipient: Path | None) -> None:
        self._folder = folder
        self._recipient = None if recipient is None else read_recipient(recipient)

    def make(self, ourselves: Ourselves, row: ShareRow) -> None:
        """The copy of this share, durable on return; Unavailable or Malformed where there can be none."""
        if self._recipient is None or row.sealed is None:
            return
        place = Place(wallet=row.wallet, version=row.version, epoch=row.epoch)
        share = open_share(row.sealed, ourselves.context(place, row.key_type, row.network), ourselves.root)
        copy = share.copy_for(self._recipient)
        try:
            if not self._folder.exists():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                sync(self._folder.parent)
            with new_file(self._folder / f"{_stem(row)}-{row.session.hex()[:16]}.copy") as file:
                file.write(copy)
        except OSError as error:
            raise Unavailable("share-copy-failed", f"{self._folder}: {error.strerror}") from error

    def forget_before(self, row: ShareRow) -> None:
        """Remove the copies of the epochs before from this folder; those elsewhere are their operators' to destroy."""
        prefix = _stem(row).rpartition("-e")[0] + "-e"
        for path in self._folder.glob(f"{prefix}*.copy"):
            epoch = path.name.removeprefix(prefix).partition("-")[0]
            if epoch.isdigit() and int(epoch) < row.epoch:
                path.unlink(missing_ok=True)


def _stem(row: ShareRow) -> str:
    return f"{row.wallet}-v{row.version}-e{row.epoch}"
