"""The lines of the anchor's file, for who writes it and who reads it (docs/formats.md)."""

import msgspec

from hyperkms.audit.forms import Count, Hash, Head, KeyId, LogId, Signature


class AnchoredHead(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A head, with the log that it is of."""

    log: LogId
    size: Count
    root: Hash
    time: Count
    key_id: KeyId
    signature: Signature

    def head(self) -> Head:
        """Without the log."""
        return Head(time=self.time, size=self.size, root=self.root, key_id=self.key_id, signature=self.signature)


class AnchoredLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That the manifest has a line of this number with this leaf hash."""

    manifest: Count
    hash: Hash
    time: Count
