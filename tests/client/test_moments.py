"""Moments: what a written time says of instant and clock, and nothing that it does not say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from clarity.moments import known, observation, said, within
from clarity.v1.health_data_service_pb2 import ListSamplesRequest
from clarity.v1.sample_pb2 import ObservationTime

CET = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "words", "time"),
    [
        ("2026-01-23T07:00", "2026-01-23 07:00", datetime(2026, 1, 23, 7)),
        ("1918-01-23 13:58:30", "1918-01-23 13:58:30", datetime(1918, 1, 23, 13, 58, 30)),
        ("2026-01-23T07:00:00.250", "2026-01-23 07:00:00.25", datetime(2026, 1, 23, 7, 0, 0, 250_000)),
        ("2026-01-23T07:00+01:00", "2026-01-23 07:00+01:00", datetime(2026, 1, 23, 7, tzinfo=CET)),
        ("2026-01-23T07:00-03:30", "2026-01-23 07:00-03:30", datetime(2026, 1, 23, 10, 30, tzinfo=UTC)),
        ("2026-01-23T07:00+00:00", "2026-01-23 07:00+00:00", datetime(2026, 1, 23, 7, tzinfo=UTC)),
        ("2026-01-23T07:00Z", "2026-01-23 07:00 UTC", datetime(2026, 1, 23, 7, tzinfo=UTC)),
        ("2026-01-23T07:00-00:00", "2026-01-23 07:00 UTC", datetime(2026, 1, 23, 7, tzinfo=UTC)),
        ("2026-01-23T07:00[Europe/Zurich]", "2026-01-23 07:00 Europe/Zurich", datetime(2026, 1, 23, 7)),
    ],
)
def test_a_time_is_read_and_said_again(text: str, words: str, time: datetime) -> None:
    assert said(observation(text)) == words
    assert known(observation(text)) == time


def test_only_z_leaves_the_persons_clock_unknown() -> None:
    kinds = {text: observation(f"2026-01-23T07:00{text}").WhichOneof("time") for text in ("", "Z", "-00:00", "+00:00")}
    assert kinds == {"": "civil", "Z": "instant", "-00:00": "instant", "+00:00": "civil"}
    assert not observation("2026-01-23T07:00").civil.HasField("utc_offset")


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-23", "2026-02-30T07:00", "2026-01-23T07:00+01:00[Europe/Zurich]", "[UTC]"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time|is a date without a time"):
        observation(text)


def test_a_range_is_of_one_kind_of_time() -> None:
    civil, instant = ListSamplesRequest(), ListSamplesRequest()
    within(civil, datetime(2026, 1, 1), datetime(2026, 1, 2))
    within(instant, datetime(2026, 1, 1, tzinfo=CET), datetime(2026, 1, 2, tzinfo=UTC))
    assert (civil.WhichOneof("range"), instant.WhichOneof("range")) == ("civil", "instant")
    assert instant.instant.start.ToDatetime(UTC) == datetime(2025, 12, 31, 23, tzinfo=UTC)
    with pytest.raises(ValueError, match="both civil times"):
        within(ListSamplesRequest(), datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC))


def test_a_time_that_is_none_of_the_calendar_can_still_be_said() -> None:
    """Quarantine shows what was sent, whatever that was."""
    wrong, far = ObservationTime(), ObservationTime()
    wrong.civil.year, wrong.civil.month, wrong.civil.day = 2026, 13, 32
    far.instant.seconds = 10**15
    assert said(wrong) == "2026-13-32 00:00"
    assert said(far) == "1000000000000000 s after 1970"
    assert said(ObservationTime()) == "–"
