"""Versions that come into use, or to their end, at every cosigner: who was away is shown the words of the others."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import msgspec

from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.quorum import Quorums
from hyperkms.threshold.wire import Activate, Admit, Asker, Done, Retire, RetireWallet, Said, SignedRequest, Word

NOBODY = Asker(client="-", request_id="-", signed=SignedRequest(authorization=b"", method=b"", target=b"", body=b""))
"""No client asks: a cosigner that would take the service's word for one is not given it either."""
T = TypeVar("T", bound=msgspec.Struct)
Told: TypeAlias = Activate | Retire | RetireWallet
Ask: TypeAlias = Callable[[list[Word]], Told]


@dataclass(frozen=True)
class Versions:
    """Those of one group's keys."""

    quorums: Quorums

    async def admit(self, wallet: str, version: int, asker: Asker, *, within: float) -> None:
        """Admitted by t cosigners at least; the refusal of one, or Unavailable with who is missing, otherwise."""
        links = self.quorums.links
        ask = Admit(wallet=wallet, version=version, asker=asker)
        _, failed = await _ask_each(Attempt(links, links.keys(), within=within), ask, [*links], Done)
        if self._is_done(failed):
            return
        for error in failed.values():
            if not isinstance(error, Unavailable):
                raise error
        raise self.quorums.insufficient(failed)

    async def activate(
        self, wallet: str, version: int, asker: Asker = NOBODY, *, within: float
    ) -> Mapping[int, HyperkmsError]:
        """Current at those that have admitted it or are shown that t others have it so; where it is not, and why."""
        return await self._tell(
            lambda words: Activate(wallet=wallet, version=version, asker=asker, active=words), within=within
        )

    async def spread(self, wallet: str, version: int, refusal: HyperkmsError, *, within: float) -> None:
        """Show a cosigner that was away that t others have the version current; the refusal, if they do not say so."""
        if not self._is_done(await self.activate(wallet, version, within=within)):
            raise refusal

    async def retire(self, wallet: str, version: int, asker: Asker, *, within: float) -> None:
        """Destroyed at all of them; Unavailable, with who has not, otherwise."""
        failed = await self._tell(
            lambda words: Retire(wallet=wallet, version=version, asker=asker, retired=words), within=within
        )
        if failed:
            names = [self.quorums.group.by_index[index].name for index in sorted(failed)]
            words = f"wallet {wallet}, version {version}: its shares are not destroyed yet at {', '.join(names)}"
            raise Unavailable("shares-left", f"{words}; that is tried again until it is done", {"missing": names})

    async def retire_wallet(self, wallet: str, asker: Asker, *, within: float) -> Mapping[int, HyperkmsError]:
        """Signs no more at any of them; those where it still would, and why."""
        return await self._tell(lambda words: RetireWallet(wallet=wallet, asker=asker, retired=words), within=within)

    def _is_done(self, failed: Mapping[int, HyperkmsError]) -> bool:
        """Whether t have done what these have not."""
        return len(failed) <= len(self.quorums.links) - self.quorums.group.threshold

    async def _tell(self, ask: Ask, *, within: float) -> Mapping[int, HyperkmsError]:
        """Ask all of them, then those that refused once more with the words of the others; who failed, and how."""
        links = self.quorums.links
        attempt = Attempt(links, links.keys(), within=within)
        said, failed = await _ask_each(attempt, ask([]), [*links], Said)
        due = [index for index, error in failed.items() if not isinstance(error, Unavailable)]
        if not due or len(said) < self.quorums.group.threshold:
            return failed
        words = [Word(member=index, statement=one.statement) for index, one in sorted(said.items())]
        late, refused = await _ask_each(attempt, ask(words), due, Said)
        return {index: error for index, error in {**failed, **refused}.items() if index not in late}


async def _ask_each(
    attempt: Attempt, ask: Admit | Told, members: list[int], kind: type[T]
) -> tuple[dict[int, T], dict[int, HyperkmsError]]:
    tries = [attempt.ask(index, ask, kind) for index in members]
    outcomes = dict(zip(members, await asyncio.gather(*tries, return_exceptions=True), strict=True))
    for outcome in outcomes.values():
        if isinstance(outcome, BaseException) and not isinstance(outcome, HyperkmsError):
            raise outcome
    said = {index: outcome for index, outcome in outcomes.items() if isinstance(outcome, kind)}
    return said, {index: outcome for index, outcome in outcomes.items() if isinstance(outcome, HyperkmsError)}
