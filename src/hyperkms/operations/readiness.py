"""Whether the service can sign."""

from hyperkms import _core
from hyperkms.errors import HyperkmsError
from hyperkms.operations.parts import Parts


def require_ready(parts: Parts) -> None:
    """Unavailable unless records and the database can be written, the secret arena stands and nothing is frozen."""
    if parts.frozen is not None:
        raise parts.frozen.refusal()
    parts.record.check()
    parts.check_writable()
    _core.memory_protection()


def why_not_ready(parts: Parts) -> HyperkmsError | None:
    """What `require_ready` raises; None: it could sign."""
    try:
        require_ready(parts)
    except HyperkmsError as error:
        return error
    return None
