"""Reads scoring models: a file or a pack, what it extends, and every problem of it at once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from config.extending import Extended, alone, extended, rule_ids, unknown_removals
from config.model_files import ModelFile
from config.problems import ConfigError, Problem, did_you_mean, problems_of
from scoring.model import ScoringModel

#: Of a base that extends a base …: deeper is a mistake.
MAX_BASES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A checked model and the file it was made from, with what it extends merged in."""

    file: ModelFile
    content: Mapping[str, Any]

    @property
    def model(self) -> ScoringModel:
        """The model."""
        return self.file.build()


@cache
def packaged(name: str) -> LoadedModel:
    """Return the pack `name` that ships with the program. Raises: ConfigError with its problems."""
    packs = packaged_models()
    if name not in packs:
        message = f"no packaged model {name!r}{did_you_mean(name, packs)}"
        raise ConfigError("model", [Problem(path="(name)", message=message)])
    file = resources.files("config").joinpath("packs", f"{name}.toml")
    return load_text(file.read_text(encoding="utf-8"), f"packs/{name}.toml", Path())


def packaged_model(name: str = "general") -> ScoringModel:
    """Return the model of a pack that ships with the program. Raises: ConfigError.

    >>> packaged_model().version.startswith("general-")
    True
    """
    return packaged(name).model


def packaged_models() -> list[str]:
    """Return the names of the packs that ship with the program."""
    packs = resources.files("config").joinpath("packs").iterdir()
    return sorted(file.name[:-5] for file in packs if file.name.endswith(".toml"))


def load(name: str, base: Path, *, depth: int = 0) -> LoadedModel:
    """Return a pack by name, or the model in the file at the path `name` below `base`.

    Raises:
        ConfigError: no such model, or it has problems (all of them listed).
    """
    if not name.endswith(".toml"):
        return packaged(name)
    path = base / name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read: {type(error).__name__}"
        raise ConfigError(str(path), [Problem(path="(file)", message=message)]) from None
    return load_text(text, str(path), path.parent, depth=depth)


