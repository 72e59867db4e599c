"""Which adapter stands behind which port: the only place that sees them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clarity_server.config import Config, ConfigError
from clarity_server.flows.models import served
from clarity_server.flows.served_model import ServedModel
from clarity_server.ports import (
    Accounts,
    Analyses,
    Downloads,
    Insights,
    Keys,
    Models,
    Narrator,
    Requests,
    Series,
    Sessions,
    Windows,
)
from clarity_server.server.health import Probe


@dataclass(frozen=True, slots=True)
class World:
    """The ports of one world, what tells whether it is well, and what closes it."""

    accounts: Accounts
    sessions: Sessions
    requests: Requests
    keys: Keys
    series: Series
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
    return _local(config)


def _scheme(name: str, value: str) -> str:
    scheme, colon, _ = value.partition(":")
    if not colon:
        raise ConfigError(f"{name}={value!r} names no adapter; it looks like sqlite:PATH or file:PATH")
    return scheme


def _path(value: str) -> Path:
    return Path(value.partition(":")[2])


def _local(config: Config) -> World:
    from clarity_server.adapters.local.accounts import SqliteAccounts
    from clarity_server.adapters.local.analyses import SqliteAnalyses
    from clarity_server.adapters.local.blobs import DiskBlobs
    from clarity_server.adapters.local.database import Database
    from clarity_server.adapters.local.insights import SqliteInsights
    from clarity_server.adapters.local.keys import DiskKeys
    from clarity_server.adapters.local.narrator import TemplateNarrator
    from clarity_server.adapters.local.requests import SqliteRequests
    from clarity_server.adapters.local.series import SqliteSeries
    from clarity_server.adapters.local.sessions import SqliteSessions
    from clarity_server.adapters.local.windows import SqliteWindows

    installed = models(config)
    answering = served(installed)  # before anything is opened: a model that changed stops the start
    keys = DiskKeys(_path(config.keys))
    database = Database(_path(config.records), bytes_max=config.records_bytes_max)
    series = SqliteSeries(database, DiskBlobs(_path(config.blobs)))
    accounts = SqliteAccounts(database, keys)
    windows = SqliteWindows(database)
    model = ServedModel(*answering, threads=max(1, config.model_threads)) if answering else None

    def close() -> None:
        if model is not None:
            model.close()
        database.close()

    return World(
        accounts=accounts,
        sessions=SqliteSessions(database),
        requests=SqliteRequests(database),
        keys=keys,
        series=series,
        analyses=SqliteAnalyses(database),
        windows=windows,
        insights=SqliteInsights(database),
        narrator=TemplateNarrator(),
        models=installed,
        model=model,
        probes={
            "clarity.v1.AuthService": lambda: (keys.signing_key(), accounts.get("probe")),
            "clarity.v1.HealthDataService": lambda: series.change_count("probe"),
            "clarity.v1.InsightService": partial(_probe_insight, windows, model),
        },
        sweep=series.sweep,
        close=close,
    )


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
