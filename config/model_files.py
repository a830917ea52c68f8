"""A scoring model file as pydantic models, and the checked `ScoringModel` it builds."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from config.hours import HoursFile, TierFile
from config.rules import ConditionFile, FileTable, RuleFile, refuse
from scoring.errors import FieldError, ModelError, ModelProblem
from scoring.labels import TIERS
from scoring.lead import Activity, Lead, read_activity, read_field
from scoring.model import DEFAULT_CAPS, DEFAULT_TIERS, Exclusion, Reset, ScoringModel

#: When the cases of a pack are scored: a Wednesday morning.
CASES_AT: Final = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
#: Keys that say nothing about how a lead is scored: the version does not hang on them.
_BESIDES: Final = frozenset({"pack", "cases", "benchmarks", "extends", "remove"})

Percent = Annotated[int, Field(ge=0, le=100)]
DaysAgo = Annotated[float, Field(ge=-365, le=36_500)]


class ExclusionFile(FileTable):
    """Who else is no lead, and where the message goes."""

    when: ConditionFile
    route: str
    says: str = ""

    def build(self) -> Exclusion:
        """Return the exclusion."""
        return Exclusion(when=self.when.build(), route=self.route, says=self.says)


class ResetFile(FileTable):
    """An instant or activity from which on engagement before it no longer counts."""

    since: str
    when: ConditionFile | None = None

    def build(self) -> Reset:
        """Return the reset."""
        return Reset(since=self.since, when=None if self.when is None else self.when.build())


class PackFile(FileTable):
    """What a specialty pack is for."""

    title: str = Field(min_length=1, max_length=100)
    specialties: tuple[str, ...] = Field(min_length=1)


class CaseLeadFile(FileTable):
    """An invented lead; instants are given as days before the case is scored."""

    text: str = ""
    fields: Mapping[str, Any] = Field(default_factory=dict)
    fields_days_ago: Mapping[str, DaysAgo] = Field(default_factory=dict)
    activities_days_ago: Mapping[str, tuple[DaysAgo, ...]] = Field(default_factory=dict)
    created_days_ago: DaysAgo = 0

    @model_validator(mode="after")
    def _is_a_lead(self) -> Self:
        self.build()
        return self

    def build(self) -> Lead:
        """Return the lead. Raises: ValueError for a field or an activity that cannot be."""
        try:
            fields = {name: read_field(name, value) for name, value in self.fields.items()}
            for name, days in self.fields_days_ago.items():
                fields[name] = read_field(name, _ago(days))
            return Lead(
                text=self.text,
                fields=fields,
                activities=tuple(self._activities()),
                created_at=_ago(self.created_days_ago),
            )
        except FieldError as error:
            raise ValueError(str(error)) from None

    def _activities(self) -> list[Activity]:
        return [
            read_activity(kind, _ago(days))
            for kind, each in self.activities_days_ago.items()
            for days in each
        ]


def _ago(days: float) -> datetime:
    return CASES_AT - timedelta(days=days)


def _tier(name: str) -> str:
    if name not in TIERS:
        refuse([ModelProblem("", f"no such tier, found '{name}'", name, TIERS)])
    return name


class CaseFile(FileTable):
    """An example lead and the tier that the pack must give it."""

    name: str = Field(min_length=1, max_length=200)
    lead: CaseLeadFile
    tier: Annotated[str, AfterValidator(_tier)]


class BenchmarksFile(FileTable):
    """Figures of other practices: none without the source they are from."""

    source: str = ""
    figures: Mapping[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _have_a_source(self) -> Self:
        if self.figures and len(self.source.strip()) < 10:
            raise ValueError("figures need a 'source': who measured them, where and when")
        return self


class ModelFile(FileTable):
    """A scoring model as a person writes it, with what it extends already merged in."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")
    extends: str | None = None
    remove: tuple[str, ...] = ()  #: Rules of the extended model to leave out, by id.
    pack: PackFile | None = None
    text_cap: Percent = 60
    caps: Mapping[str, Percent] = Field(default_factory=dict)
    groups: Mapping[str, Percent] = Field(default_factory=dict)
    tiers: Mapping[str, TierFile] = Field(default_factory=dict)
    service_lines: Mapping[str, Mapping[str, Percent]] = Field(default_factory=dict)
    hours: HoursFile = Field(default_factory=HoursFile)
    words: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    rules: tuple[RuleFile, ...] = Field(min_length=1)
    exclusions: tuple[ExclusionFile, ...] = ()
    resets: tuple[ResetFile, ...] = ()
    cases: tuple[CaseFile, ...] = ()
    benchmarks: BenchmarksFile = Field(default_factory=BenchmarksFile)
    _model: ScoringModel = PrivateAttr()

    @model_validator(mode="after")
    def _makes_a_model(self) -> Self:
        """Build at once, so that whatever is wrong with the model is a validation error."""
        tiers = dict(DEFAULT_TIERS)
        tiers.update((name, tier.build()) for name, tier in self.tiers.items())
        caps = dict(DEFAULT_CAPS)
        caps.update((name, cap) for name, cap in self.caps.items())
        try:
            self._model = ScoringModel(
                version=self.version,
                rules=tuple(rule.build() for rule in self.rules),
                caps=caps,
                groups=dict(self.groups),
                tiers=tiers,
                service_lines={line: dict(cut) for line, cut in self.service_lines.items()},
                exclusions=tuple(each.build() for each in self.exclusions),
                resets=tuple(each.build() for each in self.resets),
                words=dict(self.words),
                hours=self.hours.build(),
                text_cap=self.text_cap,
            )
        except ModelError as error:
            refuse(error.problems)
        return self

    @property
    def version(self) -> str:
        """The name and a short hash of what scores: the same content has the same version."""
        content = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude=set(_BESIDES)
        )
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return f"{self.name}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"

    def build(self) -> ScoringModel:
        """Return the checked model."""
        return self._model
