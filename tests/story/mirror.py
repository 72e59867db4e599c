"""A mirror: one account kept equal to another one by ListChanges alone, through the calls that any client has."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import google_crc32c
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.datetime_pb2 import DateTime

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.sample_pb2 import (
    VERDICT_CONFLICT,
    VERDICT_QUARANTINED,
    Change,
    ObservationTime,
    Sample,
    SampleTombstone,
    SeriesFinished,
    SeriesPart,
    SeriesTombstone,
)
from clarity.v1.series_pb2 import Chunk, Encoding, SeriesDescriptor, SeriesItem
from tests.edge.people import Person

ALWAYS = (  # where a range of all time begins: where the contract's years do
    ObservationTime(civil=DateTime(year=1800, month=1, day=1)),
    ObservationTime(instant=Timestamp(seconds=-5_364_662_400)),
)


@dataclass
class Mirror:
    """Reads the changes of `whose` on one server, and makes `mine` the same on another or the same one."""

    there: HealthDataServiceStub
    whose: Person
    here: HealthDataServiceStub
    mine: Person
    page_size: int = 50
    tokens: list[str] = field(default_factory=lambda: [""])
    applied: int = 0  # the highest number whose change was applied
    kinds: set[str] = field(default_factory=set)  # of changes that were told
    _ids: dict[str, str] = field(default_factory=dict)  # of samples: there, here
    _sent: dict[str, bytearray] = field(default_factory=dict)  # by upload: all value bytes

    def follow(self) -> bool:
        """Apply a page, keep its token, and tell whether there is more."""
        asked = pb.ListChangesRequest(change_token=self.tokens[-1], page_size=self.page_size)
        page = self.there.ListChanges(asked, metadata=self.whose.metadata)
        self._apply(page.changes)
        self.tokens.append(page.next_change_token)
        return page.has_more

    def catch_up(self) -> None:
        """Apply all there is."""
        while self.follow():
            pass

    def go_back(self, pages: int) -> None:
        """Lose what the last pages said: go on as somebody would who had not kept their tokens."""
        del self.tokens[max(1, len(self.tokens) - pages) :]

    def _apply(self, changes: Sequence[Change]) -> None:
        samples: list[Sample] = []
        for change in changes:
            kind = change.WhichOneof("change")
            assert kind is not None, change
            self.kinds.add(kind)
            if kind == "sample":
                samples.append(change.sample)
                continue
            self._write(samples)
            samples.clear()
            self._apply_other(kind, change)
            self.applied = max(self.applied, change.number)
        self._write(samples)
        self.applied = max([self.applied, *(change.number for change in changes)])

    def _apply_other(self, kind: str, change: Change) -> None:
        match kind:
            case "sample_deleted":
                self._delete(change.sample_deleted)
            case "series_part":
                self._append(change.series_part)
            case "series_finished":
                self._finish(change.series_finished)
            case "series_deleted" if change.number > self.applied:  # again, it would delete what came after it
                self._delete_range(change.series_deleted)
            case _:
                assert kind in {"series_deleted", "replaced"}, change

    def _write(self, samples: Sequence[Sample]) -> None:
        if not samples:
            return
        told = self.here.WriteSamples(pb.WriteSamplesRequest(samples=samples), metadata=self.mine.metadata)
        for sample, result in zip(samples, told.results, strict=True):
            assert result.verdict not in {VERDICT_CONFLICT, VERDICT_QUARANTINED}, (sample, result)
            self._ids[sample.sample_id] = result.sample_id

    def _delete(self, gone: SampleTombstone) -> None:
        known = self._ids.get(gone.sample_id)
        if known is not None:  # else it came and went before we were told
            self.here.DeleteSamples(pb.DeleteSamplesRequest(sample_ids=[known]), metadata=self.mine.metadata)

    def _append(self, part: SeriesPart) -> None:
        """Send what is new of a part: of what was sent before, the values may be deleted and blank by now."""
        width = sample_bytes(part.series)
        sent = self._sent.setdefault(part.upload_id, bytearray())
        known = len(sent) // width - part.first_sample
        assert known >= 0, "parts of an upload come in order and without a gap"
        values, offsets = part.values[known * width :], part.offsets_ms[known:]
        if not values:
            return
        chunk = Chunk(
            first_sample=part.first_sample + known,
            values=values,
            crc32c=google_crc32c.value(values + b"".join(one.to_bytes(8, "little", signed=True) for one in offsets)),
            offsets_ms=offsets,
        )
        moves = [
            SeriesItem(offset_change=move) for move in part.offset_changes if move.first_sample >= chunk.first_sample
        ]
        asked = pb.AppendSeriesRequest(
            upload_id=part.upload_id, series=part.series, items=[*moves, SeriesItem(chunk=chunk)]
        )
        self.here.AppendSeries(asked, metadata=self.mine.metadata)
        sent.extend(values)

    def _finish(self, finished: SeriesFinished) -> None:
        """Finish with the digest of what we were told: it is another one where values were deleted before that."""
        asked = pb.FinishUploadRequest(
            upload_id=finished.upload_id,
            total_samples=finished.total_samples,
            sha256=hashlib.sha256(self._sent[finished.upload_id]).digest(),
        )
        self.here.FinishUpload(asked, metadata=self.mine.metadata)

    def _delete_range(self, gone: SeriesTombstone) -> None:
        asked = pb.DeleteSamplesRequest(metrics=[gone.metric], source=gone.source)
        if gone.start in ALWAYS:
            pass  # of both kinds of time at once, also where there is nothing of one of them yet
        elif gone.start.HasField("civil"):
            asked.civil.CopyFrom(pb.CivilRange(start=gone.start.civil, end=gone.end.civil))
        else:
            asked.instant.CopyFrom(pb.InstantRange(start=gone.start.instant, end=gone.end.instant))
        self.here.DeleteSamples(asked, metadata=self.mine.metadata)


def sample_bytes(series: SeriesDescriptor) -> int:
    """Bytes of a sample, all channels."""
    return (2 if series.encoding == Encoding.ENCODING_INT16 else 4) * max(1, series.channels)
