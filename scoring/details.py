"""The values behind a score's reasons, for sealed places only."""

from scoring.lead import FieldValue, Lead
from scoring.result import LeadScore, Reason


def details_of(lead: Lead, result: LeadScore) -> list[str]:
    """Return, for each reason of `result`, the values in `lead` that its rule read.

    These are PHI. They are looked up only when asked for: most scores are never looked into.

    >>> from scoring.result import Signals
    >>> lead = Lead(fields={"channel": "call"})
    >>> line = Reason("direct", 3, "Called or came in person", ("channel",))
    >>> found = LeadScore(3, "low", {}, (line,), Signals(), None, None, "m")
    >>> details_of(lead, found)
    ['channel=call']
    """
    values: dict[str, FieldValue] = dict(lead.fields)
    for name, value in result.signals._asdict().items():
        values[f"signal.{name}"] = value
    for activity in lead.activities:
        name = f"activity.{activity.kind}"
        before = values.get(name, 0)
        values[name] = activity.count + (before if isinstance(before, int) else 0)
    return [_detail(reason, values) for reason in result.reasons]


def _detail(reason: Reason, values: dict[str, FieldValue]) -> str:
    return "; ".join(f"{name}={values.get(name)}" for name in reason.reads)
