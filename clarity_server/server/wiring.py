"""Which adapter stands behind which port: the only place that sees them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clarity_server.config import Config, ConfigError
from clarity_server.domain.upkeep import Findings, Restored, Tell
from clarity_server.flows.models import served
from clarity_server.flows.operate import Operate
from clarity_server.flows.served_model import ServedModel
from clarity_server.ports import (
    AccessEvents,
    Accounts,
    Analyses,
    Audit,
    Carrier,
    Changes,
    Consents,
    Downloads,
    Factors,
    Grants,
    Holder,
    Insights,
    Keys,
    Ledger,
    Models,
    Narrator,
    Outbox,
    Passwords,
    Requests,
    Retentions,
    Samples,
    Series,
    Sessions,
    Sources,
    Tickets,
    Windows,
)
from clarity_server.server.health import Probe

PENDING_S = 24 * 3600.0  # how long a sign-up may wait to be confirmed
PENDING_PAGE = 1000  # removed by one sweep


@dataclass(frozen=True, slots=True)
class World:
    """The ports of one world, what tells whether it is well, and what closes it."""

    accounts: Accounts
    passwords: Passwords
    sessions: Sessions
    tickets: Tickets
    factors: Factors
    consents: Consents
    grants: Grants
    events: AccessEvents
    outbox: Outbox
    carrier: Carrier
    audit: Audit
    ledger: Ledger
    holders: Sequence[Holder]  # of all that is kept outside this process's memory
    scrub: Callable[[], object]  # makes what was deleted disappear from the files
    requests: Requests
    keys: Keys
    series: Series
    samples: Samples
    changes: Changes
    sources: Sources
    retentions: Retentions
    analyses: Analyses
    windows: Windows
    insights: Insights
    narrator: Narrator
    models: Models
    model: ServedModel | None  # the one that answers, if there is one
    probes: Mapping[str, Probe]
    sweep: Callable[[], object]
    close: Callable[[], None]


def world(config: Config) -> World:
    """Build the world the settings name. Raises ConfigError, StartRefused, StoreUnavailable, StoreDamaged."""
    _check_schemes(config)
    installed = models(config)
    answering = served(installed)  # before anything is opened: a model that changed stops the start
    return _local(config, ServedModel(*answering, threads=max(1, config.model_threads)) if answering else None)


def _check_schemes(config: Config) -> None:
    schemes = {
        name: _scheme(name, value)
        for name, value in (
            ("CLARITY_RECORDS", config.records),
            ("CLARITY_BLOBS", config.blobs),
            ("CLARITY_KEYS", config.keys),
            ("CLARITY_IDENTITY", config.identity),
            ("CLARITY_NARRATOR", config.narrator),
        )
    }
    wanted = {
        "CLARITY_RECORDS": "sqlite",
        "CLARITY_BLOBS": "file",
        "CLARITY_KEYS": "file",
        "CLARITY_IDENTITY": "local",
        "CLARITY_NARRATOR": "template",
    }
    for name, scheme in schemes.items():
        if scheme != wanted[name]:
            raise ConfigError(f"{name}: there is no adapter for {scheme!r}; use {wanted[name]}:")


def _scheme(name: str, value: str) -> str:
    scheme, colon, _ = value.partition(":")
    if not colon:
        raise ConfigError(f"{name}={value!r} names no adapter; it looks like sqlite:PATH or file:PATH")
    return scheme


def _path(value: str) -> Path:
    return Path(value.partition(":")[2])


def _local(config: Config, model: ServedModel | None) -> World:
    from clarity_server.adapters.local.access_events import SqliteAccessEvents
    from clarity_server.adapters.local.accounts import SqliteAccounts
    from clarity_server.adapters.local.analyses import SqliteAnalyses
    from clarity_server.adapters.local.audit import SqliteAudit
    from clarity_server.adapters.local.blobs import DiskBlobs
    from clarity_server.adapters.local.changes import SqliteChanges
    from clarity_server.adapters.local.consents import SqliteConsents
    from clarity_server.adapters.local.database import Database
    from clarity_server.adapters.local.factors import SqliteFactors
    from clarity_server.adapters.local.grants import SqliteGrants
    from clarity_server.adapters.local.hashing import Hashing
    from clarity_server.adapters.local.heads import DiskHeads
    from clarity_server.adapters.local.holders import holders
    from clarity_server.adapters.local.insights import SqliteInsights
    from clarity_server.adapters.local.keys import DiskKeys
    from clarity_server.adapters.local.ledger import DiskLedger
    from clarity_server.adapters.local.narrator import TemplateNarrator
    from clarity_server.adapters.local.outbox import SqliteOutbox
    from clarity_server.adapters.local.passwords import SqlitePasswords
    from clarity_server.adapters.local.requests import SqliteRequests
    from clarity_server.adapters.local.retentions import SqliteRetentions
    from clarity_server.adapters.local.samples import SqliteSamples
    from clarity_server.adapters.local.series import SqliteSeries
    from clarity_server.adapters.local.sessions import SqliteSessions
    from clarity_server.adapters.local.sources import SqliteSources
    from clarity_server.adapters.local.tenancy import Share
    from clarity_server.adapters.local.tickets import SqliteTickets
    from clarity_server.adapters.local.windows import SqliteWindows

    carrier = _carrier(config)
    place = _path(config.keys)
    held = Share(_path(config.records))  # against a restore, until the stores are closed
    keys = DiskKeys(place)
    database = Database(_path(config.records), bytes_max=config.records_bytes_max)
    blobs = DiskBlobs(_path(config.blobs))
    series = SqliteSeries(database, blobs)
    accounts = SqliteAccounts(database, keys)
    audit = SqliteAudit(database, DiskHeads(place), keys)
    windows = SqliteWindows(database)
    hashing = Hashing()

    def close() -> None:
        if model is not None:
            model.close()
        hashing.close()
        audit.anchor()
        database.close()
        held.close()

    return World(
        accounts=accounts,
        passwords=SqlitePasswords(database, hashing),
        sessions=SqliteSessions(database),
        tickets=SqliteTickets(database),
        factors=SqliteFactors(database),
        consents=SqliteConsents(database),
        grants=SqliteGrants(database),
        events=SqliteAccessEvents(database),
        outbox=SqliteOutbox(database, keys),
        carrier=carrier,
        audit=audit,
        ledger=DiskLedger(place),
        holders=holders(database, blobs, [blobs.aside, keys.aside]),
        scrub=database.scrub,
        requests=SqliteRequests(database),
        keys=keys,
        series=series,
        samples=SqliteSamples(database, keys),
        changes=SqliteChanges(database),
        sources=SqliteSources(database),
        retentions=SqliteRetentions(database),
        analyses=SqliteAnalyses(database),
        windows=windows,
        insights=SqliteInsights(database),
        narrator=TemplateNarrator(),
        models=models(config),
        model=model,
        probes={
            "clarity.v1.AuthService": lambda: (keys.signing_key(), accounts.get("probe")),
            "clarity.v1.HealthDataService": lambda: series.change_count("probe"),
            "clarity.v1.InsightService": partial(_probe_insight, windows, model),
        },
        sweep=lambda: (series.sweep(), accounts.remove_pending(time.time() - PENDING_S, PENDING_PAGE)),
        close=close,
    )


def _carrier(config: Config) -> Carrier:
    """Build what brings mails. Raises ConfigError."""
    from clarity_server.adapters.local.carriers import FileCarrier, SmtpCarrier

    match _scheme("CLARITY_OUTBOX", config.outbox):
        case "file":
            return FileCarrier(_path(config.outbox), config.mail_from)
        case "smtp" | "smtps":
            return SmtpCarrier(config.outbox, config.mail_from)
        case other:
            raise ConfigError(f"CLARITY_OUTBOX: there is no adapter for {other!r}; use file:, smtp: or smtps:")


@dataclass(frozen=True, slots=True)
class Console:
    """What the operator at the machine works with, whether a server runs or not."""

    audit: Audit
    keys: Keys
    operate: Operate
    close: Callable[[], None]


def console(config: Config) -> Console:
    """Open the stores of the settings for the operator at the machine. Raises as `world`."""
    _check_schemes(config)
    built = _local(config, None)  # nobody asks a model here
    operate = Operate(
        built.accounts,
        built.passwords,
        built.sessions,
        built.consents,
        built.outbox,
        built.audit,
        built.requests,
        built.keys,
        on_ended=lambda _: None,
    )
    return Console(built.audit, built.keys, operate, built.close)


@dataclass(frozen=True, slots=True)
class StoreConsole:
    """What looks after the stores as files. Each hears of a function (what, how much is done, of how much)."""

    check: Callable[[Tell], Findings]
    back_up: Callable[[Path, Tell], Mapping[str, Any]]
    restore: Callable[[Path, Tell], Restored]


def store_console(config: Config) -> StoreConsole:
    """Find the stores of the settings, opening none yet. Raises ConfigError, StartRefused, StoreUnavailable."""
    from clarity_server.adapters.local import backups, checking, tenancy
    from clarity_server.adapters.local.blobs import DiskBlobs
    from clarity_server.adapters.local.heads import DiskHeads
    from clarity_server.adapters.local.keys import DiskKeys
    from clarity_server.adapters.local.ledger import DiskLedger

    _check_schemes(config)
    records, blobs, place = _path(config.records), _path(config.blobs), _path(config.keys)
    if not (place / "root.key").is_file():
        raise ConfigError(f"CLARITY_KEYS: there are no keys in {place}; name those that the server uses")
    keys = DiskKeys(place)
    stores = backups.Stores(records, blobs, place, keys, DiskHeads(place))

    def check(tell: Tell) -> Findings:
        with closing(tenancy.Share(records)):
            return checking.Checker(records, DiskBlobs(blobs), keys, DiskLedger(place), tell).run()

    def back_up(to: Path, tell: Tell) -> Mapping[str, Any]:
        with closing(tenancy.Share(records)):
            return backups.back_up(stores, to, tell)

    return StoreConsole(check, back_up, partial(backups.restore, stores))


def _probe_insight(windows: Windows, model: ServedModel | None) -> None:
    windows.waiting_count("probe")
    if model is not None:
        model.alive()


def models(config: Config) -> Models:
    """Build the keeper of models that the settings name. Raises ConfigError, StoreUnavailable."""
    from clarity_server.adapters.local.models import DiskModels

    return DiskModels(_models_path(config))


def downloads(config: Config) -> Downloads:
    """Build what fetches published models; it keeps what is unfinished beside them. Raises ConfigError."""
    from clarity_server.adapters.local.downloads import HttpDownloads

    return HttpDownloads(_models_path(config) / "downloads")


def _models_path(config: Config) -> Path:
    if (scheme := _scheme("CLARITY_MODELS", config.models)) != "file":
        raise ConfigError(f"CLARITY_MODELS: there is no adapter for {scheme!r}; use file:")
    return _path(config.models)
