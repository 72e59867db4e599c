"""A disk that is really full: a file system of a few MiB, mounted for one process and gone with it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.small_disk import SIZE

ROOT = Path(__file__).parents[2]
MOUNTED = f'mount -t tmpfs -o size={SIZE} clarity "$0" && exec "$@"'
# A user's own namespace, so that no root is needed; some systems forbid it.
UNSHARE = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNTED]


@pytest.fixture
def small_disk(tmp_path: Path) -> list[str]:
    """The command that runs another with a small disk mounted at tmp_path."""
    command = [*UNSHARE, str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    return command


@pytest.mark.parametrize("case", ["blobs", "keys", "rows", "series", "samples"])
def test_a_full_disk_costs_nothing_acknowledged_and_is_recovered_from(
    small_disk: list[str], tmp_path: Path, case: str
) -> None:
    command = [*small_disk, sys.executable, "-m", "tests.adapters.small_disk", case, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
