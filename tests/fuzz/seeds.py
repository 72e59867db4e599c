"""Requests that are right, for the fuzzer to change a little: what is nearly right gets further than nonsense does."""

import hashlib
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

import google_crc32c
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.datetime_pb2 import DateTime

from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1 import insight_service_pb2 as insight
from clarity.v1.access_pb2 import DATA_FAMILY_HEART, PURPOSE_RESEARCH, ROLE_CLINICIAN
from clarity.v1.account_pb2 import Account
from clarity.v1.analysis_pb2 import AnalysisParameters
from clarity.v1.sample_pb2 import (
    AGGREGATE_FUNCTION_PERCENTILES,
    DEVICE_KIND_RING,
    Category,
    Component,
    Correlation,
    ObservationTime,
    Quantity,
    Sample,
)
from clarity.v1.series_pb2 import Chunk, OffsetChange, SeriesDescriptor, SeriesItem, Source

SAMPLES = [float(minute % 300) for minute in range(1440)]
VALUES = struct.pack(f"<{len(SAMPLES)}f", *SAMPLES)
MONDAY = DateTime(year=2024, month=3, day=4)
VERSION = "2026-11"
DEVICE = Source(device="wrist", app="fuzz")


def _series(metric: str) -> SeriesDescriptor:
    start = DateTime(year=2024, month=3, day=4, utc_offset=Duration(seconds=7200))
    return SeriesDescriptor(metric=metric, source=DEVICE, civil=start, period=Duration(seconds=60))


def _chunk(first_sample: int) -> Chunk:
    return Chunk(first_sample=first_sample, values=VALUES, crc32c=google_crc32c.value(VALUES))


def _stream(upload_id: str, metric: str) -> list[Message]:
    finish = health.FinishUpload(total_samples=len(SAMPLES), sha256=hashlib.sha256(VALUES).digest())
    return [
        health.StreamSeriesRequest(open=health.OpenUpload(upload_id=upload_id, series=_series(metric))),
        health.StreamSeriesRequest(offset_change=OffsetChange(first_sample=700, utc_offset=Duration(seconds=3600))),
        health.StreamSeriesRequest(chunk=_chunk(0)),
        health.StreamSeriesRequest(finish=finish),
    ]


def _sample(metric: str, name: str, **value: Any) -> Sample:  # noqa: ANN401  fields
    start = DateTime(year=2024, month=3, day=4, hours=7, utc_offset=Duration(seconds=7200))
    end = DateTime(year=2024, month=3, day=4, hours=7, minutes=30, utc_offset=Duration(seconds=7200))
    return Sample(
        metric=metric,
        source=DEVICE,
        client_record_id=name,
        start=ObservationTime(civil=start),
        end=ObservationTime(civil=end),
        **value,
    )


def _samples() -> list[Sample]:
    """One of every shape, one more to be changed, and one that is put aside."""
    names = ("blood_pressure_systolic", "blood_pressure_diastolic")
    parts = [
        Component(metric=name, quantity=Quantity(value=value, ucum_unit="mm[Hg]"))
        for name, value in zip(names, (120.0, 80.0), strict=True)
    ]
    return [
        _sample("heart_rate", "pulse", quantity=Quantity(value=61.0, ucum_unit="/min")),
        _sample("heart_rate", "again", quantity=Quantity(value=62.0, ucum_unit="/min")),
        _sample("step_count", "steps", quantity=Quantity(value=0.0, ucum_unit="{steps}")),
        _sample("sleep_stage", "stage", category=Category(code="deep", vendor_code="N3")),
        _sample("blood_pressure", "pressure", correlation=Correlation(components=parts)),
        _sample("body_mass", "aside", quantity=Quantity(value=61.0, ucum_unit="/min")),
    ]


