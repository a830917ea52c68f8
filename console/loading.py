"""Loads everything a command needs, and tells all problems at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.load import (
    AccountSecrets,
    check_extras,
    environment,
    load_models,
    load_practice,
    load_secrets,
    load_settings,
)
from config.practice import Practice
from config.problems import ConfigError
from config.settings import Settings
from scoring.model import ScoringModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a process runs with."""

    settings: Settings
    practice: Practice
    secrets: Mapping[str, AccountSecrets] = field(repr=False)
    model: ScoringModel = field(repr=False)


class BadConfigurationError(Exception):
    """Problems in one or several sources; the text lists every one."""

    def __init__(self, errors: list[ConfigError]) -> None:
        self.errors = errors
        super().__init__("\n".join(str(error) for error in errors))


def load_configuration() -> Configuration:
    """Return the checked configuration. Raises: BadConfigurationError with all problems."""
    env = environment()
    errors: list[ConfigError] = []
    try:
        settings = load_settings(env)
    except ConfigError as error:
        errors.append(error)
        # The file can still be checked where it lies by default.
        settings = Settings()
    try:
        practice = load_practice(settings.practice_file)
    except ConfigError as error:
        raise BadConfigurationError([*errors, error]) from None
    secrets: dict[str, AccountSecrets] = {}
    model: ScoringModel | None = None
    try:
        check_extras(practice)
    except ConfigError as error:
        errors.append(error)
    try:
        secrets = load_secrets(practice, env)
    except ConfigError as error:
        errors.append(error)
    try:
        model = load_models(practice, settings.practice_file.parent)
    except ConfigError as error:
        errors.append(error)
    if errors or model is None:
        raise BadConfigurationError(errors)
    return Configuration(settings=settings, practice=practice, secrets=secrets, model=model)
