"""Whether the gate also reads meaning: what the settings say, and what was found."""

import logging
from pathlib import Path

from config.meaning.minilm import MeaningError, load_embedder, model_folder
from config.settings import Settings
from scoring.text.semantic import Meaning

log = logging.getLogger(__name__)


def load_meaning(folder: Path | None = None) -> Meaning:
    """Return what judges texts by meaning, with the model in `folder`, else the installed one.

    Raises:
        MeaningError: it cannot be had; the text says why.
    """
    embed = load_embedder(folder or model_folder())
    try:
        embed("")  # a model that cannot run is found now, not at the first inquiry
        return Meaning(embed, on_fault=_FirstFaults())
    except Exception as error:
        raise MeaningError(f"the model does not run: {type(error).__name__}") from error


def meaning_by(settings: Settings) -> Meaning | None:
    """Return what the settings ask for, or None: where it fails, the gate goes on without it."""
    if not settings.semantic:
        return None
    try:
        found = load_meaning(settings.semantic_model)
    except MeaningError as error:
        log.error("semantic.not_active", extra={"reason": str(error)})  # noqa: TRY400  # expected
        return None
    log.info("semantic.active")
    return found


class _FirstFaults:
    """Logs the first fault of each kind: a model that fails on each text fills no disk."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, kind: str) -> None:
        if kind not in self._seen:
            self._seen.add(kind)
            log.error("semantic.failed", extra={"reason": kind})
