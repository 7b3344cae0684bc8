"""Troubles a test can order. Counts are of the next posts to /exchange; each is used up once."""

from dataclasses import dataclass


@dataclass
class Faults:
    """What goes wrong next; zero means nothing does."""

    rate_limited: int = 0
    """Answer 429 before anything is read."""
    refused: int = 0
    """Answer an error to a well-formed post before any check: no nonce is used up."""
    refusal_text: str = "Refused by a fault switch"
    lost_replies: int = 0
    """Carry the post out, then break the connection: the nonce is used up and nobody is told."""
    delay_ms: int = 0
    """Carry the post out, then hold every answer back this long, until set to 0."""

    def take_rate_limit(self) -> bool:
        """Tell whether this post meets 429."""
        taken, self.rate_limited = self.rate_limited > 0, max(0, self.rate_limited - 1)
        return taken

    def take_refusal(self) -> bool:
        """Tell whether this post is refused."""
        taken, self.refused = self.refused > 0, max(0, self.refused - 1)
        return taken

    def take_lost_reply(self) -> bool:
        """Tell whether the answer to this post is lost."""
        taken, self.lost_replies = self.lost_replies > 0, max(0, self.lost_replies - 1)
        return taken
