"""Facts and insights: what a week's numbers are, and what they say in sentences."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import zstandard

from clarity_server.domain import facts as domain_facts
from clarity_server.domain import paging, sealing
from clarity_server.domain.analysis import Analysis
from clarity_server.domain.errors import AnalysisNotDone, AnalysisNotFound, InsightNotFound
from clarity_server.domain.grounding import violations
from clarity_server.domain.ids import ID_BYTES, keyed_digest, spelled
from clarity_server.domain.insight import Citation, Fact, Form, Insight, Kind, Minutes, Sentence
from clarity_server.domain.measures import Unavailable
from clarity_server.domain.series import Source
from clarity_server.flows.results import unseal_analysis
from clarity_server.flows.weeks import DEFAULT_METHOD
from clarity_server.ports import (
    Insights,
    Keys,
    Narrator,
    Requests,
    StoredAnalysis,
    StoredInsight,
    WindowKey,
    Windows,
)

FACTS_PAGE = 100
FACTS_PAGE_MAX = 1000
INSIGHTS_PAGE = 20
INSIGHTS_PAGE_MAX = 100
GENERATE_KEEP_S = 24 * 3600.0  # how long a repeat of GenerateInsight gets the first answer
LANGUAGE = "en"
WEEK_DAYS = 7
NONE = "-"  # no id: base32 has no dash


class Ungrounded(RuntimeError):
    """A narrator said what no Fact says: our mistake, so nobody reads it. Names rules and places, never a value."""

    def __init__(self, narrator: str, place: int, broken: Sequence[str]) -> None:
        """Name the narrator, the sentence by its place, and what it breaks."""
        super().__init__(f"{narrator}: sentence {place} is not grounded: {', '.join(broken)}")


@dataclass(frozen=True, slots=True)
class _Pair:
    """An Analysis, and that of the week before it where there is one."""

    now: Analysis
    before: Analysis | None
    deletion: int  # the account's newest when the older of the two was read

    @property
    def before_id(self) -> str:
        """The id of the week before, or `NONE`."""
        return self.before.analysis_id if self.before else NONE


@dataclass(frozen=True, slots=True)
class Explain:
    """The verbs, over their ports."""

    windows: Windows
    insights: Insights
    requests: Requests
    keys: Keys
    narrator: Narrator
    clock: Callable[[], float]  # seconds since 1970

    def facts(self, account_id: str, analysis_id: str, page_size: int, token: str) -> tuple[Sequence[Fact], str]:
        """Return a page of an Analysis's Facts and the next token.

        Raises AnalysisNotFound, AnalysisNotDone, PageTokenInvalid; the last one also where the week before was
        analysed anew since the first page, for then other Facts follow.
        """
        pair = self._pair(account_id, self._found(account_id, analysis_id))
        query = ("facts", account_id, analysis_id, pair.before_id, domain_facts.VERSION)
        key = self.keys.derived("page-token")
        after = paging.position(key, query, token)
        first, size = int(after[0]) if after else 0, min(page_size or FACTS_PAGE, FACTS_PAGE_MAX)
        found = domain_facts.facts_of(pair.now, pair.before)
        end = first + size
        return found[first:end], paging.page_token(key, query, [end]) if end < len(found) else ""

    def generate(self, account_id: str, analysis_id: str, kind: Kind, request_id: str) -> Insight:
        """Tell a week, or return what was told of it; without an id the newest week.

        Raises AnalysisNotFound, AnalysisNotDone, RequestIdReused, Ungrounded.
        """
        pair = self._settled(account_id, analysis_id, kind, request_id)
        insight_id = self._insight_id(account_id, pair, kind)
        stored = self.insights.get(account_id, insight_id)
        if stored is None:
            told = self._told(pair, kind, insight_id)
            sealed = _seal(self.keys.data_key(account_id), account_id, told)
            stored = self.insights.put(replace(sealed, deletion=pair.deletion))
        return self._unsealed([stored])[0]

    def get(self, account_id: str, insight_id: str) -> Insight:
        """Find an Insight. Raises InsightNotFound."""
        found = self.insights.get(account_id, insight_id)
        if found is None:
            raise InsightNotFound
        return self._unsealed([found])[0]

    def list(self, account_id: str, page_size: int, token: str) -> tuple[Sequence[Insight], str]:
        """Return a page of Insights, the newest first, and the next token. Raises PageTokenInvalid."""
        query = ("insights", account_id)
        key = self.keys.derived("page-token")
        before = paging.position(key, query, token)
        size = min(page_size or INSIGHTS_PAGE, INSIGHTS_PAGE_MAX)
        rows = self.insights.list(account_id, int(before[0]) if before else None, size + 1)
        page = rows[:size]
        following = paging.page_token(key, query, [page[-1].number]) if len(rows) > size else ""
        return self._unsealed(page), following

    def _settled(self, account_id: str, analysis_id: str, kind: Kind, request_id: str) -> _Pair:
        """Return the weeks that are meant: those of the first call under the request_id, whatever came since."""
        if analysis_id:
            stored = self._found(account_id, analysis_id)
        else:
            stored = self._or_not_found(self.windows.newest(account_id, DEFAULT_METHOD))
        pair = self._pair(account_id, stored)
        if not request_id:
            return pair
        scope = f"generate-insight:{account_id}"
        digest = keyed_digest(self.keys.derived("request-digest"), analysis_id, kind)
        meant = f"{pair.now.analysis_id} {pair.before_id}"
        first = self.requests.first(scope, request_id, digest, meant, now=self.clock(), keep_s=GENERATE_KEEP_S)
        if first == meant:
            return pair
        now_id, before_id = first.split()
        before = None if before_id == NONE else self._found(account_id, before_id)
        return self._paired(account_id, self._found(account_id, now_id), before)

    def _found(self, account_id: str, analysis_id: str) -> StoredAnalysis:
        return self._or_not_found(self.windows.get(account_id, analysis_id))

    @staticmethod
    def _or_not_found(stored: StoredAnalysis | None) -> StoredAnalysis:
        if stored is None:
            raise AnalysisNotFound
        return stored

    def _pair(self, account_id: str, stored: StoredAnalysis) -> _Pair:
        key = stored.key
        earlier = WindowKey(account_id, key.metric, key.source, key.civil_day - WEEK_DAYS)
        return self._paired(account_id, stored, self.windows.of_window(earlier, stored.method))

    def _paired(self, account_id: str, stored: StoredAnalysis, before: StoredAnalysis | None) -> _Pair:
        deletion = min(one.deletion for one in (stored, before) if one is not None)
        now = self._done(account_id, stored)
        return _Pair(now, None if before is None else self._done(account_id, before), deletion)

    def _done(self, account_id: str, stored: StoredAnalysis) -> Analysis:
        """Open an Analysis. Raises AnalysisNotDone where it has no numbers."""
        if not stored.body:
            raise AnalysisNotDone(stored.state.value)
        analysis = unseal_analysis(self.keys.data_key(account_id), stored)
        if not analysis.measures:  # queued, failed, or superseded before its turn came
            raise AnalysisNotDone(stored.state.value)
        return analysis

    def _insight_id(self, account_id: str, pair: _Pair, kind: Kind) -> str:
        told = [account_id, pair.now.analysis_id, pair.before_id, domain_facts.VERSION, kind, LANGUAGE]
        parts = json.dumps([*told, self.narrator.name, self.narrator.version])
        return spelled(hashlib.sha256(parts.encode()).digest()[:ID_BYTES])

    def _told(self, pair: _Pair, kind: Kind, insight_id: str) -> Insight:
        """Tell, and verify what was told. Raises Ungrounded."""
        facts = domain_facts.facts_of(pair.now, pair.before)
        sentences = tuple(self.narrator.tell(facts, kind))
        for place, sentence in enumerate(sentences):
            broken = violations(sentence, facts)
            if broken:
                raise Ungrounded(self.narrator.name, place, broken)
        cited = {citation.fact_id for sentence in sentences for citation in sentence.citations}
        return Insight(
            insight_id=insight_id,
            analysis_id=pair.now.analysis_id,
            kind=kind,
            language=LANGUAGE,
            narrator=self.narrator.name,
            narrator_version=self.narrator.version,
            sentences=sentences,
            facts=tuple(fact for fact in facts if fact.fact_id in cited),
            create_time=datetime.fromtimestamp(int(self.clock()), UTC),
        )

    def _unsealed(self, rows: Sequence[StoredInsight]) -> Sequence[Insight]:
        return [_unseal(self.keys.data_key(row.account_id), row) for row in rows]


# ---- at rest ---------------------------------------------------------------------------------------------------------


def _seal(key: bytes, account_id: str, insight: Insight) -> StoredInsight:
    row = StoredInsight(account_id, insight.insight_id, insight.analysis_id, insight.create_time, b"")
    # Sorted and without blanks: equal insights are equal bytes.
    packed = json.dumps(asdict(insight), default=str, sort_keys=True, separators=(",", ":")).encode()
    body = sealing.seal(key, zstandard.compress(packed), row.name)
    return StoredInsight(account_id, row.insight_id, row.analysis_id, row.create_time, body)


def _unseal(key: bytes, row: StoredInsight) -> Insight:
    packed = sealing.unseal(key, row.body, row.name)
    fields: dict[str, Any] = json.loads(zstandard.decompress(packed))
    return Insight(
        **{
            **fields,
            "kind": Kind(fields["kind"]),
            "sentences": tuple(_sentence(sentence) for sentence in fields["sentences"]),
            "facts": tuple(_fact(fact) for fact in fields["facts"]),
            "create_time": datetime.fromisoformat(fields["create_time"]),
        }
    )


def _sentence(fields: dict[str, Any]) -> Sentence:
    return Sentence(fields["text"], tuple(Citation(**citation) for citation in fields["citations"]))


def _fact(fields: dict[str, Any]) -> Fact:
    outcome, minutes = fields["outcome"], fields["minutes"]
    return Fact(
        **{
            **fields,
            "day": date.fromisoformat(fields["day"]) if fields["day"] else None,
            "outcome": Unavailable(outcome) if isinstance(outcome, str) else float(outcome),
            "form": Form(fields["form"]),
            "of_facts": tuple(fields["of_facts"]),
            "minutes": Minutes(**{**minutes, "source": Source(**minutes["source"])}),
        }
    )
