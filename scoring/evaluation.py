"""How well verdicts agree with labels: counts, precision, recall, F1, and how sure a share is."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

#: The normal quantile of a two-sided 95 % interval.
_Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """So many `hits` of so many cases."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; 0 where there is no case."""
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share; 0 to 1 where there is no case.

        Source: Wilson, J. Am. Stat. Assoc. 22 (1927), the score interval.

        >>> low, high = Share(28, 28).interval
        >>> round(low, 3), round(high, 3)
        (0.879, 1.0)
        """
        if not self.of:
            return 0.0, 1.0
        p, n = self.value, self.of
        middle = p + _Z**2 / (2 * n)
        reach = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n * n))
        scale = 1 + _Z**2 / n
        return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a verdict and a label named one value."""

    right: int  #: Both name it.
    named: int  #: The verdict names it.
    rows: int  #: The label names it.

    @property
    def precision(self) -> float:
        """Share of the verdicts that are right; 0 where there is none."""
        return self.right / self.named if self.named else 0.0

    @property
    def recall(self) -> float:
        """Share of the labelled rows that are found; 0 where there is none."""
        return self.right / self.rows if self.rows else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall.

        >>> Agreement(1, 2, 1).f1
        0.6666666666666666
        """
        both = self.named + self.rows
        return 2 * self.right / both if both else 0.0


def agreements(pairs: Iterable[tuple[AbstractSet[str], AbstractSet[str]]]) -> dict[str, Agreement]:
    """Return value -> agreement over (labelled values, values of the verdict), by value.

    >>> agreements([({"a"}, {"a"}), ({"b"}, {"a"})])["a"]
    Agreement(right=1, named=2, rows=1)
    """
    right: Counter[str] = Counter()
    named: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for labelled, found in pairs:
        right.update(labelled & found)
        named.update(found)
        rows.update(labelled)
    return {
        value: Agreement(right[value], named[value], rows[value])
        for value in sorted(named.keys() | rows.keys())
    }


def macro_f1(scores: Mapping[str, Agreement]) -> float:
    """Return the mean F1 over the values that have a row.

    >>> macro_f1({"a": Agreement(1, 1, 1), "b": Agreement(0, 0, 1), "c": Agreement(0, 1, 0)})
    0.5
    """
    present = [score.f1 for score in scores.values() if score.rows]
    return sum(present) / len(present) if present else 0.0


def micro_f1(scores: Mapping[str, Agreement]) -> float:
    """Return the F1 of all values counted together.

    >>> micro_f1({"a": Agreement(1, 2, 1), "b": Agreement(1, 1, 2)})
    0.6666666666666666
    """
    total = Agreement(
        sum(score.right for score in scores.values()),
        sum(score.named for score in scores.values()),
        sum(score.rows for score in scores.values()),
    )
    return total.f1


def mean_absolute_error(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the mean distance between label and verdict; 0 where there is no pair.

    >>> mean_absolute_error([(4, 3), (0, 0)])
    0.5
    """
    return sum(abs(one - other) for one, other in pairs) / len(pairs) if pairs else 0.0


def recall_against_alarms(
    scored: Iterable[tuple[float, bool]],
) -> list[tuple[float, float, float]]:
    """Return (threshold, recall, false-alarm rate), strictest first, over (score, is positive).

    A case counts as flagged where its score reaches the threshold.

    >>> recall_against_alarms([(2.0, True), (1.0, False), (1.0, True)])
    [(2.0, 0.5, 0.0), (1.0, 1.0, 1.0)]
    """
    cases = sorted(scored, reverse=True)
    positives = sum(is_positive for _, is_positive in cases)
    negatives = len(cases) - positives
    points: dict[float, tuple[float, float, float]] = {}
    found = alarms = 0
    for score, is_positive in cases:
        found += is_positive
        alarms += not is_positive
        points[score] = (
            score,
            found / positives if positives else 0.0,
            alarms / negatives if negatives else 0.0,
        )
    return list(points.values())
