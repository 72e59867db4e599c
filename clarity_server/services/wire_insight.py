"""Proto to domain and back, one function a message: analyses, facts, insights, models. The rest is in wire."""

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from clarity.v1 import analysis_pb2, day_pb2, insight_pb2, model_pb2
from clarity.v1.health_data_service_pb2 import ReadSeriesRequest, StreamSeriesResponse, WindowAnalysed
from clarity_server.domain import insight, models
from clarity_server.domain.analysis import Abstention, Analysed, Analysis, Output, PatReading, Window
from clarity_server.domain.civil import MINUTE_MS
from clarity_server.domain.days import Day
from clarity_server.domain.measures import Unavailable
from clarity_server.services import wire

TRUE = "true"  # how an Analysis spells it in its parameters

# ---- analyses --------------------------------------------------------------------------------------------------------


def to_analysis(analysis: Analysis) -> analysis_pb2.Analysis:
    """Return one run over a window."""
    return analysis_pb2.Analysis(
        analysis_id=analysis.analysis_id,
        state=f"ANALYSIS_STATE_{analysis.state.name}",
        window=_to_window(analysis.window),
        parameters=analysis_pb2.AnalysisParameters(
            wear=analysis.parameters["wear"],
            sleep=analysis.parameters["sleep"],
            rescoring=analysis.parameters["rescoring"] == TRUE,
        ),
        measures=[wire.to_measure(measure) for measure in analysis.measures],
        nights=[wire.to_night(night) for night in analysis.nights],
        hourly_means=[analysis_pb2.HourlyMean(hour=hour, mean=mean) for hour, mean in analysis.hourly_means],
        pat=None if analysis.pat is None else _to_pat(analysis.pat),
    )


def to_result(result: Day | Analysed) -> StreamSeriesResponse:
    """Return a numbered result of an upload as the stream sends it."""
    if isinstance(result, Day):
        return StreamSeriesResponse(day=wire.to_day(result))
    return StreamSeriesResponse(window=_to_window_analysed(result))


def to_results(results: Sequence[Day | Analysed]) -> tuple[list[day_pb2.Day], list[WindowAnalysed]]:
    """Return numbered results of an upload, the days and the windows."""
    days = [wire.to_day(one) for one in results if isinstance(one, Day)]
    return days, [_to_window_analysed(one) for one in results if isinstance(one, Analysed)]


def _to_window_analysed(analysed: Analysed) -> WindowAnalysed:
    return WindowAnalysed(result=analysed.result, analysis=to_analysis(analysed.analysis))


def _to_window(window: Window) -> analysis_pb2.Window:
    return analysis_pb2.Window(
        metric=window.metric,
        source=wire.to_source(window.source),
        start_date=wire.to_date(window.start_date),
        start_time=wire.to_civil(window.start_civil * MINUTE_MS),
        length_minutes=window.length_minutes,
        recorded_minutes=window.recorded_minutes,
        worn_minutes=window.worn_minutes,
        longest_gap_minutes=window.longest_gap_minutes,
        worn_days=window.worn_days,
        offset_change_minutes=window.offset_change_minutes,
        conflict_minutes=window.conflict_minutes,
        input_digest=window.input_digest,
        tzdata_version=window.tzdata_version,
    )


def _to_pat(reading: PatReading) -> analysis_pb2.PatReading:
    message = analysis_pb2.PatReading(
        model=reading.model,
        model_digest=reading.model_digest,
        demonstration=reading.demonstration,
        scaler=reading.scaler,
        scaler_digest=reading.scaler_digest,
        filled_minutes=reading.filled_minutes,
    )
    if isinstance(reading.outcome, Output):
        message.output.CopyFrom(_to_output(reading.outcome))
    else:
        message.unavailable.CopyFrom(_to_abstention(reading.outcome))
    return message


def _to_output(output: Output) -> analysis_pb2.PatOutput:
    return analysis_pb2.PatOutput(
        embedding=output.embedding, attention=output.attention, patch_minutes=output.patch_minutes
    )


