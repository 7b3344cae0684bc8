"""What the system gives to a process: memory that stays private, descriptors."""

import resource
from collections.abc import Iterator

from hyperkms import _core
from hyperkms.cli.checks.finding import Finding, bad, good, note
from hyperkms.config import Config
from hyperkms.errors import HyperkmsError

FEW_DESCRIPTORS = 1024
"""A service has one for each connection, and a few dozen."""
TOO_FEW_DESCRIPTORS = 128
_RAISE_LOCK = "raise RLIMIT_MEMLOCK to 1 MiB: ulimit -l 1024, LimitMEMLOCK=1M"


def memory(config: Config) -> Iterator[Finding]:
    """What guards keys in use."""
    try:
        protection = _core.start_memory(config.memory_lock)
    except HyperkmsError as error:
        yield bad("memory", error.message, _RAISE_LOCK)
        return
    if protection.lock == "none":
        yield bad("memory", "pages with keys may be swapped", _RAISE_LOCK)
    elif protection.lock == "memfd_secret":
        yield good("memory", "keys in use lie in memfd_secret pages, which not even root can read")
    else:
        words = "keys in use lie in locked pages; root can read them (the kernel has no memfd_secret)"
        yield good("memory", words)
    if not protection.private:
        yield note("memory", "this system cannot keep pages out of dumps; core files are off")


def core_files() -> Iterator[Finding]:
    """A core file of the service would hold what it had in memory."""
    limit = resource.getrlimit(resource.RLIMIT_CORE)[0]
    if limit == 0:
        yield good("core files", "off")
    else:
        yield bad("core files", f"limit {limit}", "ulimit -c 0, LimitCORE=0")


def descriptors() -> Iterator[Finding]:
    """Every connection needs one."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    shown, do = "unlimited" if limit == resource.RLIM_INFINITY else str(limit), "ulimit -n 65536, LimitNOFILE=65536"
    words = f"{shown} may be open at once"
    if limit == resource.RLIM_INFINITY or limit >= FEW_DESCRIPTORS:
        yield good("descriptors", words)
    elif limit >= TOO_FEW_DESCRIPTORS:
        yield note("descriptors", f"{words}: so many bots can be connected, less some dozens", do)
    else:
        yield bad("descriptors", f"{words}: the service may fail to open its own files", do)
