"""How tests start `hyperkms`: all but those of memory fork it, wherever in a session they run."""

from support.started import can_be_forked


def test_no_test_before_this_one_left_processes_to_be_started_by_name() -> None:
    assert can_be_forked({})
