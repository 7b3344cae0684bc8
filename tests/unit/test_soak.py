"""`make soak` judges by what has grown, and by answers that were wrong."""

import pytest
from bench.soak import MOST_GROWTH, Sample, growth, main


@pytest.mark.parametrize("percent", [-20.0, 0.0, 0.5, 5.0])
def test_growth_is_a_share_of_the_mean_in_an_hour(percent: float) -> None:
    mean, hours = 1_000_000, 4.0
    steps = [hours * number / 200 for number in range(201)]
    samples = [
        Sample(3600 * at, {"memory": round(mean * (1 + percent / 100 * (at - hours / 2))) + 500 * (-1) ** number})
        for number, at in enumerate(steps)
    ]
    assert growth(samples, "memory") == pytest.approx(percent, abs=0.01)


def test_a_short_run_answers_everything_as_it_must(capsys: pytest.CaptureFixture[str]) -> None:
    """Seconds say nothing of growth: what is asked and answered is looked at, not the verdict."""
    main(["--hours", "0.002", "--rate", "100"])
    told = capsys.readouterr().out
    assert "WRONG" not in told
    for what in ("order", "client's life", "wallet's life", "wrong key", "answer not waited for"):
        assert f" x {what}" in told
    assert told.count(f"at most {MOST_GROWTH:g} %") == 3
