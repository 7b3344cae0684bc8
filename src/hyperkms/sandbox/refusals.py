"""The two ways the stand-in says no.

* `MalformedBody`: a body that the exchange could not read. HTTP 422, text/plain, one fixed sentence.
* `Refused`: the exchange's own refusal, in its words. HTTP 200 with {"status": "err", "response": words}, or
  {"error": words} for one order of a batch.
"""

MALFORMED_TEXT = "Failed to deserialize the JSON body into the target type"


class MalformedBody(ValueError):
    """The body has the wrong shape. The message says where; clients of /exchange read `MALFORMED_TEXT`."""


class Refused(Exception):
    """A well-formed request was turned down. The message is what the client reads."""
