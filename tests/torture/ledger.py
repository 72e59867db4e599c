"""What the server has promised about one upload, written down by a client that believes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from google.protobuf.message import Message

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.day_pb2 import Day
from clarity.v1.series_pb2 import UploadOpened, UploadProgress, UploadReceipt
from tests.torture.recordings import Recording

Result: TypeAlias = Day | pb.WindowAnalysed


class Lost(AssertionError):
    """An acknowledged sample is not there any more."""


class Wrong(AssertionError):
    """Something is other than the contract, or than a clean run."""


def demand(truth: object, said: str) -> None:
    """Raise Wrong unless something is so."""
    if not truth:
        raise Wrong(said)


def same(one: Message, other: Message) -> bool:
    """Whether two messages are the same, byte for byte."""
    return type(one) is type(other) and spelled(one) == spelled(other)


def spelled(message: Message) -> bytes:
    """A message as bytes: equal messages are equal bytes."""
    return message.SerializeToString(deterministic=True)


def results_of(answer: pb.GetUploadResponse | pb.AppendSeriesResponse) -> list[Result]:
    """The days and windows of an answer, by number."""
    return sorted([*answer.days, *answer.windows], key=lambda one: one.result)


@dataclass
class Ledger:
    """One upload's promises, over all its openings."""

    recording: Recording
    promised: int = 0  # samples acknowledged as committed
    opened: int = 0
    results: dict[int, Result] = field(default_factory=dict)
    receipt: UploadReceipt | None = None

    @property
    def last_result(self) -> int:
        """The number up to which all results were heard."""
        return next(number for number in range(len(self.results) + 1) if number + 1 not in self.results)

    def stands(self, committed: int, crc32c: int, floor: int) -> None:
        """Check a committed count that was told after `floor` had been promised, and hold the server to it."""
        if committed < floor:
            raise Lost(f"{floor} samples were acknowledged and {committed} are committed")
        demand(committed <= self.recording.count, f"{committed} are committed of {self.recording.count}")
        demand(crc32c == self.recording.crc32c(committed), f"the first {committed} samples have crc32c {crc32c}")
        self.promised = max(self.promised, committed)

    def result(self, found: Result) -> None:
        """Write a result down; a number means the same result for ever."""
        known = self.results.setdefault(found.result, found)
        demand(same(known, found), f"result {found.result} was {known} and is {found}")

    def listed(self, results: Sequence[Result], after: int) -> None:
        """Write down a list of results that was asked for after a number: no number is left out."""
        numbers = [one.result for one in results]
        demand(numbers == list(range(after + 1, after + 1 + len(results))), f"after {after} came {numbers}")
        for one in results:
            self.result(one)

    def closed(self, receipt: UploadReceipt) -> None:
        """Write the receipt down; there is only one."""
        known = self.receipt or receipt
        demand(known == receipt, f"the receipt was {known} and is {receipt}")
        self.receipt = receipt


class Hearing:
    """Checks the messages of one stream as they come, and writes them down."""

    def __init__(self, ledger: Ledger, after_result: int) -> None:
        """Begin with what was promised before this stream was opened."""
        self._ledger = ledger
        self._floor = ledger.promised
        self._result = after_result
        self._over = False

    def __call__(self, message: pb.StreamSeriesResponse) -> None:
        demand(not self._over, f"nothing follows a receipt or a problem, and {message} did")
        match message.WhichOneof("message"):
            case "opened":
                self._opened(message.opened)
            case "progress":
                self._progress(message.progress)
            case "day":
                self._listed(message.day)
            case "window":
                self._listed(message.window)
            case "receipt":
                self._over = True
                demand(self._result >= message.receipt.result_count, f"the receipt came after result {self._result}")
                self._ledger.closed(message.receipt)
            case "problem":
                self._over = True
            case other:
                raise Wrong(f"a message of {other}")

    def _opened(self, opened: UploadOpened) -> None:
        self._stands(opened.committed_samples, opened.crc32c)
        self._ledger.opened += 1

    def _listed(self, result: Result) -> None:
        self._ledger.listed([result], self._result)
        self._result = result.result

    def _progress(self, progress: UploadProgress) -> None:
        self._stands(progress.committed_samples, progress.crc32c)
        received, committed, analysed = progress.received_samples, progress.committed_samples, progress.analysed_samples
        demand(analysed <= committed <= received, f"received {received}, committed {committed}, analysed {analysed}")

    def _stands(self, committed: int, crc32c: int) -> None:
        self._ledger.stands(committed, crc32c, self._floor)
        self._floor = committed
