"""HealthDataService's documented limits, kept to the unit, and stated in the protos as they are enforced."""

from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.datetime_pb2 import DateTime, TimeZone
from hypothesis import given
from hypothesis import strategies as st

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.series_pb2 import Chunk, Encoding, OffsetChange, SeriesDescriptor, SeriesItem, Source
from clarity_server.domain import civil, series
from clarity_server.domain.errors import InvalidInput
from clarity_server.services import rules, rules_auth, wire

PROTOS = Path(__file__).parents[2] / "protos" / "clarity" / "v1"
SEPTEMBER = DateTime(year=2026, month=9, day=1, hours=22)


def opened(**changed: object) -> pb.OpenUpload:
    """Return a good opening with some fields of its series changed."""
    fields = {
        "metric": "heart_rate",
        "source": Source(device="Watch", app="App"),
        "civil": SEPTEMBER,
        "period": Duration(seconds=1),
    }
    return pb.OpenUpload(upload_id="u-1", series=SeriesDescriptor(**{**fields, **changed}))  # type: ignore[arg-type]


def broken(request: pb.OpenUpload) -> set[str]:
    """Return the fields that a translation refuses."""
    try:
        wire.from_open(request)
    except InvalidInput as invalid:
        return set(invalid.violations)
    return set()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"metric": "m" * 64},
        {"source": Source(device="d" * 128, app="a" * 128)},
        {"source": Source(device="Ω watch")},
        {"period": Duration(nanos=1_000_000)},
        {"period": Duration(seconds=24 * 3600)},
        {"period": None},
        {"channels": 16},
        {"revision": 1_000_000},
        {"encoding": Encoding.ENCODING_INT16, "scale": 0.25},
        {"civil": DateTime(year=1800, month=1, day=1)},
        {"civil": DateTime(year=2199, month=12, day=31, hours=23, minutes=59, seconds=59, nanos=999_000_000)},
        {"civil": DateTime(year=2026, month=9, day=1, utc_offset=Duration(seconds=14 * 3600))},
        {"civil": DateTime(year=2026, month=9, day=1, time_zone=TimeZone(id="Australia/Lord_Howe"))},
        {"civil": None, "instant": Timestamp(seconds=-1_640_000_000)},
    ],
)
def test_what_is_allowed_to_the_last_unit_breaks_nothing(changed: dict[str, object]) -> None:
    assert broken(opened(**changed)) == set()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"metric": ""}, "metric"),
        ({"metric": "m" * 65}, "metric"),
        ({"source": Source()}, "source.device"),
        ({"source": Source(device="d" * 129)}, "source.device"),
        ({"source": Source(device="a\nb")}, "source.device"),
        ({"source": Source(device="d", app="a" * 129)}, "source.app"),
        ({"period": Duration()}, "period"),
        ({"period": Duration(nanos=1)}, "period"),
        ({"period": Duration(seconds=24 * 3600, nanos=1_000_000)}, "period"),
        ({"period": Duration(seconds=1 << 60)}, "period"),
        ({"channels": 17}, "channels"),
        ({"channels": -1}, "channels"),
        ({"revision": -1}, "revision"),
        ({"revision": 1_000_001}, "revision"),
        ({"encoding": 7}, "encoding"),
        ({"encoding": Encoding.ENCODING_INT16}, "scale"),
        ({"encoding": Encoding.ENCODING_INT16, "scale": float("inf")}, "scale"),
        ({"scale": 1.0}, "scale"),
        ({"civil": None}, "start"),
        ({"civil": DateTime(year=1799, month=12, day=31)}, "civil"),
        ({"civil": DateTime(year=2026, month=2, day=29)}, "civil"),
        ({"civil": DateTime(month=2, day=2)}, "civil"),
        ({"civil": DateTime(year=2026, month=9, day=1, nanos=1)}, "civil"),
        ({"civil": DateTime(year=2026, month=9, day=1, utc_offset=Duration(seconds=90))}, "civil.utc_offset"),
        ({"civil": DateTime(year=2026, month=9, day=1, time_zone=TimeZone(id="Mars/Olympus"))}, "civil.time_zone"),
        ({"civil": None, "instant": Timestamp(seconds=1 << 40)}, "instant"),
        ({"civil": None, "instant": Timestamp(nanos=-1)}, "instant"),
    ],
)
def test_one_unit_more_breaks_its_own_field(changed: dict[str, object], field: str) -> None:
    assert broken(opened(**changed)) == {f"open.series.{field}"}


@pytest.mark.parametrize("upload_id", ["", "a" * 129, "a/b", "ü", "a b", "a\n"])
def test_an_upload_id_of_another_shape_is_refused(upload_id: str) -> None:
    request = opened()
    request.upload_id = upload_id
    assert broken(request) == {"open.upload_id"}


