"""The page of metrics, read by Prometheus' own parser."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from hyperkms.metrics.samples import CONTENT_TYPE
from support.service import Answer, Service


@dataclass(frozen=True)
class Scraped:
    """Every sample by name and labels, and the type of every family."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]
    types: Mapping[str, str]

    def value(self, name: str, **labels: str) -> float:
        """The sample with exactly these labels."""
        return self.samples[name, frozenset(labels.items())]

    def total(self, name: str, **labels: str) -> float:
        """The sum of those with at least these labels."""
        wanted = labels.items()
        return sum(value for (found, having), value in self.samples.items() if found == name and wanted <= having)


def scrape(service: Service) -> Scraped:
    """Ask with the administrator's key."""
    return parse(service.get("/metrics"))


def parse(answer: Answer) -> Scraped:
    """An answer that must be a page."""
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == CONTENT_TYPE
    families = list(text_string_to_metric_families(answer.body.decode()))
    samples = [sample for family in families for sample in family.samples]
    keyed = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(keyed) == len(samples), "no series stands twice"
    # The parser takes _total off the names of counters.
    types = {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}
    return Scraped(keyed, types)
