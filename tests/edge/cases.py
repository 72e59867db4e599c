"""What every RPC is asked: once for an answer, once for a refusal, and by whom."""

from collections.abc import Callable, Mapping

from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.datetime_pb2 import DateTime

from clarity.v1.access_pb2 import DATA_FAMILY_ACTIVITY
from clarity.v1.health_data_service_pb2 import (
    AppendSeriesRequest,
    CivilRange,
    FinishUploadRequest,
    GetUploadRequest,
    ListDaysRequest,
    ListMetricsRequest,
    OpenUpload,
    ReadSeriesRequest,
    StreamSeriesRequest,
)
from clarity.v1.insight_service_pb2 import (
    GenerateInsightRequest,
    GetAnalysisRequest,
    GetInsightRequest,
    ListAnalysesRequest,
    ListFactsRequest,
    ListInsightsRequest,
    ListModelsRequest,
    StartAnalysisRequest,
    WatchAnalysesRequest,
)
from clarity.v1.series_pb2 import Chunk, SeriesItem
from tests.edge.account_cases import ACCOUNT_CASES, grant
from tests.edge.asking import Case, Cast, Known, foreign, known, own, read
from tests.edge.people import (
    COUNTS,
    DAYS,
    HEART_RATE,
    WEEKS,
    People,
    Person,
    chunk_at,
    days,
    finish_of,
    recording,
    series_of,
)
from tests.edge.sample_cases import SAMPLE_CASES, prepare_samples
from tests.edge.surfaces import Ask

DAY_AND_A_HALF = [float(minute * 7 % 311) for minute in range(36 * 60)]
PULSE = [60.0 + minute % 25 for minute in range(120)]
MONDAY = Date(year=2024, month=3, day=4)


def prepare(people: People, reader: Person, clinician: Person) -> Known:
    """Give the reader what is read: samples, eight days of counts with days and weeks, an insight, and a reading."""
    prepare_samples(people, reader)
    people.stream(reader, "counts", series_of(COUNTS), days())
    people.wait_for_days(reader, DAYS)
    newest = people.wait_for_weeks(reader, WEEKS)[-1]
    assert newest.pat.HasField("output"), "hundreds of floats have to look alike, too"
    insight = people.insight.GenerateInsight(GenerateInsightRequest(), metadata=reader.metadata).insight
    assert insight.analysis_id == newest.analysis_id
    allowed = grant(clinician.account_id)
    allowed.families.append(DATA_FAMILY_ACTIVITY)
    people.auth.CreateGrant(allowed, metadata=reader.metadata)
    asked = read_range(COUNTS)
    asked.account_id = reader.account_id
    assert list(people.data.ReadSeries(asked, metadata=clinician.metadata))[-1].HasField("done")
    return Known(newest.analysis_id, insight.insight_id)


def stream(cast: Cast) -> Ask:
    """A whole recording of two civil days."""
    return Ask(list(recording("streamed", series_of(COUNTS), DAY_AND_A_HALF)), cast.own.access_token)


def stream_with_a_gap(cast: Cast) -> Ask:
    """An hour is missing in the middle."""
    opening = StreamSeriesRequest(open=OpenUpload(upload_id="gap", series=series_of(COUNTS)))
    chunks = [StreamSeriesRequest(chunk=chunk_at(first, PULSE[:60])) for first in (0, 120)]
    return Ask([opening, *chunks], cast.own.access_token)


def append(upload_id: str, chunk: Chunk) -> AppendSeriesRequest:
    return AppendSeriesRequest(upload_id=upload_id, series=series_of(HEART_RATE), items=[SeriesItem(chunk=chunk)])


def corrupt() -> Chunk:
    """A chunk whose bytes are not those its checksum was made of."""
    chunk = chunk_at(0, PULSE)
    chunk.crc32c ^= 1
    return chunk


def finish(upload_id: str, more: int) -> Callable[[Cast], Message]:
    """Finish an upload that was appended to before, claiming `more` samples than there are."""

    def message(cast: Cast) -> Message:
        cast.people.append(cast.own, upload_id, series_of(HEART_RATE), chunk_at(0, PULSE))
        end = finish_of(PULSE)
        return FinishUploadRequest(upload_id=upload_id, total_samples=end.total_samples + more, sha256=end.sha256)

    return message


