"""List the installed models, page by page, and say what the operator should do."""

from collections.abc import Sequence
from dataclasses import dataclass

from clarity_server.domain import paging
from clarity_server.domain.errors import StartRefused, StoreDamaged
from clarity_server.domain.models import Kind, Manifest, preferred
from clarity_server.ports import Keys, Models

MODELS_PAGE = 100
MODELS_PAGE_MAX = 1000

GET_ONE = "run `clarity models pull pat-l`, or `clarity models install FILE`, then restart the server"
NO_MODEL = f"no model is installed that may answer, so weeks come without PAT's part: {GET_ONE}"


@dataclass(frozen=True, slots=True)
class ListModels:
    """The verbs, over their ports; `serving` is the model that this server answers with since its start, or None."""

    models: Models
    keys: Keys
    serving: Manifest | None

    def page(self, page_size: int, token: str) -> tuple[Sequence[Manifest], str, str]:
        """Return a page by name, the next token, and the advice. Raises PageTokenInvalid, StoreDamaged."""
        query = ("models",)
        key = self.keys.derived("page-token")
        after = paging.position(key, query, token)
        size = min(page_size or MODELS_PAGE, MODELS_PAGE_MAX)
        installed = self._installed()
        rest = [one for one in installed if after is None or one.name > str(after[0])]
        page = rest[:size]
        following = paging.page_token(key, query, [page[-1].name]) if len(rest) > size else ""
        return page, following, advice(installed, self.serving)

    def is_serving(self, model: Manifest) -> bool:
        """Tell whether this very model answers; another under its name, installed since the start, does not."""
        return self.serving is not None and _same(model, self.serving)

    def _installed(self) -> Sequence[Manifest]:
        try:
            return self.models.list()
        except StartRefused as why:  # somebody changed the files meanwhile: no new start, and no end either
            raise StoreDamaged(piece=f"models: {why}") from why


def advice(installed: Sequence[Manifest], serving: Manifest | None) -> str:
    """Return what the operator should do, for whom it is written; nothing where all is as good as it gets."""
    best = preferred(installed)
    if serving is None:
        return f"{best.name} is installed, and nothing answers yet: restart the server" if best else NO_MODEL
    if best is None:
        return f"{serving.name} answers until the next start, but is installed no more; to have one after: {GET_ONE}"
    if not _same(best, serving):
        return f"{best.name} is installed now, and {serving.name} of before answers: restart the server"
    if serving.kind is Kind.DEMONSTRATION:
        return (
            f"{serving.name} answers, a demonstration trained on too little data to be relied on for anything; for the "
            f"weights of PAT's authors: {GET_ONE}"
        )
    return ""


def _same(one: Manifest, other: Manifest) -> bool:
    return (one.name, one.digest) == (other.name, other.digest)
