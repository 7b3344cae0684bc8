"""The table of what was asked and answered; a row is printed when it is known."""

from demo.replies import Line

_COLUMNS = {"who": 4, "what": 16, "coin": 5, "side": 5, "size": 6, "price": 9, "nonce": 14, "signer": 13}
_ANSWER = "exchange's answer"


def header() -> str:
    """The names of the columns, underlined."""
    names = "".join(name.ljust(width) for name, width in _COLUMNS.items()) + _ANSWER
    return f"{names}\n{'-' * len(names)}"


def row(line: Line) -> str:
    """One line of the table; an address is shortened to its ends."""
    texts = (
        line.who,
        line.what,
        line.coin,
        line.side,
        line.size,
        line.price,
        "" if line.nonce is None else str(line.nonce),
        f"{line.signer[:6]}..{line.signer[-4:]}" if line.signer else "",
    )
    # A text that fills its column still gets a space behind it.
    cells = "".join(f"{text:{width - 1}} " for text, width in zip(texts, _COLUMNS.values(), strict=True))
    return cells + (line.answer if line.accepted else f"NOT ACCEPTED: {line.answer}")
