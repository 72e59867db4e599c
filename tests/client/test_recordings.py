"""Recordings: what is in the file is what is read, and what cannot be read is refused with its line."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clarity import recordings
from clarity.recordings import Recording, RecordingError, read, simulate
from clarity_server.rhythm.bouts import bouts
from clarity_server.rhythm.sleep import oakley
from clarity_server.rhythm.wear import choi

ACTIWATCH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "actiwatch"
needs_actiwatch = pytest.mark.skipif(not ACTIWATCH.is_dir(), reason="needs ../shared/data/actiwatch, see README")
# tmp_path outlives one example; each writes its file anew.
with_files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

AWD_HEADER = ("night shift", "23-Jan-1918", "13:58", " 4 ", "00", "V664055", "X")


def awd(tmp_path: Path, *counts: str, suffix: str = ".AWD", end: str = "\r\n", **header: str) -> Recording:
    """Returns the recording in an Actiwatch file with these counts and these header lines changed."""
    names = ("name", "date", "time", "epoch", "age", "serial", "sex")
    lines = [header.get(name, line) for name, line in zip(names, AWD_HEADER, strict=True)]
    path = tmp_path / f"sensor{suffix}"
    path.write_bytes(end.join([*lines, *counts, ""]).encode("latin-1"))
    return read(path)


def table(tmp_path: Path, *lines: str, header: str = "timestamp,value", name: str = "walk.csv") -> Recording:
    """Returns the recording in a table with these lines under the header."""
    path = tmp_path / name
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return read(path)


def refusal(tmp_path: Path, *lines: str, header: str = "timestamp,value") -> RecordingError:
    """Returns why a table is refused."""
    with pytest.raises(RecordingError) as caught:
        table(tmp_path, *lines, header=header)
    assert str(caught.value).startswith("walk.csv")
    return caught.value


def values(*numbers: float) -> NDArray[np.float32]:
    """Returns numbers as a recording holds them."""
    return np.array(numbers, dtype=np.float32)


# ---- Actiwatch -------------------------------------------------------------------------------------------------


def test_an_actiwatch_file_is_read_whole(tmp_path: Path) -> None:
    recording = awd(tmp_path, "0", "149", "71 M", "  530  ", "12M")
    assert recording.name == "night shift"
    assert recording.device == "Actiwatch V664055"
    assert recording.start == datetime(1918, 1, 23, 13, 58)
    assert recording.start.tzinfo is None
    assert recording.period_s == 60
    assert recording.origin == "sensor.AWD, an Actiwatch file in 60 s epochs"
    assert recording.notes == ("Presses of the marker button, left out: 2.",)
    assert not recording.simulated
    assert recording.values.dtype == np.float32
    np.testing.assert_array_equal(recording.values, values(0, 149, 71, 530, 12))


def test_the_values_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        awd(tmp_path, "1", "2").values[0] = 5


@pytest.mark.parametrize("suffix", [".awd", ".AWD", ".Awd"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_suffixes_and_line_ends_come_as_they_like(tmp_path: Path, suffix: str, end: str) -> None:
    np.testing.assert_array_equal(awd(tmp_path, "1", "2", suffix=suffix, end=end).values, values(1, 2))


@pytest.mark.parametrize(
    ("epoch", "counts", "minutes", "note"),
    [
        (" 2 ", ("1", "2", "3", "4"), (3, 7), None),
        (" 2 ", ("1", "2", "3"), (3,), "The last 30 s were left out: they do not fill a minute."),
        ("1", ("1", "2", "3", "4", "5", "6", "7", "8"), (10, 26), None),
        ("1", ("1", "2", "3", "4", "5", "6", "7"), (10,), "The last 45 s were left out: they do not fill a minute."),
    ],
)
def test_short_epochs_are_summed_into_whole_minutes(
    tmp_path: Path, epoch: str, counts: tuple[str, ...], minutes: tuple[float, ...], note: str | None
) -> None:
    recording = awd(tmp_path, *counts, epoch=epoch)
    assert recording.period_s == 60
    np.testing.assert_array_equal(recording.values, values(*minutes))
    assert recording.notes[0].endswith("were summed into minutes.")
    assert recording.notes[1:] == ((note,) if note else ())


@pytest.mark.parametrize("month", range(1, 13))
def test_months_are_english_on_every_machine(tmp_path: Path, month: int) -> None:
    english = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * month - 3 : 3 * month]
    for spelled in (english, english.upper(), english.lower()):
        assert awd(tmp_path, "1", date=f"05-{spelled}-2004").start == datetime(2004, month, 5, 13, 58)


def test_a_name_in_an_old_windows_encoding_can_be_read(tmp_path: Path) -> None:
    assert awd(tmp_path, "1", name="J\xf8rgen").name == "Jørgen"


def test_a_recording_without_a_name_or_serial_is_named_by_its_file(tmp_path: Path) -> None:
    recording = awd(tmp_path, "1", name="", serial=" ")
    assert (recording.name, recording.device) == ("sensor", "Actiwatch")


@pytest.mark.parametrize(
    ("header", "line", "problem"),
    [
        ({"date": "23.01.1918"}, 2, "'23.01.1918' is not a date"),
        ({"date": "23-Mai-1918"}, 2, "is not a date"),
        ({"date": "30-Feb-1918"}, 2, "not in the calendar"),
        ({"time": "25:00"}, 2, "not in the calendar"),
        ({"time": "1:58 PM"}, 3, "'1:58 PM' is not a time"),
        ({"epoch": "8"}, 4, "120 s epochs"),
        ({"epoch": "3"}, 4, "'3' is not an epoch code"),
        ({"epoch": ""}, 4, "'' is not an epoch code"),
        ({"epoch": "²"}, 4, "is not an epoch code"),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(
    tmp_path: Path, header: dict[str, str], line: int, problem: str
) -> None:
    with pytest.raises(RecordingError, match=problem) as caught:
        awd(tmp_path, "1", **header)
    assert caught.value.line == line
    assert caught.value.remedy


@pytest.mark.parametrize("bad", ["-5", "1.5", "M", "1e3", "nan", "1 2", "", "9" * 400, "٣"])
def test_a_line_that_is_not_a_count_is_refused_by_its_number(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "bad.awd"
    path.write_text("\r\n".join([*AWD_HEADER, "0", bad, "0"]), encoding="utf-8", newline="")
    with pytest.raises(RecordingError, match=r"bad\.awd, line 9: .* is not a count") as caught:
        read(path)
    assert caught.value.line == 9


def test_a_message_shows_no_more_of_the_file_than_a_person_can_read(tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as caught:
        awd(tmp_path, "x" * 1_000_000)
    assert len(str(caught.value)) < 200
    assert len(str(refusal(tmp_path, header="y" * 100_000))) < 200


@pytest.mark.parametrize("lines", [(), AWD_HEADER[:5], AWD_HEADER])
def test_an_actiwatch_file_without_counts_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    path = tmp_path / "short.awd"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RecordingError, match="first count stands in line 8"):
        read(path)


def test_less_than_a_minute_of_counts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no whole minute"):
        awd(tmp_path, "1", "2", "3", epoch="1")


@needs_actiwatch
@pytest.mark.parametrize("file", ["example_01.AWD", "example_03.AWD", "example_05.AWD"])
def test_a_real_recording_is_what_the_reference_says(file: str) -> None:
    reference = json.loads((ACTIWATCH / "reference.json").read_text(encoding="utf-8"))["recordings"][file]
    assert hashlib.sha256((ACTIWATCH / file).read_bytes()).hexdigest() == reference["sha256"]
    recording = read(ACTIWATCH / file)
    assert recording.start == datetime.fromisoformat(reference["start"])
    assert recording.period_s == reference["epoch_seconds"]
    assert len(recording.values) == reference["samples"]
    assert recording.values.mean(dtype=np.float64) == pytest.approx(reference["mean"], abs=1e-9)
    assert recording.values.max() == reference["max"]
    assert np.mean(recording.values == 0) == pytest.approx(reference["zero_fraction"], abs=1e-12)
    assert recording.notes == (f"Presses of the marker button, left out: {reference['marker_rows']}.",)


# ---- tables ----------------------------------------------------------------------------------------------------


def test_a_table_without_offsets_floats(tmp_path: Path) -> None:
    recording = table(tmp_path, "2026-01-23T13:58:00,5", "2026-01-23T13:59:00,0.25", "2026-01-23T14:00:00,-1e2")
    assert recording.start == datetime(2026, 1, 23, 13, 58)
    assert recording.start.tzinfo is None
    assert recording.period_s == 60
    assert (recording.name, recording.device) == ("walk", "unknown")
    assert recording.origin == "walk.csv, a table of timestamp,value"
    assert recording.notes == ()
    np.testing.assert_array_equal(recording.values, values(5, 0.25, -100))


def test_depresjons_own_table_is_read_by_its_activity(tmp_path: Path) -> None:
    lines = ("2003-03-18 15:00:00,2003-03-18,60", "2003-03-18 15:01:00,2003-03-18,264")
    recording = table(tmp_path, *lines, header="timestamp,date,activity")
    assert (recording.start, recording.device) == (datetime(2003, 3, 18, 15), "Actiwatch")
    np.testing.assert_array_equal(recording.values, values(60, 264))


def test_a_table_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "walk.CSV"
    path.write_bytes(b'\xef\xbb\xbf"Timestamp","Value"\r\n2026-01-23 13:58, 5 \r\n\r\n2026-01-23 13:59,"6"\r\n \r\n')
    np.testing.assert_array_equal(read(path).values, values(5, 6))


def test_an_empty_value_is_no_value_and_no_zero(tmp_path: Path) -> None:
    recording = table(tmp_path, "2026-01-01T00:00,", "2026-01-01T00:01,NaN", "2026-01-01T00:02,0")
    np.testing.assert_array_equal(recording.values, values(math.nan, math.nan, 0))


def test_a_gap_of_whole_periods_is_missing_values(tmp_path: Path) -> None:
    recording = table(tmp_path, "2026-01-01T00:00,1", "2026-01-01T00:01,2", "2026-01-01T00:05,3")
    np.testing.assert_array_equal(recording.values, values(1, 2, math.nan, math.nan, math.nan, 3))
    assert recording.notes == ("Samples without a row, kept as missing: 3.",)


def test_a_tie_between_periods_goes_to_the_shorter(tmp_path: Path) -> None:
    recording = table(tmp_path, "2026-01-01T00:00,1", "2026-01-01T00:04,2", "2026-01-01T00:06,3")
    assert recording.period_s == 120


def test_an_offset_that_changes_midway_leaves_the_instants_regular(tmp_path: Path) -> None:
    recording = table(
        tmp_path,
        "2026-03-29T01:58:00+01:00,1",
        "2026-03-29T01:59:00+01:00,2",
        "2026-03-29T03:00:00+02:00,3",
        "2026-03-29T03:02:00+02:00,4",
        "2026-03-28T21:03:00-04:00,5",
    )
    assert recording.start == datetime(2026, 3, 29, 1, 58, tzinfo=timezone(timedelta(hours=1)))
    assert recording.offset_changes == ((2, 7200), (5, -14400))
    assert recording.offset_known
    np.testing.assert_array_equal(recording.values, values(1, 2, 3, math.nan, 4, 5))


def test_offsets_that_do_not_change_are_no_changes(tmp_path: Path) -> None:
    recording = table(tmp_path, "2026-01-01T00:00+05:45,1", "2026-01-01T00:01+05:45,2")
    assert recording.start.utcoffset() == timedelta(hours=5, minutes=45)
    assert recording.offset_changes == ()


@pytest.mark.parametrize(
    ("first", "second", "known"),
    [("Z", "Z", False), ("-00:00", "Z", False), ("+00:00", "+00:00", True), ("Z", "+00:00", True)],
)
def test_z_everywhere_tells_the_instant_and_not_the_clock(
    tmp_path: Path, first: str, second: str, *, known: bool
) -> None:
    recording = table(tmp_path, f"2026-01-01T00:00:00{first},1", f"2026-01-01T00:01:00{second},2")
    assert recording.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert recording.offset_known is known


A = "2026-01-01T00:00,1"
B = "2026-01-01T00:01,2"
C = "2026-01-01T00:02,3"


@pytest.mark.parametrize(
    ("lines", "line", "problem", "remedy"),
    [
        ((A, B, C, "2026-01-01T00:02:30,4"), 5, "30 s after the line before, no multiple", "split the file"),
        ((A, B, C, "2026-01-01T00:03:01,4"), 5, "61 s after the line before, no multiple", "Correct the"),
        ((A, C, B), 4, "comes after", "Put the rows in order; where the clocks were put back"),
        ((A, B, B), 4, "in the line before already", "Keep one"),
        ((A, "2026-01-01T00:01Z,2"), 3, "do not both carry a UTC offset", "in every line or in none"),
        (("2026-01-01T00:01Z,2", C), 3, "do not both carry a UTC offset", "in every line or in none"),
        ((A, "01/01/2026 00:01,2"), 3, "'01/01/2026 00:01' is not a timestamp", "Write it like"),
        ((A, "2026-02-30T00:01,2"), 3, "is not a timestamp", "Write it like"),
        ((A, ",2"), 3, "'' is not a timestamp", "Write it like"),
        ((A, "2026-01-01T00:01,five"), 3, "'five' is not a number", "leave it empty"),
        ((A, "2026-01-01T00:01,1_000"), 3, "'1_000' is not a number", "leave it empty"),
        ((A, "2026-01-01T00:01,٣"), 3, "is not a number", "leave it empty"),
        ((A, "2026-01-01T00:01,inf"), 3, "'inf' is infinite", "Leave the value empty"),
        ((A, "2026-01-01T00:01,-Infinity"), 3, "is infinite", "Leave the value empty"),
        ((A, "2026-01-01T00:01,1e39"), 3, "too large for a 32-bit float", "Leave the value empty"),
        ((A, "2026-01-01T00:01,2,5"), 3, "the header has 2 cells and this line 3", "a point in decimals"),
        ((A, "2026-01-01T00:01"), 3, "this line 1", "one cell for each column"),
        ((A, '2026-01-01T00:01,"2"x'), 3, "is not a table", "quotation marks"),
        ((A, "2026-01-01T00:00:00.5,2"), 3, "comes 0.5 s after", "whole seconds"),
        ((A, B, "2126-01-01T00:00,3"), 4, "lies more than 10,000,000 samples", "Split the file"),
        ((A,), None, "the table has 1", "longer recording"),
        ((), None, "the table has 0", "longer recording"),
    ],
)
def test_a_table_that_cannot_be_read_faithfully_is_refused(
    tmp_path: Path, lines: tuple[str, ...], line: int | None, problem: str, remedy: str
) -> None:
    error = refusal(tmp_path, *lines)
    assert error.line == line
    assert problem in error.problem
    assert remedy in error.remedy
    assert line is None or f"line {line}" in str(error)


def test_clocks_put_back_are_not_blamed_where_offsets_are_written(tmp_path: Path) -> None:
    error = refusal(tmp_path, "2026-01-01T00:01+01:00,1", "2026-01-01T00:01+02:00,2")
    assert error.remedy == "Put the rows in order"


@pytest.mark.parametrize("header", ["time,value", "timestamp;value", "value,timestamp", A, "", "timestamp,value,"])
def test_another_header_is_refused_with_the_right_one(tmp_path: Path, header: str) -> None:
    error = refusal(tmp_path, A, B, header=header)
    assert "the header is" in error.problem
    assert "timestamp,value or timestamp,date,activity" in error.remedy


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("timestamp,value\n", encoding="utf-16")
    with pytest.raises(RecordingError, match=r"wide\.csv: is not UTF-8 text .* Save it again"):
        read(path)


@pytest.mark.parametrize("name", ["walk.xlsx", "walk", "walk.csv.gz"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError, match=r"Give an Actiwatch \.awd or a \.csv file"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["large.awd", "large.csv"])
def test_a_file_too_large_is_refused_before_it_is_read_as_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(recordings.FILE_BYTES_MAX + 1)  # sparse: takes no disk
    with pytest.raises(RecordingError, match="larger than 33,554,432 bytes"):
        read(path)


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing.csv")


@with_files
@given(
    samples=st.lists(
        st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False)), min_size=2, max_size=20
    ),
    start=st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)),
    period_s=st.sampled_from([1, 30, 60, 300, 86_400]),
    offset_minutes=st.one_of(st.none(), st.integers(-14 * 60, 14 * 60)),
)
def test_what_is_written_is_read(
    tmp_path: Path, samples: list[float | None], start: datetime, period_s: int, offset_minutes: int | None
) -> None:
    zone = None if offset_minutes is None else timezone(timedelta(minutes=offset_minutes))
    start = start.replace(tzinfo=zone)
    times = [start + k * timedelta(seconds=period_s) for k in range(len(samples))]
    rows = zip(times, samples, strict=True)
    recording = table(tmp_path, *(f"{time.isoformat()},{'' if v is None else repr(v)}" for time, v in rows))
    assert recording.start == start
    assert (recording.start.tzinfo is None) == (zone is None)
    assert recording.period_s == period_s
    np.testing.assert_array_equal(recording.values, values(*(math.nan if v is None else v for v in samples)))


@with_files
@given(kept=st.sets(st.integers(0, 200), max_size=80))
def test_rows_left_out_are_missing_and_nothing_moves(tmp_path: Path, kept: set[int]) -> None:
    minutes = sorted(kept | {0})
    minutes += range(201, 202 + len(minutes))  # enough single steps to make a minute the period
    start = datetime(1918, 1, 23, 13, 58)
    recording = table(tmp_path, *(f"{start + timedelta(minutes=m)},{m}" for m in minutes))
    expected = np.full(minutes[-1] + 1, np.nan, dtype=np.float32)
    expected[minutes] = minutes
    np.testing.assert_array_equal(recording.values, expected)


@with_files
@given(text=st.text(max_size=200), suffix=st.sampled_from([".awd", ".csv"]))
def test_any_text_is_a_recording_or_refused(tmp_path: Path, text: str, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_text("timestamp,value\n" * (suffix == ".csv") + text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(RecordingError):
        read(path)


# ---- simulated -------------------------------------------------------------------------------------------------


def test_a_simulation_says_that_it_is_one() -> None:
    recording = simulate(7)
    assert recording.simulated
    assert recording.name == "SIMULATED 7"
    assert recording.device == "simulated"
    assert recording.origin == "simulated with seed 7: nobody wore anything"


def test_a_seed_gives_one_recording_and_another_seed_another() -> None:
    np.testing.assert_array_equal(simulate(1).values, simulate(1).values)
    assert not np.array_equal(simulate(1).values, simulate(2).values)


@pytest.mark.parametrize("days", [1, 2, 7, 13, 366])
def test_a_simulation_has_the_days_asked_for(days: int) -> None:
    recording = simulate(3, days)
    assert recording.period_s == 60
    assert recording.start.tzinfo is None
    assert recording.values.shape == (days * 1440,)
    assert recording.values.dtype == np.float32
    assert (recording.values >= 0).all()
    np.testing.assert_array_equal(recording.values, np.round(recording.values))


@pytest.mark.parametrize("days", [0, -1, 367])
def test_a_simulation_of_no_days_or_of_years_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="give 1 to 366"):
        simulate(1, days)


@pytest.mark.parametrize("seed", range(5))
def test_a_simulated_person_sleeps_at_night_and_takes_the_sensor_off(seed: int) -> None:
    recording = simulate(seed)
    counts = recording.values.astype(np.float64)
    worn = choi(counts)
    asleep = oakley(counts) & worn
    first = recording.start.hour * 60 + recording.start.minute
    hour = (first + np.arange(len(counts))) // 60 % 24
    assert asleep[worn & (hour >= 2) & (hour < 5)].mean() > 0.9
    assert asleep[worn & (hour >= 9) & (hour < 12)].mean() < 0.35
    assert 0.02 < 1 - worn.mean() < 0.2
    assert max(end - start for start, end in bouts(~worn)) > 600
    assert 80 < counts.mean() < 300
