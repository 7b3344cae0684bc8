"""Of a cosigner's host: whether one that goes on from a snapshot is noticed."""

from collections.abc import Iterator

from hyperkms.cli.checks.finding import Finding, good, note
from hyperkms.cli.cosigners import is_embedded
from hyperkms.cli.layout import IDENTITY
from hyperkms.config import Config
from hyperkms.state.vm_generation import has_driver, listen

_WHAT = "vm generation"
_BY_CLOCK = "a machine that goes on from a snapshot is noticed once its clock is set, at most"


def vm_generation(config: Config) -> Iterator[Finding]:
    """Nothing where no cosigner runs in this directory, or under it."""
    if not (is_embedded(config) or (config.data / IDENTITY).exists()):
        return
    try:
        listen().close()
    except OSError as error:
        words = f"the kernel cannot be heard ({error.strerror}): {_BY_CLOCK}"
        yield note(_WHAT, words, "allow AF_NETLINK (RestrictAddressFamilies= of systemd, seccomp), on Linux")
        return
    if has_driver():
        words = "the kernel can be heard, and knows the machine's generation: prepared commitments end with it"
        yield good(_WHAT, words)
    else:
        words = f"no driver vmgenid has found a generation id here (none is due on hardware): {_BY_CLOCK}"
        yield note(_WHAT, words, "take no snapshots of this host: docs/mpc.md")
