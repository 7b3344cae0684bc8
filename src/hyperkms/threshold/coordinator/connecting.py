"""Making a connection to a cosigner: a Unix socket, or TLS 1.3 to a host whose certificate is the one described."""

import asyncio
import ssl
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from hyperkms.errors import Malformed, Refused
from hyperkms.threshold.group import Member

UNIX = "unix:"


class Streams(NamedTuple):
    """The two directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def connect(member: Member, tls: ssl.SSLContext | None) -> Streams:
    """A new connection; OSError if there is none to be had, Refused if another host answers."""
    if member.address.startswith(UNIX):
        return Streams(*await asyncio.open_unix_connection(member.address.removeprefix(UNIX)))
    host, _, port = member.address.rpartition(":")
    if tls is None or member.certificate is None or not port.isdigit():
        words = f"cosigner {member.name}: an address of the form host:port needs TLS: certificates in the group"
        raise Malformed("malformed-group", f"{words} description, HYPERKMS_MPC_CERT and HYPERKMS_MPC_KEY")
    streams = Streams(*await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls))
    if not compare_digest(_certificate(streams), member.certificate):
        streams.writer.close()
        words = f"cosigner {member.name}: the certificate at {member.address} is not the one in the group description"
        raise Refused("not-this-member", words)
    return streams


def _certificate(streams: Streams) -> str:
    tls = streams.writer.get_extra_info("ssl_object")
    found = tls.getpeercert(binary_form=True) if tls is not None else None
    return sha256(found or b"").hexdigest()
