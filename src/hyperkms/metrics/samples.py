"""Values of metrics, and the text in which Prometheus reads them (exposition format 0.0.4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from hyperkms.metrics.catalogue import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Sample:
    """The value of one series; its labels come in the order of the family."""

    values: tuple[str, ...]
    value: float


@dataclass(frozen=True)
class Distribution:
    """The state of one series of a histogram."""

    values: tuple[str, ...]
    buckets: tuple[int, ...]
    """Counts, each bucket for itself; the last one is infinite."""
    total: float


Reading = tuple[Family, Iterable[Sample | Distribution]]


def page(readings: Iterable[Reading]) -> bytes:
    """The whole page; each family must come once."""
    lines: list[str] = []
    for family, samples in readings:
        lines.append(f"# HELP {family.name} {family.words}")
        lines.append(f"# TYPE {family.name} {family.kind.value}")
        for sample in samples:
            labels = tuple(zip(family.labels, sample.values, strict=True))
            if isinstance(sample, Sample):
                lines.append(_line(family.name, labels, sample.value))
            else:
                lines += _of_histogram(family, labels, sample)
    return "\n".join([*lines, ""]).encode()


def _of_histogram(family: Family, labels: tuple[tuple[str, str], ...], found: Distribution) -> Iterable[str]:
    counts = list(accumulate(found.buckets))
    ends = [*(repr(float(bound)) for bound in family.bounds), "+Inf"]
    for end, count in zip(ends, counts, strict=True):
        yield _line(f"{family.name}_bucket", (*labels, ("le", end)), count)
    yield _line(f"{family.name}_sum", labels, found.total)
    yield _line(f"{family.name}_count", labels, counts[-1])


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    """No value of a label has a quote, a backslash or a line break: the catalogue says which there are."""
    shown = ",".join(f'{label}="{text}"' for label, text in labels)
    return f"{name}{{{shown}}} {value!r}" if shown else f"{name} {value!r}"
