"""The log of a service that starts its cosigners: nothing in it looks like a fault, unless there is one."""

import json
import shutil
from pathlib import Path

import pytest

from support.mpc import alive, generate, service_in_shares, sign
from support.service import Service
from support.until import until


def warned(service: Service) -> set[str]:
    """Events of the log that somebody might look at, without the one that says what such cosigners protect against."""
    lines = [json.loads(line) for line in service.lines]
    return {line["event"] for line in lines if line["level"] != "info"} - {"embedded-cosigners"}


@pytest.mark.parametrize("flags", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_a_clean_start_and_a_clean_end_warn_of_nothing(tmp_path: Path, flags: tuple[str, ...]) -> None:
    for turn in ("made", "found"):
        with service_in_shares(tmp_path, *flags) as service:
            until(lambda: alive(service) == [1, 2, 3])
            generate(service, turn)
            sign(service, turn)
        assert warned(service) == set(), service.lines


def test_a_cosigner_that_is_really_not_reached_is_warned_of_by_its_name(tmp_path: Path) -> None:
    with service_in_shares(tmp_path) as service:
        generate(service, "wallet")
    shutil.rmtree(service.data / "cosigners" / "2" / "records")
    with service_in_shares(tmp_path) as service:
        until(lambda: alive(service) == [1, 3])
        sign(service, "wallet")
        until(lambda: "cosigner-not-reached" in warned(service))
    lines = [json.loads(line) for line in service.lines]
    assert {line["cosigner"] for line in lines if line["event"] == "cosigner-not-reached"} == {"cosigner-2"}
    assert "cosigner-ended" in warned(service)
