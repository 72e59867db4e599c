"""Models on this machine's disk.

    weights/<sha256>.safetensors  the bytes, under their own digest
    names/<name>.json             the manifest: the name stands for these bytes
    first/<name>                  sha256 of the first file ever installed under the name; it outlives the model

Weights are placed before the name that points at them, so a name always has its bytes.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from clarity_server.adapters.local import files
from clarity_server.domain.models import (
    FILE_BYTES_MAX,
    MANIFEST_BYTES_MAX,
    NAME,
    FileTooLarge,
    Manifest,
    ManifestRefused,
    ModelChanged,
    ModelExists,
    ModelNotFound,
    SourceChanged,
    from_json,
)


class DiskModels:
    """Implements ports.Models. Several processes may share the root."""

    def __init__(self, root: Path | str) -> None:
        """Make the root where there is none, and sweep what dead processes left. Raises StoreFull, StoreUnavailable."""
        self._root = Path(root)
        self._weights, self._names, self._first = (self._root / part for part in ("weights", "names", "first"))
        self._aside = self._root / ".aside"
        with files.translated():
            for directory in (self._root, self._weights, self._names, self._first, self._aside):
                files.make_directory(directory)
            files.sweep(self._aside)

    def list(self) -> Sequence[Manifest]:
        """List what is installed, by name. Raises ManifestRefused for a file that somebody else put there."""
        with files.translated():
            names = sorted(path.stem for path in self._names.iterdir() if path.suffix == ".json")
        return [self._manifest(name) for name in names]

    def get(self, name: str) -> tuple[Manifest, bytes]:
        """Return a model. Raises ModelNotFound, ModelChanged."""
        manifest = self._manifest(name)
        content = _bounded(self._weights_path(manifest))
        if content is None:
            raise ModelChanged(name, manifest.digest, "missing")
        if (found := hashlib.sha256(content).hexdigest()) != manifest.digest:
            raise ModelChanged(name, manifest.digest, found)
        return manifest, content

    def install(self, manifest: Manifest, content: bytes) -> Manifest:
        """Keep a model. Raises ModelExists, SourceChanged, StoreFull, FileTooLarge."""
        assert hashlib.sha256(content).hexdigest() == manifest.digest, "a manifest is made from its content"
        if len(content) > FILE_BYTES_MAX:
            raise FileTooLarge(len(content))
        with files.translated(), files.alone(self._root):
            files.place(self._first / manifest.name, manifest.source_digest.encode(), self._aside)
            first = (self._first / manifest.name).read_text(encoding="ascii")
            if first != manifest.source_digest:
                raise SourceChanged(manifest.name, first, manifest.source_digest)
            files.place(self._weights_path(manifest), content, self._aside)
            files.place(self._name_path(manifest.name), manifest.to_json().encode(), self._aside)
        kept = self._manifest(manifest.name)
        if kept.digest != manifest.digest:
            raise ModelExists(manifest.name)
        return kept

    def verify(self, name: str) -> Manifest:
        """Read all of a model's bytes again. Raises ModelNotFound, ModelChanged."""
        return self.get(name)[0]

    def remove(self, name: str, *, forget: bool = False) -> None:
        """Remove a model, the name before its weights. Raises ModelNotFound."""
        path, first = self._name_path(name), self._first / name
        with files.translated(), files.alone(self._root):
            if not path.exists() and not (forget and first.exists()):
                raise ModelNotFound(name)
            path.unlink(missing_ok=True)
            files.sync_directory(self._names)
            if forget:
                first.unlink(missing_ok=True)
                files.sync_directory(self._first)
            self._sweep_weights()

    def _sweep_weights(self) -> None:
        """Remove weights that no name stands for; whoever installs waits meanwhile."""
        used = {manifest.digest for manifest in self.list()}
        for path in self._weights.iterdir():
            if path.stem not in used:
                path.unlink()

    def _manifest(self, name: str) -> Manifest:
        content = _bounded(self._name_path(name), MANIFEST_BYTES_MAX)
        if content is None:
            raise ModelNotFound(name)
        found = from_json(content.decode("utf-8", errors="replace"))
        if found.name != name:
            raise ManifestRefused(
                f"names/{name}.json is the manifest of {found.name}: remove it and install the model again"
            )
        return found

    def _name_path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise ModelNotFound(name)
        return self._names / f"{name}.json"

    def _weights_path(self, manifest: Manifest) -> Path:
        return self._weights / f"{manifest.digest}.safetensors"


def _bounded(path: Path, bytes_max: int = FILE_BYTES_MAX) -> bytes | None:
    """Read a file that may not be there, and no more of it than it may have."""
    with files.translated():
        try:
            with path.open("rb") as file:
                content = file.read(bytes_max + 1)
        except FileNotFoundError:
            return None
    if len(content) > bytes_max:
        raise FileTooLarge(len(content))
    return content