def load_text(text: str, source: str, base: Path, *, depth: int = 0) -> LoadedModel:
    """Return the model in `text`, a TOML document. Raises: ConfigError with all its problems.

    Args:
        text: The document.
        source: How errors name it.
        base: The folder in which files it extends are looked up.
        depth: How many files extend this one.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [Problem(path="(file)", message=f"not TOML: {error}")]) from None
    merged, problems = _with_base(values, source, base, depth)
    inherits = f"{values['extends']}: " if "extends" in values else ""
    file, found = check(merged.values)
    problems += [_own_place(problem, merged, inherits) for problem in found]
    if file is None or problems:
        raise ConfigError(source, problems)
    return LoadedModel(file=file, content=merged.values)


def _with_base(
    values: dict[str, Any], source: str, folder: Path, depth: int
) -> tuple[Extended, list[Problem]]:
    name = values.get("extends")
    if not isinstance(name, str):
        remove = values.get("remove")
        needless = [Problem(path="remove", message="has no meaning without 'extends'")]
        return alone(values), needless if remove and name is None else []
    if depth >= MAX_BASES:
        message = f"models may extend each other {MAX_BASES} deep at most, and never in a circle"
        raise ConfigError(source, [Problem(path="extends", message=message)])
    try:
        base = dict(load(name, folder, depth=depth + 1).content)
    except ConfigError as error:
        inner = [
            Problem(path="extends" if p.path == "(name)" else f"extends ({error.source}): {p.path}",
                    message=p.message)
            for p in error.problems
        ]  # fmt: skip
        own = {key: value for key, value in values.items() if key != "extends"}
        # What a rule leaves to the base is not missing.
        found = [p for p in check(own)[1] if not p.message.startswith("missing")]
        raise ConfigError(source, [*inner, *found]) from None
    ids = rule_ids(base)
    unknown = [
        Problem(
            path=f"remove[{place}]",
            message=f"{name!r} has no such rule, found '{rule}'{did_you_mean(rule, ids)}",
        )
        for place, rule in unknown_removals(base, values)
    ]
    return extended(base, values), unknown


def check(values: Mapping[str, Any]) -> tuple[ModelFile | None, list[Problem]]:
    """Return the checked file, or None with every problem.

    What is wrong with a part hides nothing about the rest: the broken parts are set aside and the
    others are checked together once more.
    """
    kept = {
        key: list(value) if isinstance(value, list) else value for key, value in values.items()
    }
    places = {
        key: list(range(len(value))) for key, value in kept.items() if isinstance(value, list)
    }
    found: dict[str, Problem] = {}
    set_aside: set[str] = set()
    removed: set[str] = set()  # keys of list items, by path: their absence is no problem
    file = None
    for _ in range(6):
        try:
            file = ModelFile.model_validate(kept)
        except ValidationError as error:
            for problem in problems_of(error, ModelFile):
                told = _moved(problem, places)
                if any(told.path == gone or told.path.startswith(gone + ".") for gone in removed):
                    continue
                if not _is_consequence(told, set_aside, has_rules=bool(values.get("rules"))):
                    found.setdefault(told.path, told)
            locs = [detail["loc"] for detail in error.errors(include_url=False) if detail["loc"]]
            if not locs:
                break
            removed |= {
                f"{loc[0]}[{places[str(loc[0])][loc[1]]}].{loc[2]}"
                for loc in locs
                if len(loc) > 2 and isinstance(loc[1], int) and str(loc[0]) in places
            }
            set_aside |= _set_aside(kept, places, locs)
            if "rules" in kept and not kept["rules"]:
                break
        else:
            break
    return (None if found else file), list(found.values())


def _set_aside(
    kept: dict[str, Any], places: dict[str, list[int]], locs: list[tuple[int | str, ...]]
) -> set[str]:
    """Take the parts at `locs` out of `kept`; return their tables' names."""
    for loc in sorted(locs, key=lambda loc: loc[1] if len(loc) > 1 and isinstance(loc[1], int) else 0, reverse=True):  # fmt: skip
        key = str(loc[0])
        part = kept.get(key)
        if len(loc) > 1 and isinstance(part, list) and isinstance(loc[1], int):
            item = part[loc[1]] if loc[1] < len(part) else None
            if isinstance(item, dict) and len(loc) > 2 and loc[2] in item:
                part[loc[1]] = {name: value for name, value in item.items() if name != loc[2]}
            elif item is not None:
                del part[loc[1]], places[key][loc[1]]
        elif len(loc) > 1 and isinstance(part, dict):
            kept[key] = {name: value for name, value in part.items() if name != loc[1]}
        elif key == "name":
            kept["name"] = "model"
        else:
            kept.pop(key, None)
    return {str(loc[0]) for loc in locs}


def _is_consequence(problem: Problem, set_aside: set[str], *, has_rules: bool) -> bool:
    """Return whether `problem` may only be there because parts were set aside."""
    top = problem.path.split(".")[0].split("[")[0]
    if problem.path == "rules" and has_rules:
        return True
    if "rules" in set_aside and top == "groups":
        return True
    if "groups" in set_aside and problem.path.endswith(".group"):
        return True
    return bool({"tiers", "service_lines"} & set_aside) and top in {"tiers", "service_lines"}


def _moved(problem: Problem, places: dict[str, list[int]]) -> Problem:
    """Return `problem` with the place its list item had before others were set aside."""
    key, index, rest = _item(problem.path)
    if index is None or key not in places or index >= len(places[key]):
        return problem
    return Problem(path=f"{key}[{places[key][index]}]{rest}", message=problem.message)


def _own_place(problem: Problem, merged: Extended, base: str) -> Problem:
    """Return `problem` with the place in the file itself, or in the base it comes from."""
    key, index, rest = _item(problem.path)
    places = merged.places.get(key, [])
    if index is None or index >= len(places):
        return problem
    own = places[index]
    path = f"{base}{problem.path}" if own is None else f"{key}[{own}]{rest}"
    return Problem(path=path, message=problem.message)


def _item(path: str) -> tuple[str, int | None, str]:
    key, bracket, rest = path.partition("[")
    number, closing, tail = rest.partition("]")
    is_item = bracket and closing and number.isdecimal() and "." not in key
    return (key, int(number), tail) if is_item else (path, None, "")
