"""The field map: which CRM property feeds which of our fields, and what we write where."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from config.patterns import PROPERTY_NAME
from config.problems import did_you_mean
from config.traits import trait_in
from scoring.lead import MAPPABLE

Crm = Literal["hubspot", "salesforce"]

PropertyName = Annotated[str, Field(pattern=PROPERTY_NAME)]


class Source(BaseModel):
    """Where one of our fields comes from.

    `aliases` turns the CRM's own option values into ours (`"PPO" = "insured_named"`), compared
    without case or surrounding space. `separator` splits a multi-value property; both CRMs use
    a semicolon. `phi` marks health information: it is the default, and only a field that is
    surely none (a counter, a date of a click) may say otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    property: PropertyName
    aliases: Mapping[str, str] = {}
    separator: str = Field(default=";", min_length=1, max_length=3)
    phi: bool = True
    #: Why a property that holds a protected trait is read all the same; printed in the register.
    override_reason: str | None = Field(default=None, min_length=20, max_length=300)

    @model_validator(mode="after")
    def _is_no_trait(self) -> Self:
        trait = trait_in(self.property)
        if trait is not None and self.override_reason is None:
            raise ValueError(
                f"'{self.property}' holds a protected trait ({trait}), which is no input of a score;"
                " leave it out, or give override_reason in writing (20 characters or more)"
            )
        return self


def _source(value: Any) -> Any:
    return {"property": value} if isinstance(value, str) else value


def _field_name(value: Any) -> Any:
    if isinstance(value, str) and value not in MAPPABLE:
        trait = trait_in(value)
        if trait is not None:
            raise ValueError(
                f"'{value}' is a protected trait ({trait}): never an input of a score"
            )
        raise ValueError(f"no such field of ours{did_you_mean(value, MAPPABLE)}")
    return value


#: Our field -> where it comes from. In the file a plain name will do: `message = "message"`.
FieldMap = dict[
    Annotated[str, BeforeValidator(_field_name)], Annotated[Source, BeforeValidator(_source)]
]

#: What is written back, and under which meaning. Source: DESIGN section 5.
OUTPUTS = (
    "score",
    "tier",
    "reasons",
    "inquiry",
    "urgency",
    "insurance",
    "procedure",
    "engagement",
    "likelihood",
    "respond_by",
    "trend",
    "updated_at",
    "model",
)


def _output_name(value: Any) -> Any:
    if isinstance(value, str) and value not in OUTPUTS:
        raise ValueError(f"nothing we write has this name{did_you_mean(value, OUTPUTS)}")
    return value


#: Meaning -> CRM property that receives it.
OutputMap = dict[Annotated[str, BeforeValidator(_output_name)], PropertyName]


def _hubspot_name(output: str) -> str:
    return "lead_score" if output == "score" else f"lead_score_{output}"


def _salesforce_name(output: str) -> str:
    tail = "" if output == "score" else "_" + "_".join(w.capitalize() for w in output.split("_"))
    return f"Lead_Score{tail}__c"


#: The names used unless practice.toml gives others.
DEFAULT_OUTPUTS: Mapping[Crm, Mapping[str, str]] = {
    "hubspot": {output: _hubspot_name(output) for output in OUTPUTS},
    "salesforce": {output: _salesforce_name(output) for output in OUTPUTS},
}
