"""Second copies of master keys, made when the keys are, for a recipient who is offline (docs/recovery.md)."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hyperkms import _core
from hyperkms.errors import Conflict, Malformed, NotFound, Unavailable
from hyperkms.state.durable import create_file, sync
from hyperkms.wallet import WalletId

_FIRST_WORD = "hkr1-"
_LONGEST = 4096


@dataclass(frozen=True)
class KeyCopies:
    """Where copies are kept, and who opens them: nobody here."""

    folder: Path
    recipient: str

    @property
    def fingerprint(self) -> str:
        """Of the recipient, as people compare it."""
        return _core.recipient_fingerprint(self.recipient)

    def path_of(self, wallet: WalletId, version: int, public_key: bytes) -> Path:
        """The place of a copy; distinct keys never share one."""
        return self.folder / f"{wallet}.{version}.{_core.keccak256(public_key).hex()[:16]}.hkkc"

    def keep(self, copy: bytes, path: Path) -> None:
        """Durable on return; a copy of the same key that is there already stays."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            sync(self.folder.parent)
        except OSError as error:
            raise Unavailable("data-directory-unavailable", f"{self.folder}: {error.strerror}") from error
        with suppress(Conflict):  # a call that was cut off has made it
            create_file(path, copy)


def read_recipient(path: Path) -> str:
    """The recipient in a file with what `hyperkms-recover recipient new` printed, with its fingerprint or without.

    NotFound if there is no such file, Malformed unless it has one recipient whose digits are right.
    """
    try:
        text = path.read_bytes()[:_LONGEST].decode("ascii", "replace")
    except FileNotFoundError as error:
        raise NotFound("recipient-not-found", f"there is no file {path} (HYPERKMS_RECOVERY_RECIPIENT)") from error
    except OSError as error:
        words = f"HYPERKMS_RECOVERY_RECIPIENT: {path} cannot be read: {error.strerror}"
        raise Malformed("malformed-setting", words) from error
    found = [word for word in text.split() if word.lower().startswith(_FIRST_WORD)]
    if len(found) != 1:
        words = f"{path} has no recipient, or several: hkr1- and nine groups of digits (HYPERKMS_RECOVERY_RECIPIENT)"
        raise Malformed("malformed-recipient", words)
    _core.recipient_fingerprint(found[0])
    return found[0]
