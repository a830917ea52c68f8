"""A model's own words for procedures and urgency, besides the packaged lexicons."""

from collections.abc import Mapping
from typing import Final

from scoring.labels import PROCEDURES
from scoring.result import Signals
from scoring.text.matcher import Matcher
from scoring.text.negation import Context
from scoring.text.normalise import Words, words_of

_RANK: Final = {"none": 0, "routine": 1, "soon": 2, "urgent": 3, "emergency": 4}
#: Messages in which a procedure is a topic, not a wish.
_UNWANTED: Final = frozenset({"job_or_vendor", "spam", "existing_patient_admin"})


class LayWords:
    """Finds a model's own phrases in a text, read as the packaged lexicons are."""

    def __init__(self, phrases: Mapping[str, tuple[str, ...]]) -> None:
        self._matcher = Matcher(
            (f"proc_{name}" if name in PROCEDURES else name, " ".join(words))
            for name, each in phrases.items()
            for phrase in each
            if (words := words_of(phrase).words)
        )

    def added(self, signals: Signals, words: Words) -> Signals:
        """Return `signals` with what the phrases in `words` add. They never lower an urgency.

        >>> own = LayWords({"dental_implant": ("screw in tooth",), "soon": ("tooth fell out",)})
        >>> own.added(Signals(), words_of("How much is a screw in tooth?")).procedures
        ('dental_implant',)
        """
        hits = self._matcher.find(words)
        if not hits or signals.inquiry_type in _UNWANTED:
            return signals
        context = Context(words)
        named = {hit.concept for hit in hits if context.is_current(hit, of_patient=True)}
        also = {name.removeprefix("proc_") for name in named if name.startswith("proc_")}
        if also:
            known = also.union(signals.procedures) - {"none", "other"}
            found = tuple(name for name in PROCEDURES if name in known or name in also)
            signals = signals._replace(procedures=found)
        for name in named & {"urgent", "soon"}:
            if _RANK[name] > _RANK[signals.urgency]:
                signals = signals._replace(urgency=name)
        return signals
