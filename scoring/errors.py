"""What can go wrong in scoring, and what is done about it.

ScoringError
├── ModelError      a model that must not be used: shown to the admin, every problem at once
└── FieldError      a value that does not fit its canonical field: the line or record is refused
"""

from collections.abc import Iterable
from typing import NamedTuple


class ModelProblem(NamedTuple):
    """One thing that is wrong with a model."""

    path: str  #: Where, as a person writes it: `rules[3].when.all[0].field`.
    message: str  #: The rule that is broken.
    found: str | None = None  #: The word that is not allowed, where it is one word.
    allowed: tuple[str, ...] = ()  #: The words that are.

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.path}: {self.message}"

    def within(self, place: str) -> "ModelProblem":
        """Return the same problem as seen from outside `place`.

        >>> ModelProblem("points", "must not be 0").within("rules[2]").path
        'rules[2].points'
        """
        return self._replace(path=f"{place}.{self.path}" if self.path else place)


class ScoringError(Exception):
    """Base of the errors of this package."""


class ModelError(ScoringError):
    """A scoring model breaks its rules; `problems` lists every one, each with its place."""

    def __init__(self, problems: Iterable[ModelProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("scoring model: " + "; ".join(map(str, self.problems)))


class FieldError(ScoringError):
    """A value does not fit its field; the message names field and rule, never the value."""
