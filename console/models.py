"""`leadscore check-model`: every problem of a model file, and whether its cases come out."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from config.model_files import CASES_AT, CaseFile
from config.models import LoadedModel, load
from config.problems import ConfigError, Problem
from console.cli import USAGE
from scoring.engine import score
from scoring.labels import FACTORS, SCORED_TIERS


def run_check(name: str, *, as_json: bool) -> int:
    """Check the model, print what is wrong or a summary, return the exit code."""
    try:
        loaded = load(name, Path())
    except ConfigError as error:
        return _refuse(error, as_json=as_json)
    problems = problems_of_cases(loaded)
    if problems:
        return _refuse(ConfigError(name, problems), as_json=as_json)
    if as_json:
        click.echo(json.dumps({"ok": True, **_summary(loaded)}))
    else:
        _print(loaded)
    return 0


def _refuse(error: ConfigError, *, as_json: bool) -> int:
    if as_json:
        told = [{"path": each.path, "message": each.message} for each in error.problems]
        click.echo(json.dumps({"ok": False, "source": error.source, "problems": told}))
    else:
        click.echo(str(error), err=True)
    return USAGE


def problems_of_cases(loaded: LoadedModel) -> list[Problem]:
    """Return one problem for each case that does not get its tier."""
    found = ((place, case, outcome(loaded, case)) for place, case in enumerate(loaded.file.cases))
    return [
        Problem(
            path=f"cases[{place}].tier", message=f"'{case.name}' should be {case.tier}, is {got}"
        )
        for place, case, (tier, got) in found
        if tier != case.tier
    ]


def outcome(loaded: LoadedModel, case: CaseFile) -> tuple[str, str]:
    """Return the tier that the case's lead gets, and tier and score in words."""
    got = score(case.lead.build(), loaded.model, CASES_AT)
    points = "no score" if got.score is None else f"score {got.score}"
    why = ", ".join(f"{line.points:+d} {line.code}" for line in got.reasons)
    return got.tier, f"{got.tier} ({points}: {why})"


def _summary(loaded: LoadedModel) -> dict[str, object]:
    model = loaded.model
    return {
        "model": model.version,
        "extends": loaded.file.extends,
        "rules": {
            factor: sum(rule.factor == factor for rule in model.rules) for factor in FACTORS
        },
        "caps": dict(model.caps),
        "text_cap": model.text_cap,
        "tiers": {
            name: {
                "at_least": model.tiers[name].at_least,
                "respond_within_minutes": model.tiers[name].respond_within_minutes,
            }
            for name in SCORED_TIERS
        },
        "cases": len(loaded.file.cases),
    }


def _print(loaded: LoadedModel) -> None:
    model = loaded.model
    extends = f", extends {loaded.file.extends}" if loaded.file.extends else ""
    title = loaded.file.pack.title if loaded.file.pack else loaded.file.name
    click.echo(f"{title}: {model.version}{extends}")
    table = Table("factor", "rules", "cap", "best rule", "worst rule")
    for factor in FACTORS:
        rules = [rule for rule in model.rules if rule.factor == factor]
        points = [
            each
            for rule in rules
            for each in ([rule.points] if isinstance(rule.points, int) else rule.points.values())
        ]
        table.add_row(
            factor,
            str(len(rules)),
            str(model.caps[factor]),
            f"{max(points, default=0):+d}",
            f"{min(points, default=0):+d}",
        )
    Console().print(table)
    for name in SCORED_TIERS:
        tier = model.tiers[name]
        click.echo(
            f"  {name:<8} from {tier.at_least:>3}, answered within"
            f" {tier.respond_within_minutes:,} business minutes"
        )
    cases = len(loaded.file.cases)
    click.echo(f"no problems; {cases} of {cases} cases come out as expected")
