"""The scoring model: rules, caps, tiers and hours, checked when built."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from scoring.conditions import (
    READABLE,
    All,
    Any,
    AtLeast,
    Condition,
    Contains,
    In,
    Is,
    Known,
    Leaf,
    Not,
    WithinDays,
    leaves,
    problems_of,
)
from scoring.decay import decay_steps
from scoring.errors import ModelError
from scoring.hours import BusinessHours, Span
from scoring.labels import FACTORS, SCORED_TIERS

__all__ = [
    "All",
    "Any",
    "AtLeast",
    "BusinessHours",
    "Condition",
    "Contains",
    "In",
    "Is",
    "Known",
    "Leaf",
    "Not",
    "Rule",
    "ScoringModel",
    "Span",
    "Tier",
    "WithinDays",
]

DEFAULT_CAPS: Final[Mapping[str, int]] = MappingProxyType(
    {"inquiry_type": 25, "urgency": 20, "insurance": 15, "procedure": 20, "engagement": 20}
)
MAX_RESPOND_MINUTES: Final = 20_160
MAX_HALF_LIFE_DAYS: Final = 3_650.0
MAX_TIMES: Final = 100
MAX_WORDING_CHARS: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Points that a lead earns, or loses, in one factor while a condition holds."""

    id: str  #: Code of its reason; unique in the model.
    factor: str
    when: Condition
    points: int  #: For each occurrence; may be negative.
    says: str  #: The reason's wording: the same for every lead, so free of PHI.
    #: The instant or activity that points age by; by default the one that `when` reads, if one.
    since: str | None = None
    half_life_days: float | None = None
    window_days: float | None = None  #: Occurrences of this age or older earn nothing.
    max_times: int = 1  #: Of an activity, the latest so many occurrences count.
    steps: tuple[timedelta, ...] = field(init=False, repr=False, compare=False)
    reads: tuple[str, ...] = field(init=False, repr=False, compare=False)
    #: The conditions that turn false by themselves.
    expiring: tuple[WithinDays, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive what every lead would otherwise derive again."""
        reads = tuple(dict.fromkeys(leaf.field for leaf in leaves(self.when)))
        dated = [name for name in reads if _is_dated(name)]
        if self.since is None and self.ages and len(dated) == 1:
            object.__setattr__(self, "since", dated[0])
        object.__setattr__(self, "reads", reads)
        expiring = tuple(leaf for leaf in leaves(self.when) if isinstance(leaf, WithinDays))
        object.__setattr__(self, "expiring", expiring)
        steps: tuple[timedelta, ...] = ()
        if self.half_life_days is not None and 0 < self.half_life_days <= MAX_HALF_LIFE_DAYS:
            steps = decay_steps(min(abs(self.points), 100), half_life_days=self.half_life_days)
        object.__setattr__(self, "steps", steps)

    @property
    def ages(self) -> bool:
        """Whether the points depend on when something happened."""
        return (
            self.half_life_days is not None or self.window_days is not None or self.max_times > 1
        )


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
class ScoringModel:
    """Everything that turns a lead into a score.

    Raises:
        ModelError: With every problem of the model.
    """

    version: str
    rules: tuple[Rule, ...]
    caps: Mapping[str, int] = field(default_factory=lambda: DEFAULT_CAPS)
    tiers: Mapping[str, Tier] = field(default_factory=lambda: DEFAULT_TIERS)
    #: Service line -> tier -> lowest score, where it differs from `tiers`.
    service_lines: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: BusinessHours = field(default_factory=BusinessHours)
    #: Most points that free text may earn in all; never reaches the hot tier, whatever it says.
    text_cap: int = 60

    def __post_init__(self) -> None:
        """Check; all problems at once."""
        problems: list[str] = []
        if not self.version or not _is_wording(self.version):
            problems.append("version: must be plain text of 1 to 120 characters")
        problems.extend(_problems_of_caps(self.caps, self.text_cap))
        seen: set[str] = set()
        for index, rule in enumerate(self.rules):
            place = f"rules[{index}] '{rule.id}'"
            problems.extend(f"{place}: {problem}" for problem in _problems_of_rule(rule))
            if rule.id in seen:
                problems.append(f"{place}: this id is taken")
            seen.add(rule.id)
        problems.extend(_problems_of_tiers(self.tiers))
        if set(self.tiers) == set(SCORED_TIERS):
            for line, lowest in self.service_lines.items():
                problems.extend(
                    _problems_of_cut_offs(f"service_lines.{line}", self._merged(lowest))
                )
                problems.extend(
                    f"service_lines.{line}.{name}: not a tier"
                    for name in lowest
                    if name not in SCORED_TIERS
                )
        if problems:
            raise ModelError(tuple(problems))

    def cut_offs(self, service_line: str | None) -> Mapping[str, int]:
        """Return the lowest score of each tier for leads of `service_line`."""
        return self._merged(self.service_lines.get(service_line or "", {}))

    def _merged(self, lowest: Mapping[str, int]) -> dict[str, int]:
        return {name: lowest.get(name, self.tiers[name].at_least) for name in SCORED_TIERS}


def _is_dated(name: str) -> bool:
    kind = READABLE.get(name)
    return kind is not None and kind.name in {"instant", "activity"}


def _is_wording(text: str) -> bool:
    """Return whether `text` may stand in a CRM: short, one line, no markup, nothing invisible."""
    return 0 < len(text) <= MAX_WORDING_CHARS and not any(
        char in "<>" or unicodedata.category(char)[0] == "C" for char in text
    )


def _problems_of_caps(caps: Mapping[str, int], text_cap: int) -> list[str]:
    problems = [f"caps.{name}: not a factor" for name in caps if name not in FACTORS]
    problems.extend(f"caps.{name}: missing" for name in FACTORS if name not in caps)
    problems.extend(
        f"caps.{name}: must be 0 to 100" for name, cap in caps.items() if not 0 <= cap <= 100
    )
    if not 0 <= text_cap <= 100:
        problems.append("text_cap: must be 0 to 100")
    return problems


def _problems_of_rule(rule: Rule) -> list[str]:
    problems = problems_of(rule.when)
    if not rule.id or not _is_wording(rule.id):
        problems.append("id: must be plain text of 1 to 120 characters")
    if not _is_wording(rule.says):
        problems.append("says: must be plain text of 1 to 120 characters, without < and >")
    if rule.factor not in FACTORS:
        problems.append("factor: must be one of " + ", ".join(FACTORS))
    if rule.points == 0 or not -100 <= rule.points <= 100:
        problems.append("points: must be -100 to 100 and not 0")
    if rule.half_life_days is not None and not 0 < rule.half_life_days <= MAX_HALF_LIFE_DAYS:
        problems.append(f"half_life_days: must be above 0 and at most {MAX_HALF_LIFE_DAYS:g}")
    if rule.window_days is not None and not 0 < rule.window_days <= MAX_HALF_LIFE_DAYS:
        problems.append(f"window_days: must be above 0 and at most {MAX_HALF_LIFE_DAYS:g}")
    if not 1 <= rule.max_times <= MAX_TIMES:
        problems.append(f"max_times: must be 1 to {MAX_TIMES}")
    if rule.ages and (rule.since is None or not _is_dated(rule.since)):
        problems.append(
            "since: half_life_days, window_days and max_times need an instant or an activity"
        )
    return problems


def _problems_of_tiers(tiers: Mapping[str, Tier]) -> list[str]:
    problems = [f"tiers.{name}: missing" for name in SCORED_TIERS if name not in tiers]
    problems.extend(f"tiers.{name}: not a tier" for name in tiers if name not in SCORED_TIERS)
    problems.extend(
        f"tiers.{name}.respond_within_minutes: must be 1 to {MAX_RESPOND_MINUTES}"
        for name, tier in tiers.items()
        if not 1 <= tier.respond_within_minutes <= MAX_RESPOND_MINUTES
    )
    if not problems:
        problems.extend(
            _problems_of_cut_offs("tiers", {name: tiers[name].at_least for name in SCORED_TIERS})
        )
    return problems


def _problems_of_cut_offs(place: str, lowest: Mapping[str, int]) -> list[str]:
    cuts = [lowest[name] for name in SCORED_TIERS]
    if cuts[-1] != 0:
        return [f"{place}: low must begin at 0, or some scores would have no tier"]
    if cuts[0] > 100 or any(a <= b for a, b in pairwise(cuts)):
        return [f"{place}: hot, warm, nurture and low must fall from at most 100"]
    return []
