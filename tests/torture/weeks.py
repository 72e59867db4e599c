"""What an account's weeks have come to, and how two accounts' are compared."""

import asyncio
from collections.abc import Iterable

from google.protobuf.message import Message

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.analysis_pb2 import ANALYSIS_STATE_SUCCEEDED, ANALYSIS_STATE_SUPERSEDED, Analysis
from clarity.v1.insight_pb2 import Fact
from clarity.v1.insight_service_pb2 import ListAnalysesResponse
from tests.torture.ledger import Result, demand, same, spelled
from tests.torture.wire import Caller

LOOK_AGAIN_S = 0.02
WEEKS_WITHIN_S = 30.0


async def current(caller: Caller) -> list[Analysis]:
    """Wait until no week waits, and list the analyses in force."""
    answer = await _waited(caller)
    found = list(answer.analyses)
    while answer.next_page_token:
        answer = await caller.analyses(answer.next_page_token)
        found += answer.analyses
    for one in found:
        demand(one.state == ANALYSIS_STATE_SUCCEEDED, f"in force is {one}")
        demand(same(one, await caller.analysis(one.analysis_id)), f"{one.analysis_id} is another when asked for alone")
    return found


async def _waited(caller: Caller) -> ListAnalysesResponse:
    async with asyncio.timeout(WEEKS_WITHIN_S):
        while True:
            answer = await caller.analyses()
            if not answer.waiting_count:
                return answer
            await asyncio.sleep(LOOK_AGAIN_S)


async def facts(caller: Caller, analyses: Iterable[Analysis]) -> list[Fact]:
    """List the facts of analyses, one analysis after the other."""
    return [fact for one in analyses for fact in await caller.facts(one.analysis_id)]


async def kept(caller: Caller, results: Iterable[Result]) -> None:
    """Demand that every analysis among the results is there, with its facts, and differs in its state at most."""
    for result in results:
        if isinstance(result, pb.WindowAnalysed):
            found = await caller.analysis(result.analysis.analysis_id)
            if found.state == ANALYSIS_STATE_SUPERSEDED:
                found.state = result.analysis.state
            demand(same(found, result.analysis), f"heard was {result.analysis}, kept is {found}")
            demand(await caller.facts(found.analysis_id), f"there are no facts of {found.analysis_id}")


class Names:
    """Names for the ids of one account, in the order in which they come: what remains of an id in another account."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def renamed(self, message: Message) -> bytes:
        """A message as bytes, with names for the ids in it."""
        found = type(message)()
        found.CopyFrom(message)
        match found:
            case pb.WindowAnalysed():
                found.analysis.analysis_id = self._name(found.analysis.analysis_id)
            case Analysis():
                found.analysis_id = self._name(found.analysis_id)
            case Fact():
                found.fact_id, found.analysis_id = self._name(found.fact_id), self._name(found.analysis_id)
                found.of_fact_ids[:] = [self._name(one) for one in found.of_fact_ids]
        return spelled(found)

    def _name(self, its_id: str) -> str:
        return self._names.setdefault(its_id, f"#{len(self._names)}")
