"""Where the server's time goes while one upload runs. `python -m bench profile`."""

from contextlib import ExitStack

from bench import processes
from bench.client import SAMPLE_BYTES, Upload, clarity_stream, sign_up
from bench.values import counts
from clarity.local import HOST, wait_for

MIB = 1024 * 1024
BYTES = 64 * MIB


def main() -> None:
    """Stream once into a profiled server and print its table."""
    values, named = counts(BYTES // SAMPLE_BYTES)
    print(f"{named}; {BYTES // MIB} MiB")
    with ExitStack() as held:
        place = held.enter_context(processes.folder())
        table, ready = place / "profile.txt", place / "ready.json"
        settings = {**processes.settings(place), "READY_FILE": str(ready)}
        with processes.module("bench.profiled", str(table), place=place, settings=settings):
            port = wait_for(lambda: processes.ready_port(ready), lambda: None)
            address = f"{HOST}:{port}"
            with processes.channel(address) as channel:
                Upload(values.tobytes()).send(clarity_stream(channel, sign_up(address, place)))
        print(table.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
