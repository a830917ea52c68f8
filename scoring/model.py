"""The scoring model: rules, caps, tiers, routes and hours, checked when built."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from scoring.conditions import Condition, is_timed, problems_of
from scoring.errors import ModelError, ModelProblem
from scoring.hours import BusinessHours
from scoring.labels import FACTORS, PROCEDURES, ROUTES, SCORED_TIERS
from scoring.rule import Rule, is_dated, is_wording, problems_of_rule

DEFAULT_CAPS: Final[Mapping[str, int]] = MappingProxyType(
    {"inquiry_type": 25, "urgency": 20, "insurance": 15, "procedure": 20, "engagement": 20}
)
MAX_RESPOND_MINUTES: Final = 20_160
MAX_WORDS: Final = 2_000
#: What a pack's own words may name: a procedure, or how soon care is needed. Never an emergency:
#: that is the gate's, and a pack cannot touch it.
NAMEABLE: Final = tuple(each for each in (*PROCEDURES, "urgent", "soon") if each != "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A band of scores and how soon its leads are answered."""

    at_least: int  #: Lowest score of the band.
    respond_within_minutes: int  #: Business minutes.


DEFAULT_TIERS: Final[Mapping[str, Tier]] = MappingProxyType(
    {
        "hot": Tier(at_least=70, respond_within_minutes=5),
        "warm": Tier(at_least=45, respond_within_minutes=60),
        "nurture": Tier(at_least=20, respond_within_minutes=540),  # one day of 8 to 17
        "low": Tier(at_least=0, respond_within_minutes=1080),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Who else is no lead, and who gets the message. Reads no clock."""

    when: Condition
    route: str  #: One of `labels.ROUTES`, or a name of the practice's own with `says`.
    says: str = ""  #: The reason's wording; by default that of the route.


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """From this instant on, or this kind of activity, engagement before it no longer counts."""

    since: str
    when: Condition | None = None  #: Only while this holds; reads no clock.


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringModel:
    """Everything that turns a lead into a score.

    Raises:
        ModelError: With every problem of the model.
    """

    version: str
    rules: tuple[Rule, ...]
    caps: Mapping[str, int] = field(default_factory=lambda: DEFAULT_CAPS)
    groups: Mapping[str, int] = field(default_factory=dict)  #: Most points of a group of rules.
    tiers: Mapping[str, Tier] = field(default_factory=lambda: DEFAULT_TIERS)
    #: Service line -> tier -> lowest score, where it differs from `tiers`.
    service_lines: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    resets: tuple[Reset, ...] = ()
    #: Procedure, or `urgent` or `soon` -> plain phrases for it, besides the packaged lexicons.
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hours: BusinessHours = field(default_factory=BusinessHours)
    #: Most points that free text may earn in all; never reaches the hot tier, whatever it says.
    text_cap: int = 60
    #: Service line -> the model that scores its leads in place of this one.
    lines: Mapping[str, "ScoringModel"] = field(default_factory=dict)
    #: Kept by `compile.compiled`: a model is compiled once.
    kept: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Check; all problems at once."""
        problems: list[ModelProblem] = []
        if not is_wording(self.version):
            problems.append(ModelProblem("version", "must be plain text of 1 to 120 characters"))
        problems.extend(_problems_of_caps(self.caps, self.text_cap))
        problems.extend(_problems_of_rules(self.rules))
        problems.extend(_problems_of_groups(self.rules, self.groups))
        problems.extend(_problems_of_tiers(self.tiers))
        if set(self.tiers) == set(SCORED_TIERS):
            for line, lowest in self.service_lines.items():
                place = f"service_lines.{line}"
                problems.extend(_problems_of_cut_offs(place, self._merged(lowest)))
                problems.extend(_not_a_tier(place, lowest))
        for index, exclusion in enumerate(self.exclusions):
            found = _problems_of_exclusion(exclusion)
            problems.extend(problem.within(f"exclusions[{index}]") for problem in found)
        for index, reset in enumerate(self.resets):
            found = _problems_of_reset(reset)
            problems.extend(problem.within(f"resets[{index}]") for problem in found)
        problems.extend(_problems_of_words(self.words))
        if problems:
            raise ModelError(problems)

    def cut_offs(self, service_line: str | None) -> Mapping[str, int]:
        """Return the lowest score of each tier for leads of `service_line`."""
        return self._merged(self.service_lines.get(service_line or "", {}))

    def _merged(self, lowest: Mapping[str, int]) -> dict[str, int]:
        return {name: lowest.get(name, self.tiers[name].at_least) for name in SCORED_TIERS}


def _problems_of_caps(caps: Mapping[str, int], text_cap: int) -> list[ModelProblem]:
    problems = [
        ModelProblem(f"caps.{name}", "not a factor", name, FACTORS)
        for name in caps
        if name not in FACTORS
    ]
    problems.extend(
        ModelProblem(f"caps.{name}", "missing") for name in FACTORS if name not in caps
    )
    numbers = {**{f"caps.{name}": cap for name, cap in caps.items()}, "text_cap": text_cap}
    problems.extend(
        ModelProblem(path, f"must be 0 to 100, found {cap}")
        for path, cap in numbers.items()
        if not 0 <= cap <= 100
    )
    return problems


def _problems_of_rules(rules: tuple[Rule, ...]) -> list[ModelProblem]:
    problems: list[ModelProblem] = []
    seen: dict[str, int] = {}
    for index, rule in enumerate(rules):
        place = f"rules[{index}]"
        problems.extend(problem.within(place) for problem in problems_of_rule(rule))
        if rule.id in seen:
            taken = f"'{rule.id}' is taken by rules[{seen[rule.id]}]"
            problems.append(ModelProblem(f"{place}.id", taken))
        seen.setdefault(rule.id, index)
    return problems


def _problems_of_groups(rules: tuple[Rule, ...], groups: Mapping[str, int]) -> list[ModelProblem]:
    problems = []
    factors: dict[str, str] = {}
    for index, rule in enumerate(rules):
        if rule.group is None:
            continue
        path = f"rules[{index}].group"
        if rule.group not in groups:
            rule_text = f"no such group in [groups], found '{rule.group}'"
            problems.append(ModelProblem(path, rule_text, rule.group, tuple(groups)))
        elif factors.setdefault(rule.group, rule.factor) != rule.factor:
            problems.append(ModelProblem(path, "a group's rules must all be of one factor"))
    used = Counter(rule.group for rule in rules)
    for name, cap in groups.items():
        path = f"groups.{name}"
        if not is_wording(name):
            problems.append(ModelProblem(path, "the name must be plain text, without < and >"))
        if not 0 <= cap <= 100:
            problems.append(ModelProblem(path, f"must be 0 to 100, found {cap}"))
        if not used[name]:
            problems.append(ModelProblem(path, "no rule is in this group"))
    return problems


def _problems_of_tiers(tiers: Mapping[str, Tier]) -> list[ModelProblem]:
    problems = [
        ModelProblem(f"tiers.{name}", "missing") for name in SCORED_TIERS if name not in tiers
    ]
    problems.extend(_not_a_tier("tiers", tiers))
    problems.extend(
        ModelProblem(f"tiers.{name}.respond_within_minutes", f"must be 1 to {MAX_RESPOND_MINUTES}")
        for name, tier in tiers.items()
        if not 1 <= tier.respond_within_minutes <= MAX_RESPOND_MINUTES
    )
    if not problems:
        problems.extend(
            _problems_of_cut_offs("tiers", {name: tiers[name].at_least for name in SCORED_TIERS})
        )
    return problems


def _not_a_tier(place: str, tiers: Mapping[str, object]) -> list[ModelProblem]:
    return [
        ModelProblem(f"{place}.{name}", "not a tier", name, SCORED_TIERS)
        for name in tiers
        if name not in SCORED_TIERS
    ]


def _problems_of_cut_offs(place: str, lowest: Mapping[str, int]) -> list[ModelProblem]:
    cuts = [lowest[name] for name in SCORED_TIERS]
    if cuts[-1] != 0:
        return [ModelProblem(place, "low must begin at 0, or some scores would have no tier")]
    if cuts[0] > 100 or any(a <= b for a, b in pairwise(cuts)):
        return [ModelProblem(place, "hot, warm, nurture and low must fall from at most 100")]
    return []


def _problems_of_exclusion(exclusion: Exclusion) -> list[ModelProblem]:
    problems = _problems_of_timeless(exclusion.when)
    if exclusion.says:
        if not is_wording(exclusion.says):
            problems.append(ModelProblem("says", "must be plain text, without < and >"))
        if not is_wording(exclusion.route):
            problems.append(ModelProblem("route", "must be plain text, without < and >"))
    elif exclusion.route not in ROUTES:
        rule_text = f"no such route, found '{exclusion.route}'; a route of your own needs 'says'"
        problems.append(ModelProblem("route", rule_text, exclusion.route, tuple(ROUTES)))
    return problems


def _problems_of_reset(reset: Reset) -> list[ModelProblem]:
    problems = [] if reset.when is None else _problems_of_timeless(reset.when)
    if not is_dated(reset.since):
        rule_text = f"must be an instant or an activity, found '{reset.since}'"
        problems.append(ModelProblem("since", rule_text))
    return problems


def _problems_of_timeless(condition: Condition) -> list[ModelProblem]:
    problems = problems_of(condition)
    if is_timed(condition):
        problems.append(ModelProblem("when", "within_days has no place here: it reads no clock"))
    return problems


def _problems_of_words(words: Mapping[str, tuple[str, ...]]) -> list[ModelProblem]:
    problems = [
        ModelProblem(f"words.{name}", "neither a procedure nor urgent or soon", name, NAMEABLE)
        for name in words
        if name not in NAMEABLE
    ]
    problems.extend(
        ModelProblem(f"words.{name}[{index}]", "must be 1 to 60 plain letters, digits and spaces")
        for name, phrases in words.items()
        for index, phrase in enumerate(phrases)
        if not _is_phrase(phrase)
    )
    if sum(map(len, words.values())) > MAX_WORDS:
        problems.append(ModelProblem("words", f"may hold {MAX_WORDS} phrases at most"))
    return problems


def _is_phrase(text: str) -> bool:
    return 0 < len(text.strip()) <= 60 and all(char.isalnum() or char in " '-" for char in text)
