"""Weights of the linear models: trained by `bench/text_weights.py`, shipped as data, summed here.

A file has one line a feature: the feature, then `value=weight` for each value that it speaks for
or against, in hundredths. Its first line may give the values short names: `(values)`, then
`short=value` for each. A feature is a word of the text as it is normalised, `~` and a concept
of danger, `+` and a concept of the inquiry, or `=` and what the rules make of them.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

#: The constant term, on a line of its own.
BIAS: Final = "(bias)"
#: The line that gives short names.
VALUES: Final = "(values)"
#: So many features, at least, share the weight of a text.
SHORT: Final = 16
_BITS: Final = 32
_HALF: Final = 1 << (_BITS - 1)


class Weights:
    """Sums of weights for several values at once.

    All weights of a feature stand in one large whole number, 32 bits a value: one addition adds
    them all, and pure Python keeps up with far larger tables than a loop would.
    """

    def __init__(self, table: Iterable[Sequence[str]]) -> None:
        """Compile `table`.

        Raises:
            ValueError: A line has no `value=weight`, or the constant term is missing.
        """
        lines = [list(line) for line in table]
        names: dict[str, str] = {}
        if lines and lines[0][0] == VALUES:
            names = dict(cell.split("=") for cell in lines.pop(0)[1:])
        rows = [(line[0], [_read(cell, names) for cell in line[1:]]) for line in lines]
        self.values = tuple(sorted({value for _, cells in rows for value, _ in cells}))
        place = {value: _BITS * index for index, value in enumerate(self.values)}
        self._packed = {
            feature: sum(weight << place[value] for value, weight in cells)
            for feature, cells in rows
        }
        if BIAS not in self._packed:
            raise ValueError(f"weights: no line {BIAS}")
        offset = sum(_HALF << shift for shift in place.values())
        self._start = self._packed.pop(BIAS) + offset
        self._bytes = len(self.values) * _BITS // 8

    def __len__(self) -> int:
        """Return how many features have a weight."""
        return len(self._packed)

    def sums(self, features: Iterable[str]) -> list[int]:
        """Return the sum for each of `values`, in hundredths; each feature counts once.

        >>> Weights([["(bias)", "a=-50"], ["pain", "a=200", "b=-30"]]).sums({"pain", "or"})
        [150, -30]
        """
        get = self._packed.get
        total = self._start + sum([get(feature, 0) for feature in features])
        fields = array("I", total.to_bytes(self._bytes, "little"))
        return [number - _HALF for number in fields]


class Evidence:
    """Weighs a text for one question; long texts and short ones on the same scale.

    The sum over the features is divided by the root of how many of them have a weight; a text
    of a few words counts as one of `SHORT`, or one word would carry it all.
    """

    def __init__(self, table: Iterable[Sequence[str]]) -> None:
        """Compile `table`, of which each line speaks of one and the same value.

        Raises:
            ValueError: A line has no `value=weight`, or the constant term is missing.
        """
        self._weights = {line[0]: _read(line[1])[1] for line in table if len(line) == 2}
        if BIAS not in self._weights:
            raise ValueError(f"weights: no line {BIAS}")
        self._bias = self._weights.pop(BIAS)

    def of(self, features: Iterable[str]) -> int:
        """Return the evidence of `features` in hundredths.

        >>> Evidence([["(bias)", "danger=-50"], ["numb", "danger=200"]]).of({"numb", "or"})
        0
        """
        get = self._weights.get
        found = [weight for feature in features if (weight := get(feature)) is not None]
        return self._bias + round(sum(found) / math.sqrt(max(len(found), SHORT)))


def _read(cell: str, names: Mapping[str, str] = MappingProxyType({})) -> tuple[str, int]:
    value, _, weight = cell.partition("=")
    return names.get(value, value), int(weight)