def read_range(metric: str) -> ReadSeriesRequest:
    start, end = DateTime(year=2024, month=3, day=4, hours=6), DateTime(year=2024, month=3, day=5)
    return ReadSeriesRequest(metric=metric, civil=CivilRange(start=start, end=end))


CASES: Mapping[str, Case] = {
    **ACCOUNT_CASES,
    **SAMPLE_CASES,
    "clarity.v1.HealthDataService/ListMetrics": Case(
        read(ListMetricsRequest(page_size=7)), read(ListMetricsRequest(page_token="nonsense")), "PAGE_TOKEN_INVALID"
    ),
    "clarity.v1.HealthDataService/StreamSeries": Case(stream, stream_with_a_gap, "SEQUENCE_GAP"),
    "clarity.v1.HealthDataService/AppendSeries": Case(
        own(lambda _: append("appended", chunk_at(0, PULSE))),
        own(lambda _: append("corrupted", corrupt())),
        "CHUNK_CORRUPT",
    ),
    "clarity.v1.HealthDataService/GetUpload": Case(
        read(GetUploadRequest(upload_id="counts", after_result=1)),
        read(GetUploadRequest(upload_id="unknown")),
        "UPLOAD_NOT_FOUND",
    ),
    "clarity.v1.HealthDataService/FinishUpload": Case(
        own(finish("finished", 0)), own(finish("miscounted", 1)), "TOTAL_MISMATCH"
    ),
    "clarity.v1.HealthDataService/ReadSeries": Case(
        read(read_range(COUNTS)), read(read_range("steps_of_a_cat")), "METRIC_UNKNOWN"
    ),
    "clarity.v1.HealthDataService/ListDays": Case(
        read(ListDaysRequest(start_date=MONDAY, page_size=1)),
        read(ListDaysRequest(page_size=-1)),
        "REQUEST_INVALID",
    ),
    "clarity.v1.InsightService/StartAnalysis": Case(
        read(StartAnalysisRequest(start_date=MONDAY)),  # it is there already, which a repeat is told
        read(StartAnalysisRequest(start_date=Date(year=2023, month=3, day=4))),
        "WINDOW_NOT_FOUND",
    ),
    "clarity.v1.InsightService/GetAnalysis": Case(
        known(lambda known: GetAnalysisRequest(analysis_id=known.analysis_id)),
        foreign(lambda known: GetAnalysisRequest(analysis_id=known.analysis_id)),
        "ANALYSIS_NOT_FOUND",
    ),
    "clarity.v1.InsightService/ListAnalyses": Case(
        read(ListAnalysesRequest(start_date=MONDAY, superseded=True, page_size=1)),
        read(ListAnalysesRequest(page_token="nonsense")),
        "PAGE_TOKEN_INVALID",
    ),
    "clarity.v1.InsightService/WatchAnalyses": Case(
        lambda cast: Ask([WatchAnalysesRequest()], cast.reader.access_token, until="caught_up"),
        read(WatchAnalysesRequest(resume_token="nonsense")),
        "RESUME_TOKEN_INVALID",
    ),
    "clarity.v1.InsightService/ListModels": Case(
        read(ListModelsRequest(page_size=1)), read(ListModelsRequest(page_size=-1)), "REQUEST_INVALID"
    ),
    "clarity.v1.InsightService/ListFacts": Case(
        known(lambda known: ListFactsRequest(analysis_id=known.analysis_id)),
        foreign(lambda known: ListFactsRequest(analysis_id=known.analysis_id)),
        "ANALYSIS_NOT_FOUND",
    ),
    "clarity.v1.InsightService/GenerateInsight": Case(
        known(lambda known: GenerateInsightRequest(analysis_id=known.analysis_id)),
        own(lambda _: GenerateInsightRequest()),
        "ANALYSIS_NOT_FOUND",
    ),
    "clarity.v1.InsightService/GetInsight": Case(
        known(lambda known: GetInsightRequest(insight_id=known.insight_id)),
        foreign(lambda known: GetInsightRequest(insight_id=known.insight_id)),
        "INSIGHT_NOT_FOUND",
    ),
    "clarity.v1.InsightService/ListInsights": Case(
        read(ListInsightsRequest(page_size=3)), read(ListInsightsRequest(page_token="nonsense")), "PAGE_TOKEN_INVALID"
    ),
}