def seeds(known: Sequence[str]) -> Mapping[str, Sequence[Sequence[Message]]]:
    """Return right requests by method, as the messages of a call; `known` are ids that exist, first a clinician's."""
    civil = health.CivilRange(start=MONDAY, end=DateTime(year=2024, month=3, day=6))
    monday_s = 1_709_510_400
    instants = health.InstantRange(start=Timestamp(seconds=monday_s), end=Timestamp(seconds=monday_s + 2 * 86_400))
    later = Timestamp(seconds=int(time.time()) + 86_400)
    monday = Date(year=2024, month=3, day=4)
    account = known[0]
    single: Mapping[str, Sequence[Message]] = {
        "SignUp": [
            auth.SignUpRequest(
                email="new@example.org",
                password="Night-0wl",
                display_name="Owl",
                request_id="r",
                accepted_terms_version=VERSION,
                accepted_privacy_version=VERSION,
            )
        ],
        "SignIn": [auth.SignInRequest(email="other@example.org", password="Night-0wl", scopes=["heart.read"])],
        "AnswerChallenge": [auth.AnswerChallengeRequest(ticket="a" * 26, totp_code="123456")],
        "UpdateAccount": [
            auth.UpdateAccountRequest(
                account=Account(display_name="Owl", time_zone="Europe/Zurich", preferences={"goal.steps": "8000"}),
                update_mask=FieldMask(paths=["display_name", "time_zone", "preferences"]),
            )
        ],
        "SetConsent": [auth.SetConsentRequest(purpose=PURPOSE_RESEARCH, given=True, text_version=VERSION)],
        "CreateGrant": [
            auth.CreateGrantRequest(reader_id=account, families=[DATA_FAMILY_HEART], expire_time=later, request_id="g")
        ],
        "ListGrants": [auth.ListGrantsRequest(received=True, page_size=3)],
        "CreateAccount": [auth.CreateAccountRequest(email="made@example.org", roles=[ROLE_CLINICIAN])],
        "FindAccount": [auth.FindAccountRequest(account_id=account)],
        "AppendSeries": [
            health.AppendSeriesRequest(
                upload_id="appended", series=_series("heart_rate"), items=[SeriesItem(chunk=_chunk(0))]
            )
        ],
        "GetUpload": [health.GetUploadRequest(upload_id="appended", after_result=1)],
        "FinishUpload": [
            health.FinishUploadRequest(
                upload_id="appended", total_samples=len(SAMPLES), sha256=hashlib.sha256(VALUES).digest()
            )
        ],
        "ReadSeries": [health.ReadSeriesRequest(metric="heart_rate", source=DEVICE, civil=civil)],
        "ListDays": [health.ListDaysRequest(metric="activity_counts_1min", start_date=monday, page_size=3)],
        "WriteSamples": [
            health.WriteSamplesRequest(samples=_samples()),
            *(health.WriteSamplesRequest(samples=[one], request_id="w") for one in _samples()),
        ],
        "ListSamples": [
            health.ListSamplesRequest(metric="heart_rate", source=DEVICE, civil=civil, page_size=1),
            health.ListSamplesRequest(metric="blood_pressure_systolic"),
        ],
        "AggregateSamples": [
            health.AggregateSamplesRequest(
                metric="heart_rate",
                civil=civil,
                calendar=health.CivilBuckets(unit=health.CivilBuckets.UNIT_DAY),
                functions=[AGGREGATE_FUNCTION_PERCENTILES],
                percentiles=[50.0],
                show_sources=True,
            ),
            health.AggregateSamplesRequest(
                metric="sleep_stage",
                source=DEVICE,
                instant=instants,
                physical=health.PhysicalBuckets(length=Duration(seconds=3600)),
                page_size=3,
            ),
        ],
        "GetSummary": [health.GetSummaryRequest(metrics=["heart_rate", "step_count"])],
        "ListSources": [health.ListSourcesRequest(metrics=["heart_rate"], page_size=1)],
        "UpdateSource": [health.UpdateSourceRequest(source=DEVICE, kind=DEVICE_KIND_RING, priority=1000)],
        "ListChanges": [health.ListChangesRequest(metrics=["heart_rate", "sleep_stage"], page_size=2)],
        "DeleteSamples": [
            health.DeleteSamplesRequest(metrics=["heart_rate"], source=DEVICE, civil=civil, validate_only=True),
            health.DeleteSamplesRequest(metrics=["step_count", "heart_rate"], instant=instants, request_id="d"),
            health.DeleteSamplesRequest(sample_ids=["a" * 26]),
        ],
        "ListQuarantine": [health.ListQuarantineRequest(page_size=1)],
        "SetRetention": [health.SetRetentionRequest(keep_days=36_500, validate_only=True)],
        "StartAnalysis": [
            insight.StartAnalysisRequest(
                metric="activity_counts_1min",
                source=DEVICE,
                start_date=monday,
                parameters=AnalysisParameters(wear="choi"),
            )
        ],
        "ListAnalyses": [insight.ListAnalysesRequest(start_date=monday, superseded=True, page_size=2)],
    }
    streams = [_stream("counts", "activity_counts_1min"), _stream("pulse", "heart_rate")]
    return {name: [[message] for message in messages] for name, messages in single.items()} | {"StreamSeries": streams}
