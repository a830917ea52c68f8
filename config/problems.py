"""Every problem of a configuration at once, each with its place and what to do about it."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from config.patterns import IN_WORDS
from config.traits import trait_in
from scoring.errors import ModelProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, and where.

    `path` is the key path as a person would write it (`accounts[0].portal_id`), or the name of a
    file or environment variable. `message` holds the rule and the remedy, never a secret.
    """

    path: str
    message: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.path}: {self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used. Carries all problems; its text lists them."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [f"{source}: {count} problem{'' if count == 1 else 's'}"]
        lines += [f"  {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Return the problems in pydantic's `error`, worded for an admin, one for each key path."""
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        path = prefix + _path(detail["loc"])
        if detail["type"] == _SCORING:
            for inner in detail["ctx"]["problems"]:
                told = told_problem(inner.within(path) if path else inner)
                found.setdefault(told.path, told)
            continue
        problem = Problem(path=path or "(file)", message=_message(detail, model))
        found.setdefault(path, problem)
    return list(found.values())


def scoring_error(problems: Sequence[ModelProblem]) -> PydanticCustomError:
    """Return the error by which a pydantic validator hands on what the engine refuses."""
    text = "; ".join(map(str, problems)).replace("{", "(").replace("}", ")")
    return PydanticCustomError(_SCORING, text, {"problems": list(problems)})


def told_problem(problem: ModelProblem) -> Problem:
    """Return the engine's `problem` as one for an admin, with the nearest allowed word."""
    trait = trait_in(problem.found or "") if problem.path.endswith((".field", ".by")) else None
    if trait is not None:
        message = f"'{problem.found}' is a protected trait ({trait}): never an input of a score"
        return Problem(path=problem.path, message=message)
    near = "" if problem.found is None else did_you_mean(problem.found, problem.allowed)
    return Problem(path=problem.path or "(file)", message=problem.message + near)


#: The type of a pydantic error that carries the engine's own problems.
_SCORING = "scoring_model"
#: More choices than these are no help.
_MOST_TOLD = 60


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest allowed word, else the choices.

    >>> did_you_mean("at_lest", ["at_least", "name"])
    "; did you mean 'at_least'?"
    >>> did_you_mean("zzz", ["a", "b"])
    '; allowed: a, b'
    >>> did_you_mean("zzz", [])
    ''
    """
    choices = sorted(allowed)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; allowed: {', '.join(choices)}" if 0 < len(choices) <= _MOST_TOLD else ""


def _path(loc: Sequence[int | str]) -> str:
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step in _UNION_TAGS:
            continue  # the tag of a discriminated union is not a key of the file
        else:
            path += f".{step}" if path else step
    return path


#: What pydantic puts into a location for a chosen member of a union.
_UNION_TAGS = frozenset({"salesforce_account", "hubspot_account", "[key]"})

_WORDS = {
    "missing": "missing; this key is required",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "string_type": "must be text in quotes",
    "list_type": "must be a list, as in ['a', 'b']",
    "dict_type": "must be a table, as in [name]",
    "model_type": "must be a table, as in [name]",
    "model_attributes_type": "must be a table, as in [name]",
}


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        *parents, key = detail["loc"]
        return f"unknown key{did_you_mean(str(key), _keys_at(model, parents))}"
    pattern = str(detail.get("ctx", {}).get("pattern", ""))
    text = _WORDS.get(kind) or IN_WORDS.get(pattern) or detail["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    shown = detail.get("input")
    if isinstance(shown, str | int | float | bool) and kind not in {"missing", "value_error"}:
        text += f", found {str(shown)[:60]!r}" if isinstance(shown, str) else f", found {shown}"
    return text


def _keys_at(model: type[BaseModel], loc: Sequence[int | str]) -> set[str]:
    """Return the keys allowed in the table at `loc` of `model`."""
    here: list[Any] = [model]
    for step in loc:
        if step in _UNION_TAGS:
            here = [m for m in here if _tag(m) == step] or here
            continue
        here = [inner for outer in here for inner in _step_into(outer, step)]
    names: set[str] = set()
    for annotation in here:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, field in annotation.model_fields.items():
                names.add(field.alias or name)
    return names


def _tag(annotation: Any) -> str:
    return getattr(annotation, "union_tag", "")


def _step_into(annotation: Any, step: int | str) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if step in (name, field.alias):
                return _members(field.annotation)
        return []
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _members(get_args(annotation)[1])
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _members(get_args(annotation)[0])
    return []


def _members(annotation: Any) -> list[Any]:
    """Return the plain types in an annotation: unions and `Annotated` opened."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return [inner for member in get_args(annotation) for inner in _members(member)]
    return [annotation]