@pytest.mark.parametrize("crc32c", [-1, 1 << 32])
def test_a_crc_beyond_32_bits_is_refused(crc32c: int) -> None:
    with pytest.raises(InvalidInput):
        wire.from_chunk(Chunk(values=b"1234", crc32c=crc32c))


@pytest.mark.parametrize("seconds", [-14 * 3600 - 60, 14 * 3600 + 60, 30])
def test_an_offset_off_the_globe_or_the_minute_is_refused(seconds: int) -> None:
    with pytest.raises(InvalidInput):
        wire.from_offset_change(OffsetChange(first_sample=1, utc_offset=Duration(seconds=seconds)))


def test_a_finish_needs_a_total_and_a_whole_digest() -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.finish(pb.FinishUpload(total_samples=0, sha256=b"short"))
    assert set(refused.value.violations) == {"total_samples", "sha256"}


def test_an_append_has_a_limit_of_items_and_of_bytes() -> None:
    request = pb.AppendSeriesRequest(upload_id="u", series=opened().series)
    request.items.extend([SeriesItem(chunk=Chunk(values=b"1234"))] * rules.APPEND_ITEMS_MAX)
    rules.append_series(request)
    request.items.append(SeriesItem(chunk=Chunk(values=b"1234")))
    with pytest.raises(InvalidInput):
        rules.append_series(request)


def test_a_range_must_run_forward_and_at_most_ten_years() -> None:
    for end in (SEPTEMBER, DateTime(year=2037, month=1, day=1)):
        with pytest.raises(InvalidInput):
            wire.from_range(pb.ReadSeriesRequest(civil=pb.CivilRange(start=SEPTEMBER, end=end)))


@given(
    kind=st.sampled_from(civil.StartKind),
    ms=st.integers(-5_000_000_000_000, 7_000_000_000_000),
    offset_minutes=st.integers(-14 * 60, 14 * 60),
    period_ms=st.none() | st.integers(1, series.PERIOD_MS_MAX),
    channels=st.integers(1, 16),
    revision=st.integers(0, series.REVISION_MAX),
    scale=st.none() | st.floats(0.0009765625, 1024.0, width=32),
)
def test_a_descriptor_comes_back_as_it_was_sent(
    kind: civil.StartKind,
    ms: int,
    offset_minutes: int,
    period_ms: int | None,
    channels: int,
    revision: int,
    scale: float | None,
) -> None:
    start = civil.Start(
        kind,
        ms,
        utc_offset_s=offset_minutes * 60 if kind is civil.StartKind.OFFSET else None,
        time_zone="Europe/Berlin" if kind is civil.StartKind.ZONE else None,
    )
    descriptor = series.Descriptor(
        metric="heart_rate",
        source=series.Source("device", "app"),
        start=start,
        period_ms=period_ms,
        encoding=series.Encoding.FLOAT32 if scale is None else series.Encoding.INT16,
        scale=1.0 if scale is None else scale,
        channels=channels,
        revision=revision,
    )
    request = pb.OpenUpload(upload_id="u", series=wire.to_descriptor(descriptor), after_result=3)
    assert wire.from_open(request) == ("u", descriptor, 3)


@pytest.mark.parametrize(
    ("file", "stated"),
    [
        ("series.proto", f"{series.CHUNK_BYTES_MAX:,} bytes"),
        ("series.proto", f"at most {series.SCALE_MAX:.0e}".replace("+", "")),
        ("series.proto", f"At most {series.OFFSET_CHANGES_MAX:,} in an upload"),
        ("series.proto", f"1 (also when unset) to {series.CHANNELS_MAX}"),
        ("series.proto", f"0 to {series.REVISION_MAX:,}"),
        ("series.proto", f"0 to\n  // {rules.CRC32C_MAX:,}"),
        ("series.proto", f"Years {civil.YEAR_MIN} to {civil.YEAR_MAX}"),
        ("series.proto", f"1 to {rules.SOURCE_CHARS_MAX} characters"),
        ("series.proto", f"1 to {rules.UPLOAD_ID_CHARS_MAX} characters of"),
        ("health_data_service.proto", f"1 to {rules.UPLOAD_ID_CHARS_MAX} characters"),
        ("health_data_service.proto", f"At most {rules.APPEND_ITEMS_MAX:,} items and 3 MiB"),
        ("health_data_service.proto", f"of days and windows together at most {wire.APPEND_RESULTS_MAX}, ask GetUpload"),
        ("auth_service.proto", f"At most {rules_auth.EMAIL_CHARS_MAX} characters"),
        ("auth_service.proto", f"1 to {rules.REQUEST_ID_CHARS_MAX} characters"),
        ("auth_service.proto", f"At most {rules_auth.REFRESH_TOKEN_CHARS_MAX} characters"),
    ],
)
def test_the_contract_states_the_limit_that_is_enforced(file: str, stated: str) -> None:
    assert stated in (PROTOS / file).read_text(encoding="utf-8")
