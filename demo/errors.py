"""What can go wrong in the demo; each message is a plain sentence for whoever runs it.

DemoFailed
├── ServiceFailed    the signing service refused, or did not answer
├── ExchangeFailed   the exchange did not answer, or not as expected
├── NotAnAction      the SDK was asked for a signature that is of no L1 action
├── ProcessFailed    a process of the demo did not come up, or did not stop well
└── LogDisagrees     the exchange saw something else than the demo reports
"""


class DemoFailed(Exception):
    """The root."""


class ServiceFailed(DemoFailed):
    """`status` is the HTTP status, None without an answer; `code` is the problem's, empty if there is none."""

    def __init__(self, sentence: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


class ExchangeFailed(DemoFailed):
    """The exchange did not answer, or not as expected."""


class NotAnAction(DemoFailed):
    """The SDK was asked for a signature that is of no L1 action."""


class ProcessFailed(DemoFailed):
    """A process of the demo did not come up, or did not stop well."""


class LogDisagrees(DemoFailed):
    """The exchange saw something else than the demo reports."""
