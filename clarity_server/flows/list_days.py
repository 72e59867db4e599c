"""List civil days and metrics, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from clarity_server.domain import metrics, paging
from clarity_server.domain.days import Day
from clarity_server.domain.errors import InvalidInput
from clarity_server.domain.metrics import ACTIVITY_COUNTS, Metric
from clarity_server.flows.analyze import Analyze
from clarity_server.flows.results import unseal_day
from clarity_server.ports import Analyses, Keys

METRICS_PAGE = 100
METRICS_PAGE_MAX = 1000
DAYS_PAGE = 31
DAYS_PAGE_MAX = 366


@dataclass(frozen=True, slots=True)
class Lists:
    """The verbs, over their ports."""

    analyses: Analyses
    keys: Keys
    analyze: Analyze

    def metrics(self, page_size: int, token: str) -> tuple[Sequence[Metric], str]:
        """Return a page of the catalogue and the next token. Raises PageTokenInvalid."""
        query = ("metrics",)
        key = self.keys.derived("page-token")
        after = paging.position(key, query, token)
        size = min(page_size or METRICS_PAGE, METRICS_PAGE_MAX)
        names = [name for name in metrics.catalogue() if after is None or name > str(after[0])]
        page = names[:size]
        following = paging.page_token(key, query, [page[-1]]) if len(names) > size else ""
        return [metrics.catalogue()[name] for name in page], following

    def days(
        self, account_id: str, metric: str, dates: tuple[date | None, date | None], page_size: int, token: str
    ) -> tuple[Sequence[Day], str]:
        """Return a page of days and the next token, with all that was committed before the call.

        Raises MetricUnknown, InvalidInput for a metric without days, PageTokenInvalid, Busy.
        """
        metric = metric or ACTIVITY_COUNTS
        if not metrics.find(metric).has_days:
            raise InvalidInput(metric=f"has no days; {ACTIVITY_COUNTS} has")
        query = ("days", account_id, metric, *dates)
        key = self.keys.derived("page-token")
        after = paging.position(key, query, token)
        self.analyze.settle(account_id)
        size = min(page_size or DAYS_PAGE, DAYS_PAGE_MAX)
        place = None if after is None else (int(after[0]), str(after[1]), str(after[2]))
        rows = self.analyses.days(account_id, metric, dates, place, size + 1)
        page = rows[:size]
        following = ""
        if len(rows) > size:
            last = page[-1][0]
            following = paging.page_token(key, query, [last.civil_day, last.source.device, last.source.app])
        data_key = self.keys.data_key(account_id) if page else b""
        return [unseal_day(data_key, name, body) for name, body in page], following
