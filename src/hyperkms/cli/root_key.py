"""The root key that stands, for commands that make none."""

from pathlib import Path

from hyperkms.cli.layout import ROOT_KEY
from hyperkms.config import Config
from hyperkms.custody.aws.kms_key import SCHEME as KMS
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import Malformed, Tampered


def file_of(uri: str, data: Path, setting: str = "HYPERKMS_ROOT_KEY") -> Path:
    """Where the file of a local root key is; Malformed for another root key."""
    scheme, _, rest = uri.partition(":")
    if scheme != "file":
        raise Malformed("malformed-setting", f"{setting}: {scheme}: is not one of the root keys: file:")
    return Path(rest) if rest else data / ROOT_KEY


def standing_root_key(uri: str, data: Path, setting: str = "HYPERKMS_ROOT_KEY") -> RootKey:
    """A root key that must be there."""
    path = file_of(uri, data, setting)
    if not path.exists():
        words = f"there is no root key file {path}: put it there, mode 0600, or say {setting}=file:PATH"
        raise Tampered("root-key-missing", words)
    return LocalFileRootKey.open(path)


def where_it_is(config: Config) -> str:
    """The root key's place, in words for an operator."""
    if config.root_key.startswith(KMS):
        return f"the KMS key {config.root_key.removeprefix(KMS)}"
    return f"the file {file_of(config.root_key, config.data)}"
