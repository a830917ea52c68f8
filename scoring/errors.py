"""What can go wrong in scoring, and what is done about it.

ScoringError
├── ModelError      a model that must not be used: shown to the admin, every problem at once
└── FieldError      a value that does not fit its canonical field: the line or record is refused
"""


class ScoringError(Exception):
    """Base of the errors of this package."""


class ModelError(ScoringError):
    """A scoring model breaks its rules; `problems` lists every one, each with its place."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("scoring model: " + "; ".join(problems))
        self.problems = problems


class FieldError(ScoringError):
    """A value does not fit its field; the message names field and rule, never the value."""
