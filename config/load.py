"""The only reader of files and of the environment."""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from config.models import load
from config.practice import Practice, SalesforceAccount, SecretRef
from config.problems import ConfigError, Problem, problems_of
from config.settings import ENVIRONMENT, Settings
from scoring.model import ScoringModel


def environment() -> dict[str, str]:
    """Return a copy of the process's environment."""
    return dict(os.environ)  # noqa: TID251  this is the one reader


def load_settings(env: Mapping[str, str]) -> Settings:
    """Return the process's settings from `env`. Raises: ConfigError with every problem."""
    given = {name: env[variable] for name, variable in ENVIRONMENT.items() if env.get(variable)}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        problems = [
            Problem(path=ENVIRONMENT.get(problem.path, problem.path), message=problem.message)
            for problem in problems_of(error, Settings)
        ]
        raise ConfigError("environment", problems) from None


def parse_practice(text: str, source: str) -> Practice:
    """Return the checked practice in `text`, a TOML document. Raises: ConfigError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [Problem(path="(file)", message=f"not TOML: {error}")]) from None
    try:
        return Practice.model_validate(values)
    except ValidationError as error:
        raise ConfigError(source, problems_of(error, Practice)) from None


def load_practice(path: Path) -> Practice:
    """Return the checked practice in the file at `path`. Raises: ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = "no such file; `leadscore init` writes one to start from"
        raise ConfigError(str(path), [Problem(path="(file)", message=message)]) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read: {type(error).__name__}"
        raise ConfigError(str(path), [Problem(path="(file)", message=message)]) from None
    return parse_practice(text, str(path))


class AccountSecrets(dict[str, str]):
    """The secrets of one account, by their key in practice.toml. Its repr shows none."""

    def __repr__(self) -> str:
        """Return the keys only."""
        return f"AccountSecrets({', '.join(sorted(self))})"


def load_secrets(practice: Practice, env: Mapping[str, str]) -> dict[str, AccountSecrets]:
    """Return each account's secrets by account name. Raises: ConfigError with all that miss."""
    problems: list[Problem] = []
    secrets: dict[str, AccountSecrets] = {}
    for index, account in enumerate(practice.accounts):
        values = AccountSecrets()
        for key in type(account).model_fields:
            ref = getattr(account, key)
            if not isinstance(ref, SecretRef):
                continue
            value, fault = _read_secret(ref, env)
            fault = fault or _weakness(key, value)
            if fault:
                problems.append(Problem(path=f"accounts[{index}].{key}", message=fault))
            values[key] = value
        secrets[account.name] = values
    if problems:
        raise ConfigError("secrets", problems)
    return secrets


def check_extras(practice: Practice) -> None:
    """Check that what the accounts ask for is installed. Raises: ConfigError with the remedy."""
    lacking = [name for name in ("grpc", "fastavro") if find_spec(name) is None]
    problems = [
        Problem(
            path=f"accounts[{index}].events",
            message=f"needs {', '.join(lacking)}; run: pip install 'leadscore[pubsub]'",
        )
        for index, account in enumerate(practice.accounts)
        if lacking and isinstance(account, SalesforceAccount) and account.events
    ]
    if problems:
        raise ConfigError("extras", problems)


def _read_secret(ref: SecretRef, env: Mapping[str, str]) -> tuple[str, str]:
    if ref.env is not None:
        value = env.get(ref.env, "").strip()
        return value, "" if value else f"environment variable {ref.env} is not set"
    path = Path(ref.file or "")
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        return "", f"file {path} cannot be read: {type(error).__name__}"
    return value, "" if value else f"file {path} is empty"


def _weakness(key: str, value: str) -> str:
    # 22 characters of base64url hold 128 bits (S6).
    if key.startswith("callout_secret") and len(value) < 22:
        return (
            "must be at least 22 random characters;"
            ' make one: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    if key == "path_token" and (len(value) < 22 or not value.isascii() or "/" in value):
        return (
            "must be at least 22 random characters without '/';"
            ' make one: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return ""


def load_model(name: str, base: Path) -> ScoringModel:
    """Return a packaged model by name, or the model file at a path relative to `base`.

    Raises:
        ConfigError: no such model, or its file has problems (all of them listed).
    """
    return load(name, base).model


def load_models(practice: Practice, base: Path) -> ScoringModel:
    """Return the practice's model, with those of its service lines. Raises: ConfigError."""
    about = practice.practice
    lines = {line: load_model(name, base) for line, name in about.models.items()}
    return dataclasses.replace(load_model(about.model, base), lines=lines)
