"""TLS 1.3 between coordinator and cosigners: both sides show a certificate, and each accepts those it was told alone.

The keys of these certificates are ordinary values of OpenSSL, outside what is promised for shares. They keep strangers
out and hide who asks for what; what may be signed is decided by the signatures inside.
"""

import base64
import ssl
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hyperkms.errors import Conflict, Malformed, Refused, Unavailable
from hyperkms.state.durable import create_file

CERTIFICATE = "tls.crt"
KEY = "tls.key"
_YEARS = 10


def make_certificate(folder: Path, name: str) -> str:
    """A new key and a certificate for it that signs itself, in PEM files; the certificate as a group names it.

    Conflict if one is there. The life of the certificate is ten years: what is trusted is the certificate itself.
    """
    try:
        from cryptography import x509  # noqa: PLC0415 (an optional extra)
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.x509.oid import NameOID  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        words = (
            "to make a certificate needs the package cryptography: pip install 'hyperkms[cosigner]', or put "
            f"{CERTIFICATE} and {KEY} into the directory yourself"
        )
        raise Unavailable("cosigner-not-installed", words) from missing
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(own, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        create_file(folder / KEY, private)
        create_file(folder / CERTIFICATE, made.public_bytes(serialization.Encoding.PEM))
    except Conflict as error:
        raise Conflict("certificate-exists", f"{error.message}, and is not overwritten") from error
    return read_certificate(folder)


def read_certificate(folder: Path) -> str:
    """The certificate of a directory, as a group description names it: base64 of DER."""
    path = folder / CERTIFICATE
    try:
        return base64.b64encode(ssl.PEM_cert_to_DER_cert(path.read_text("ascii"))).decode()
    except OSError as error:
        raise Unavailable("key-file-unavailable", f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Malformed("malformed-tls", f"{path} is no certificate in PEM") from error


def server_context(folder: Path, accepted: Collection[str]) -> ssl.SSLContext:
    """For a cosigner: TLS 1.3, from the holder of one of these certificates alone."""
    return _context(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), folder, accepted)


def client_context(folder: Path, accepted: str) -> ssl.SSLContext:
    """For a coordinator: TLS 1.3, to the holder of this certificate alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate is known to the last byte, and says nothing of hosts
    return _context(context, folder, (accepted,))


def require_accepted(peer: ssl.SSLObject | ssl.SSLSocket | None, accepted: Collection[str]) -> None:
    """Refused unless the other side showed one of these certificates itself, and not one that it had signed."""
    shown = None if peer is None else peer.getpeercert(binary_form=True)
    if shown is None or base64.b64encode(shown).decode() not in accepted:
        raise Refused("certificate-unknown", "the other side's certificate is none that the group description names")


def _context(context: ssl.SSLContext, folder: Path, accepted: Collection[str]) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = folder / CERTIFICATE, folder / KEY
    try:
        if key.stat().st_mode & 0o077:
            raise Refused("key-file-permissions", f"the TLS key file {key} is open to others: chmod 600 {key}")
        context.load_cert_chain(certificate, key, password=lambda: b"")
        for text in accepted:
            context.load_verify_locations(cadata=base64.b64decode(text))
    except ssl.SSLError as error:
        words = f"{certificate}, {key} or a certificate of the group description is not of its form ({error.reason})"
        raise Malformed("malformed-tls", words) from error
    except OSError as error:
        raise Unavailable("key-file-unavailable", f"{folder}: {error.strerror}") from error
    return context
