"""What can go wrong in the demo, beside what hyperkms.client raises; each message is a plain sentence.

DemoFailed
├── ExchangeFailed   the exchange did not answer, or not as expected
├── NotForTrading    the wallet that was found cannot trade
├── ProcessFailed    a process of the demo did not come up, or did not stop well
└── LogDisagrees     the exchange saw something else than the demo reports
"""


class DemoFailed(Exception):
    """The root."""


class ExchangeFailed(DemoFailed):
    """The exchange did not answer, or not as expected."""


class NotForTrading(DemoFailed):
    """The wallet that was found cannot trade."""


class ProcessFailed(DemoFailed):
    """A process of the demo did not come up, or did not stop well."""


class LogDisagrees(DemoFailed):
    """The exchange saw something else than the demo reports."""
