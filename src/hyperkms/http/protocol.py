"""The server's protocol class: uvicorn's, with the signing routes answered before it makes a task of them."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hyperkms.http.at_once import COUNTED, TAKEN, AtOnce, Outcome, Who, who_asks
from hyperkms.http.body import SMALL_BODY
from hyperkms.http.same_head import SameHead
from hyperkms.http.signed import SIGNED, SignedRequest, is_signed
from hyperkms.http.signing import COUNTED as WAS_COUNTED


class SigningProtocol(HttpToolsProtocol):
    """One connection.

    A request that AtOnce takes never becomes a scope, a cycle and a task. Every other one is handed to the
    class above as if nothing had been tried, with the body gathered so far.
    """

    at_once: AtOnce
    _gathered: bytes | None = None
    """The body of a request that may be answered at once."""
    _says_more = False
    """A header of this request says how the connection goes on."""
    _answering: "_Answering | None" = None
    _same: SameHead | None = None
    """The head of the request that was answered at once last."""
    _is_last = False
    """The connection closes after this request."""
    _who: Who = None
    """Who sent the request that the parser read last, if it was attempted."""
    _attempted: Outcome | None = None
    """What became of the attempt at the request that the parser reads now."""

    def answer_again(self, data: bytes) -> bool:
        """Answer one whole request with the same head as the last one; False if it is for the parser to read."""
        same, cycle = self._same, self.cycle
        body = None if same is None else same.body_of(data)
        if same is None or body is None or len(body) > SMALL_BODY:
            return False
        if self.flow.write_paused or not cycle.response_complete:
            return False
        outcome = self._attempt(same.url, same.key_hash, body)
        if outcome is TAKEN:
            return True
        self._attempted = outcome
        return False

    def remember_head(self, data: bytes) -> None:
        """These bytes were one whole request, which the parser has read; of two signed ones no heads are the same."""
        answered: object = self.cycle
        if answered is self._answering and isinstance(self._who, bytes):
            self._same = SameHead.of(data, self.url, self._who)

    def on_message_begin(self) -> None:
        """The scope is made only where it is needed."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._says_more = False
        self._gathered = None

    def on_headers_complete(self) -> None:
        """Gather the body here if the request is one of ours and nothing about it is special."""
        if self._may_be_at_once():
            self._gathered = b""
        else:
            self._attempted = None
            self._hand_on()

    def on_body(self, body: bytes) -> None:
        """A small body is gathered; with a larger one the attempt ends."""
        if self._gathered is None:
            super().on_body(body)
        elif len(self._gathered) + len(body) > SMALL_BODY:
            gathered, self._gathered = self._gathered, None
            self._hand_on()
            super().on_body(gathered + body)
        else:
            self._gathered += body

    def on_message_complete(self) -> None:
        """Attempt it, or hand it on."""
        if self._gathered is None:
            super().on_message_complete()
            return
        gathered, self._gathered = self._gathered, None
        self._who = who = None if self._attempted else who_asks(self.url, self.headers, gathered)
        outcome = self._attempted or self._attempt(self.url, who, gathered)
        if outcome is TAKEN:
            return
        self._attempted = None
        self._hand_on(who if isinstance(who, SignedRequest) else None)
        if outcome is COUNTED:
            self.scope[WAS_COUNTED] = True  # type: ignore[literal-required]  # an extension of ours
        super().on_body(gathered)
        super().on_message_complete()

    def _attempt(self, url: bytes, who: Who, body: bytes) -> Outcome:
        before, answering = self.cycle, self._answering
        if answering is None:
            answering = self._answering = _Answering(self)
        answering.response_complete = False
        self.cycle = answering  # type: ignore[assignment]  # what the class above asks of a cycle, it has
        outcome = self.at_once.answer(url, who, body, answering.reply)
        if outcome is not TAKEN:
            answering.response_complete = True
            self.cycle = before
        return outcome

    def _may_be_at_once(self) -> bool:
        cycle = self.cycle
        return (
            self.url in self.at_once.urls
            and not self._is_last
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and self.parser.get_method() == b"POST"
            and self.parser.should_keep_alive()
            and (not self._says_more or self._goes_on_as_usual())
        )

    def _goes_on_as_usual(self) -> bool:
        """A request of HTTP/1.0 that keeps its connection says so in a header, and so does an upgrade."""
        return (
            not self.expect_100_continue
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
        )

    def _hand_on(self, signed: SignedRequest | None = None) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()
        if signed is None and is_signed(self.headers):
            signed = SignedRequest(self.parser.get_method(), url, self.headers)
        if signed is not None:
            self.scope[SIGNED] = signed  # type: ignore[literal-required]  # an extension of ours


class _NobodyWaits:
    """The event of a request that no task waits for."""

    __slots__ = ()

    def set(self) -> None:
        """Nothing to wake."""


_NOBODY_WAITS = _NobodyWaits()


class _Answering:
    """Stands where the class above keeps the request that is under way: later ones wait behind it.

    One a connection, since it answers one request at a time.
    """

    __slots__ = ("_protocol", "disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self, protocol: SigningProtocol) -> None:
        self._protocol = protocol
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False
        self.message_event = _NOBODY_WAITS

    def reply(self, status: int, headers: bytes, body: bytes) -> None:
        """Write the whole answer at once."""
        protocol = self._protocol
        self.response_complete = True
        if self.disconnected or protocol.transport.is_closing():
            return
        common = protocol.at_once.lines_of(protocol.server_state.default_headers)
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        protocol.transport.write(
            b"%b%b%bcontent-length: %d\r\n%b%b" % (STATUS_LINE[status], common, headers, len(body), end, body)
        )
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()
