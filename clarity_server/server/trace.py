"""Logs: one canonical line per RPC, and the lines of the process itself. No values, addresses or tokens."""

import json
import logging
import sys
from datetime import UTC, datetime

LOGGER = logging.getLogger("clarity")
FIELDS = "fields"


class TextLines(logging.Formatter):
    """Key=value lines for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line, an exception's traceback below it."""
        fields = " ".join(f"{name}={value}" for name, value in getattr(record, FIELDS, {}).items())
        line = f"{_time(record)} {record.levelname.lower()} {record.getMessage()} {fields}".rstrip()
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


class JsonLines(logging.Formatter):
    """JSON lines for a collector."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one JSON object."""
        line = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        line.update(getattr(record, FIELDS, {}))
        if record.exc_info is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def set_up(log_format: str) -> None:
    """Send our lines to standard error in one of the two formats."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def line(event: str, level: int = logging.INFO, *, error: BaseException | None = None, **fields: object) -> None:
    """Write one line."""
    trace = None if error is None else (type(error), error, error.__traceback__)
    # Made by hand: looking up the calling line, which no format of ours shows, costs as much as all the rest.
    record = logging.LogRecord(LOGGER.name, level, "", 0, event, (), trace)
    record.__dict__[FIELDS] = fields
    LOGGER.handle(record)
