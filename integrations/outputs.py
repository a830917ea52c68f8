"""What each property that we write must be like, in words both CRMs share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: Every value the tier may take. Source: DESIGN section 5.
TIERS = ("clinical", "hot", "warm", "nurture", "low", "not_a_lead", "unscored")
TRENDS = ("up", "steady", "down")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputKind:
    """A property to write: its label, its type, and the options of a choice."""

    label: str
    kind: str  #: number, choice, text or datetime.
    options: tuple[str, ...] = ()


#: Meaning (as in `config.fields.OUTPUTS`) -> what the property must be like.
OUTPUT_KINDS: Mapping[str, OutputKind] = {
    "score": OutputKind(label="Lead score", kind="number"),
    "tier": OutputKind(label="Lead score tier", kind="choice", options=TIERS),
    "reasons": OutputKind(label="Lead score reasons", kind="text"),
    "inquiry": OutputKind(label="Lead score: inquiry type", kind="number"),
    "urgency": OutputKind(label="Lead score: urgency", kind="number"),
    "insurance": OutputKind(label="Lead score: insurance", kind="number"),
    "procedure": OutputKind(label="Lead score: procedure", kind="number"),
    "engagement": OutputKind(label="Lead score: engagement", kind="number"),
    "likelihood": OutputKind(label="Lead score: likelihood to book (%)", kind="number"),
    "respond_by": OutputKind(label="Respond by", kind="datetime"),
    "trend": OutputKind(label="Lead score trend", kind="choice", options=TRENDS),
    "updated_at": OutputKind(label="Lead score updated at", kind="datetime"),
    "model": OutputKind(label="Lead score model", kind="text"),
}


def model_name(version: str) -> str:
    """Return a model's name without the hash of its content, which changes with each edit.

    >>> model_name("general-61e12fa98970"), model_name("by hand")
    ('general', 'by hand')
    """
    return re.sub(r"-[0-9a-f]{12}\Z", "", version)
