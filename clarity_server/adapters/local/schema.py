"""The schema of the database file, one numbered migration after another."""

from importlib.resources import files

import apsw

from clarity_server.domain.errors import StartRefused


def migrations() -> dict[int, str]:
    """Return every migration by its number: what `0001_first.sql` says under 1."""
    folder = files("clarity_server.adapters.local") / "migrations"
    scripts = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return {int(file.name.split("_")[0]): file.read_text(encoding="utf-8") for file in scripts}


def migrate(connection: apsw.Connection, name: str, *, upto: int | None = None) -> None:
    """Bring a file to the newest schema, or to `upto`. Raises StartRefused for a file that is newer than this code."""
    scripts = migrations()
    _refuse_newer(version(connection), max(scripts), name)
    for number in sorted(scripts):
        if upto is None or number <= upto:
            _apply(connection, number, scripts[number])


def version(connection: apsw.Connection) -> int:
    """Return the number of the last migration applied to a file; 0 for a fresh one."""
    return int(connection.pragma("user_version"))


def _refuse_newer(found: int, newest: int, name: str) -> None:
    if found > newest:
        raise StartRefused(
            f"{name} has schema {found} and this CLARITY knows none above {newest}: "
            "start the version that wrote it, or restore a backup from before that version"
        )


def _apply(connection: apsw.Connection, number: int, script: str) -> None:
    # The version is read under the write lock: of two processes starting at once, the second finds the work done.
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version(connection) < number:
            connection.execute(script)
            connection.pragma("user_version", number)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
