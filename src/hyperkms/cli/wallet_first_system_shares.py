"""`hyperkms wallet first-system-shares`: shares of the first system on their way to `hyperkms-recover`."""

from pathlib import Path

import click

from hyperkms.cli.printing import FORM, Form, show
from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import tell_operator
from hyperkms.cli.wallet import WALLET
from hyperkms.cli.wallet_first_system import KMS_KEY, naming
from hyperkms.errors import Unavailable


@click.command("first-system-shares")
@WALLET
@click.option("--to", "recipient", required=True, metavar="RECIPIENT", help="What `hyperkms-recover begin` printed.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder; made if it is not there.")
@KMS_KEY
@with_settings
@FORM
def first_system_shares_command(
    wallet_id: str,
    recipient: str,
    out: Path,
    kms_key: str | None,
    data: Path | None,
    env_file: Path | None,
    form: Form,
) -> None:
    """Encrypt the shares of a wallet of the first system to a recipient who is offline, one file each.

    KMS decrypts each in the core, which has one at a time and puts none together. Compare the fingerprint that is
    printed with what the recipient reads out to you.
    """
    from hyperkms import _core  # noqa: PLC0415 (as in `desk.opened`)
    from hyperkms.cli.assemble import protect_memory  # noqa: PLC0415 (as above)
    from hyperkms.cli.custody import first_system_of  # noqa: PLC0415 (as above)
    from hyperkms.custody.first_system.wallets import shares_of  # noqa: PLC0415 (as above)
    from hyperkms.state.durable import create_file  # noqa: PLC0415 (as above)

    fingerprint = _core.recipient_fingerprint(recipient)
    config = naming(settings(data, env_file), kms_key)
    protect_memory(config, tell_operator)
    first = first_system_of(config, lambda *_: None)
    if first is None:
        raise AssertionError("its key is named")
    copies = [first.copy_share(share, wallet_id, recipient) for share in shares_of(first, wallet_id)]
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable("data-directory-unavailable", f"{out}: {error.strerror}") from error
    files = [out / f"share-{number}.copy" for number in range(1, len(copies) + 1)]
    for file, copy in zip(files, copies, strict=True):
        create_file(file, copy)
    show({"walletId": wallet_id, "recipientFingerprint": fingerprint, "files": [str(file) for file in files]}, form)


COMMANDS = (first_system_shares_command,)
