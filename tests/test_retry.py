"""How long is waited: facts about the two rules, without any network."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.api.retry import LONGEST_REQUESTED_WAIT, LONGEST_WAIT, draw_wait, read_retry_after

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.row("R30")
def test_fifty_clients_that_failed_together_do_not_come_back_together() -> None:
    """At each try no tenth of the range draws more than a third of them."""
    for tries in range(1, 7):
        most = min(LONGEST_WAIT, 2 ** (tries - 1))
        tenths = Counter(int(10 * draw_wait(tries, Random(seed)) / most) for seed in range(50))
        assert max(tenths.values()) <= 17
        assert len(tenths) >= 8


@given(st.integers(1, 2000), st.integers())
def test_a_drawn_wait_doubles_up_to_a_minute(tries: int, seed: int) -> None:
    assert 0 <= draw_wait(tries, Random(seed)) <= min(60, 2 ** min(tries - 1, 6))


@pytest.mark.row("R29")
@given(st.integers(-(10**6), 10**6), st.integers(-(10**9), 10**9))
def test_a_date_is_measured_against_the_date_of_the_answer(seconds: int, skew: int) -> None:
    """Whatever this machine's clock says."""
    answered = NOW + timedelta(seconds=skew)
    until = format_datetime(answered + timedelta(seconds=seconds), usegmt=True)
    found = read_retry_after(until, format_datetime(answered, usegmt=True), NOW)
    assert found == min(max(seconds, 0), LONGEST_REQUESTED_WAIT)


@pytest.mark.row("R29")
def test_a_date_is_measured_against_our_clock_when_the_answer_has_none() -> None:
    assert read_retry_after("Fri, 20 Nov 2026 12:01:30 GMT", "", NOW) == 90
    assert read_retry_after("Fri, 20 Nov 2026 12:01:30 -0000", "yesterday", NOW) == 90


@pytest.mark.row("R29")
@given(
    st.text()
    | st.sampled_from(["", "0\x1f", "1e3", "NaN", "inf", "-1", "1.5", "9" * 400, "Fri, 99 Nov 2026 12:00:00 GMT"])
)
def test_no_text_is_an_error_or_a_wait_of_more_than_an_hour(value: str) -> None:
    found = read_retry_after(value, value, NOW)
    assert found is None or 0 <= found <= 3600
