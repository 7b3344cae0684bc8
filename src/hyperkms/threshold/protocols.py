"""The module of the threshold protocols, for a coordinator: imported when the first wallet in shares needs it.

It is a package of its own. A service without wallets in shares has no need of it, and does not load it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from hyperkms.errors import Unavailable

if TYPE_CHECKING:
    import hyperkms_cosign as cosign
else:

    class _Protocols:
        def __getattr__(self, name: str) -> Any:
            try:
                return getattr(importlib.import_module("hyperkms_cosign"), name)
            except ModuleNotFoundError as missing:
                words = "wallets in shares need the package hyperkms-cosign: install its wheel beside that of hyperkms"
                raise Unavailable("cosigner-not-installed", words) from missing

    cosign = _Protocols()

__all__ = ["cosign"]
