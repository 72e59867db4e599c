"""Days and metrics are listed page by page: each once, in order, by a token that fits one query only."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from clarity_server.domain.civil import DAY_MS, EPOCH_DATE, Start, StartKind
from clarity_server.domain.days import Day
from clarity_server.domain.errors import InvalidInput, MetricUnknown, PageTokenInvalid, StoreDamaged
from clarity_server.domain.metrics import ACTIVITY_COUNTS, catalogue
from clarity_server.domain.series import Source
from clarity_server.flows.list_days import DAYS_PAGE, DAYS_PAGE_MAX, METRICS_PAGE
from tests.flows.upload_world import ACCOUNT, COUNTS, Recording, UploadWorld, float32, fresh_account
from tests.strategies import counts

FIRST = date(1918, 1, 23)
FIRST_DAY = (FIRST - EPOCH_DATE).days
ALL = (None, None)


def worn(
    uploads: UploadWorld, days: int, account_id: str = ACCOUNT, device: str = "wrist", first: int = FIRST_DAY
) -> None:
    """Bring in so many days of a device."""
    descriptor = replace(COUNTS, source=Source(device, "a|b"), start=Start(StartKind.FLOATING, first * DAY_MS))
    made = Recording(f"{device}-{first}", descriptor, float32(counts(1, days * 1440)))
    uploads.upload(made, account_id, step=20_000)


def pages(uploads: UploadWorld, size: int, dates: tuple[date | None, date | None] = ALL) -> list[list[Day]]:
    found, token = list[list[Day]](), ""
    while not found or token:
        page, token = uploads.lists.days(ACCOUNT, ACTIVITY_COUNTS, dates, size, token)
        found.append(list(page))
    return found


# ---- days ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 100])
def test_pages_of_any_size_list_every_day_once_and_in_order(uploads: UploadWorld, size: int) -> None:
    for device in ("wrist", "ankle", "a"):
        worn(uploads, 2, device=device)
    found = pages(uploads, size)
    days = [day for page in found for day in page]
    assert [(day.date, day.source.device) for day in days] == [
        (FIRST + timedelta(days=more), device) for more in (0, 1) for device in ("a", "ankle", "wrist")
    ]
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
    assert len(found) == -(-6 // size)  # no empty page at the end


def test_nothing_is_one_empty_page(uploads: UploadWorld) -> None:
    assert pages(uploads, 5) == [[]]


def test_dates_are_a_range_without_its_end(uploads: UploadWorld) -> None:
    worn(uploads, 5)
    second, fourth = FIRST + timedelta(days=1), FIRST + timedelta(days=3)
    assert [day.date for day in pages(uploads, 9, (second, fourth))[0]] == [second, second + timedelta(days=1)]
    assert [day.date for day in pages(uploads, 9, (fourth, None))[0]] == [fourth, fourth + timedelta(days=1)]
    assert len(pages(uploads, 9, (None, second))[0]) == 1
    assert pages(uploads, 9, (date.min, date.max)) == pages(uploads, 9)


def test_the_size_of_a_page_has_a_default_and_a_maximum(uploads: UploadWorld) -> None:
    worn(uploads, DAYS_PAGE_MAX + 2)
    assert [len(page) for page in pages(uploads, 0)][:2] == [DAYS_PAGE, DAYS_PAGE]
    assert [len(page) for page in pages(uploads, 10_000)] == [DAYS_PAGE_MAX, 2]


def test_days_on_both_sides_of_1970_come_in_order(uploads: UploadWorld) -> None:
    worn(uploads, 4, first=-2)
    assert [day.date for page in pages(uploads, 1) for day in page] == [
        EPOCH_DATE + timedelta(days=more) for more in (-2, -1, 0, 1)
    ]


def test_a_token_is_bound_to_its_account_and_its_query(uploads: UploadWorld) -> None:
    worn(uploads, 3)
    other = fresh_account(uploads)
    worn(uploads, 3, other)
    _, token = uploads.lists.days(ACCOUNT, ACTIVITY_COUNTS, ALL, 1, "")
    assert token
    for account_id, dates in ((other, ALL), (ACCOUNT, (FIRST, None)), (ACCOUNT, (None, FIRST))):
        with pytest.raises(PageTokenInvalid):
            uploads.lists.days(account_id, ACTIVITY_COUNTS, dates, 1, token)
    with pytest.raises(PageTokenInvalid):
        uploads.lists.metrics(1, token)
    _, of_metrics = uploads.lists.metrics(1, "")
    with pytest.raises(PageTokenInvalid):
        uploads.lists.days(ACCOUNT, ACTIVITY_COUNTS, ALL, 1, of_metrics)


def test_the_default_metric_is_the_same_query_as_its_name(uploads: UploadWorld) -> None:
    worn(uploads, 2)
    _, token = uploads.lists.days(ACCOUNT, "", ALL, 1, "")
    page, token = uploads.lists.days(ACCOUNT, ACTIVITY_COUNTS, ALL, 7, token)
    assert [day.date for day in page] == [FIRST + timedelta(days=1)]
    assert token == ""


def test_a_metric_without_days_and_an_unknown_one_are_refused(uploads: UploadWorld) -> None:
    with pytest.raises(InvalidInput) as caught:
        uploads.lists.days(ACCOUNT, "heart_rate", ALL, 1, "")
    assert set(caught.value.violations) == {"metric"}
    with pytest.raises(MetricUnknown):
        uploads.lists.days(ACCOUNT, "activity_count_1min", ALL, 1, "")


def test_all_that_was_committed_before_the_call_is_in_the_answer(uploads: UploadWorld) -> None:
    """Nobody else derives anything here."""
    descriptor = replace(COUNTS, start=Start(StartKind.FLOATING, FIRST_DAY * DAY_MS))
    hand = uploads.open(Recording("u", descriptor, float32(counts(1, 5000))))
    for _ in range(0, 5000, 500):
        hand.send_all(500, chunks=1)
        hand.commit()
        known = np.isfinite(counts(1, 5000)[: hand.received])
        assert sum(day.recorded_minutes for page in pages(uploads, 2) for day in page) == int(known.sum())


def test_a_day_that_grows_between_two_pages_is_listed_once(uploads: UploadWorld) -> None:
    worn(uploads, 3)
    page, token = uploads.lists.days(ACCOUNT, ACTIVITY_COUNTS, ALL, 2, "")
    worn(uploads, 2, device="ankle")
    rest, _ = uploads.lists.days(ACCOUNT, ACTIVITY_COUNTS, ALL, 9, token)
    found = [(day.date, day.source.device) for day in (*page, *rest)]
    assert len(found) == len(set(found))
    assert found == sorted(found)


def test_a_day_swapped_for_another_in_the_store_is_noticed(uploads: UploadWorld) -> None:
    worn(uploads, 2)
    pages(uploads, 9)
    uploads.store.database.write(
        lambda connection: connection.execute(
            "UPDATE days SET body = (SELECT body FROM days WHERE civil_day = ?) WHERE civil_day = ?",
            (FIRST_DAY, FIRST_DAY + 1),
        ).close()
    )
    with pytest.raises(StoreDamaged):
        pages(uploads, 9)


# ---- metrics ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 63, 64, 65, 1000])
def test_the_catalogue_is_listed_whole_by_name(uploads: UploadWorld, size: int) -> None:
    names, token, count = list[str](), "", 0
    while not names or token:
        page, token = uploads.lists.metrics(size, token)
        names += [metric.metric for metric in page]
        count += 1
    assert names == list(catalogue())
    assert count == -(-len(catalogue()) // size)


def test_a_page_of_metrics_has_a_default_size(uploads: UploadWorld) -> None:
    page, token = uploads.lists.metrics(0, "")
    assert len(page) == min(METRICS_PAGE, len(catalogue()))
    assert (token == "") == (len(catalogue()) <= METRICS_PAGE)


def test_a_strange_token_is_refused(uploads: UploadWorld) -> None:
    with pytest.raises(PageTokenInvalid):
        uploads.lists.metrics(1, "strange")
