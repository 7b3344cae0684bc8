"""Who is turned away before there is a connection: a stranger never comes as far as a frame, and is logged."""

import ssl

import structlog

_log = structlog.stdlib.get_logger("hyperkms.cosigner")


def watch_handshakes(context: ssl.SSLContext) -> None:
    """Log each handshake of this server that fails: no certificate, an unknown one, an older TLS, or no TLS at all."""
    context.sslobject_class = _Watched


class _Watched(ssl.SSLObject):
    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLCertVerificationError as error:
            _log.warning("refused", code="certificate-unknown", why=error.verify_message)
            raise
        except ssl.SSLError as error:
            _log.warning("refused", code="handshake-failed", why=error.reason)
            raise