def _to_abstention(abstention: Abstention) -> analysis_pb2.Abstention:
    return analysis_pb2.Abstention(
        reason=wire.reason(abstention.reason),
        what=abstention.what,
        found=abstention.found,
        needed=abstention.needed,
        ucum_unit=abstention.ucum_unit,
    )


# ---- facts and insights ----------------------------------------------------------------------------------------------


def to_fact(fact: insight.Fact, whose: str = "") -> insight_pb2.Fact:
    """Return a computed value with its provenance; `whose` is the account, where a grant lets another one read it."""
    message = insight_pb2.Fact(
        fact_id=fact.fact_id,
        analysis_id=fact.analysis_id,
        name=fact.name,
        date=None if fact.day is None else wire.to_date(fact.day),
        ucum_unit=fact.ucum_unit,
        text=fact.text,
        coverage_ratio=fact.coverage_ratio,
        algorithm=fact.algorithm,
        algorithm_version=fact.algorithm_version,
        parameters=fact.parameters,
        input_digest=fact.input_digest,
        model_digest=fact.model_digest,
        of_fact_ids=fact.of_facts,
        minutes=_to_minutes(fact.minutes, whose),
    )
    if isinstance(fact.outcome, Unavailable):
        message.MergeFrom(insight_pb2.Fact(unavailable=wire.reason(fact.outcome)))
    else:
        message.value = fact.outcome
    return message


def _to_minutes(minutes: insight.Minutes, whose: str) -> ReadSeriesRequest:
    """Return the request that reads them."""
    message = ReadSeriesRequest(metric=minutes.metric, source=wire.to_source(minutes.source), account_id=whose)
    if minutes.floating:
        message.civil.start.CopyFrom(wire.to_civil(minutes.start_ms))
        message.civil.end.CopyFrom(wire.to_civil(minutes.end_ms))
    else:
        message.instant.start.CopyFrom(wire.to_instant(minutes.start_ms))
        message.instant.end.CopyFrom(wire.to_instant(minutes.end_ms))
    return message


def from_kind(kind: insight_pb2.InsightKind) -> insight.Kind:
    """Return how much to tell; unset means a summary."""
    named = insight_pb2.InsightKind.Name(kind or insight_pb2.INSIGHT_KIND_SUMMARY)
    return insight.Kind[named.removeprefix("INSIGHT_KIND_")]


def to_insight(found: insight.Insight, whose: str = "") -> insight_pb2.Insight:
    """Return what a person reads about a week."""
    return insight_pb2.Insight(
        insight_id=found.insight_id,
        analysis_id=found.analysis_id,
        kind=f"INSIGHT_KIND_{found.kind.name}",
        language=found.language,
        narrator=found.narrator,
        narrator_version=found.narrator_version,
        sentences=[_to_sentence(sentence) for sentence in found.sentences],
        facts=[to_fact(fact, whose) for fact in found.facts],
        create_time=wire.timestamp(found.create_time.timestamp()),
    )


def _to_sentence(sentence: insight.Sentence) -> insight_pb2.Sentence:
    citations = [insight_pb2.Citation(fact_id=one.fact_id, start=one.start, end=one.end) for one in sentence.citations]
    return insight_pb2.Sentence(text=sentence.text, citations=citations)


# ---- models ----------------------------------------------------------------------------------------------------------


def to_model(manifest: models.Manifest, *, serving: bool) -> model_pb2.Model:
    """Return an installed model."""
    return model_pb2.Model(
        name=manifest.name,
        size=manifest.size,
        variant=manifest.variant,
        kind=f"MODEL_KIND_{manifest.kind.name}",
        digest=manifest.digest,
        source=manifest.source,
        licence=manifest.licence,
        attribution=manifest.attribution,
        summary=manifest.summary,
        scaler=manifest.scaler_name,
        install_time=_install_time(manifest),
        serving=serving,
    )


def _install_time(manifest: models.Manifest) -> Timestamp | None:
    moment = Timestamp()
    try:
        moment.FromJsonString(manifest.installed_time)
    except ValueError:  # as it was told, which nobody checks
        return None
    return moment
