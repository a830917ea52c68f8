"""A strict reader of untrusted JSON: every refusal names the place and the rule, never the value.

`json` alone accepts NaN, duplicate keys, lone surrogates and any depth its stack allows (S13).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from integrations.errors import PayloadError

#: Source: SECURITY-REQUIREMENTS S13.
MAX_DEPTH = 16

_ID = re.compile(r"[0-9]{1,19}\Z")


def loads(body: bytes) -> object:
    """Return the JSON document in `body`.

    Raises:
        PayloadError: not UTF-8, a byte order mark, NaN or infinity, a key twice in one object, a
            lone surrogate, more than 16 levels, or not JSON at all.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise PayloadError("body: begins with a byte order mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadError(f"body: not UTF-8 at byte {error.start}") from None
    _refuse_depth(text)
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except json.JSONDecodeError as error:
        raise PayloadError(f"body: not JSON at character {error.pos}") from None
    except ValueError:  # an integer of more digits than Python converts
        raise PayloadError("body: a number is too long") from None
    if "\\u" in text or "\\U" in text:
        _refuse_surrogates(document)
    return document


def _refuse_depth(text: str) -> None:
    """Refuse nesting over MAX_DEPTH before a parser recurses. Brackets in strings do not count."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _STRUCTURE.finditer(text):
        sign = token.group()
        if sign in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise PayloadError(f"body: more than {MAX_DEPTH} levels")
        elif sign in "]}":
            depth -= 1


#: A whole string, or a bracket. An unclosed string, also one that ends in half an escape, takes
#: the rest of the text: the parser refuses it. Possessive, so that no text takes more than one pass.
_STRUCTURE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise PayloadError("body: a key appears twice in one object")
    return found


def _constant(name: str) -> Any:
    raise PayloadError(f"body: {name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise PayloadError("body: a number is out of range")
    return number


def _refuse_surrogates(value: object) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise PayloadError("body: a lone surrogate")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_surrogates(key)
            _refuse_surrogates(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_surrogates(inner)


class Payload:
    """A JSON value and where it stands, read one checked step at a time.

    >>> Payload.from_json(b'[{"objectId": "x"}]').items()[0]["objectId"].record_id()
    Traceback (most recent call last):
    integrations.errors.PayloadError: body[0].objectId: must be an id of 1 to 19 digits
    """

    __slots__ = ("_value", "place")

    def __init__(self, value: object, place: str = "body") -> None:
        self._value = value
        self.place = place

    @classmethod
    def from_json(cls, body: bytes) -> "Payload":
        """Return the document in `body`. Raises: PayloadError."""
        return cls(loads(body))

    def __getitem__(self, key: str) -> "Payload":
        """Return the value under a key that must be there."""
        if not isinstance(self._value, dict):
            raise PayloadError(f"{self.place}: must be an object")
        if key not in self._value:
            raise PayloadError(f"{self.place}.{key}: missing")
        return Payload(self._value[key], f"{self.place}.{key}")

    def get(self, key: str) -> "Payload | None":
        """Return the value under `key`, or None when it is absent or null."""
        if not isinstance(self._value, dict):
            raise PayloadError(f"{self.place}: must be an object")
        value = self._value.get(key)
        return None if value is None else Payload(value, f"{self.place}.{key}")

    def items(self) -> list["Payload"]:
        """Return the elements of a list."""
        if not isinstance(self._value, list):
            raise PayloadError(f"{self.place}: must be a list")
        return [Payload(value, f"{self.place}[{at}]") for at, value in enumerate(self._value)]

    def __iter__(self) -> Iterator["Payload"]:
        """Iterate over a list's elements."""
        return iter(self.items())

    def text(self) -> str:
        """Return a string."""
        if not isinstance(self._value, str):
            raise PayloadError(f"{self.place}: must be text")
        return self._value

    def whole(self) -> int:
        """Return an integer; `true` is none."""
        if isinstance(self._value, bool) or not isinstance(self._value, int):
            raise PayloadError(f"{self.place}: must be a whole number")
        return self._value

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self._value, bool):
            raise PayloadError(f"{self.place}: must be true or false")
        return self._value

    def record_id(self) -> str:
        """Return an id of 1 to 19 digits as text, given as a number or as text (S13)."""
        value = self._value
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not _ID.match(text):
            raise PayloadError(f"{self.place}: must be an id of 1 to 19 digits")
        return text

    def mapping(self) -> dict[str, Any]:
        """Return an object as it is: the JSON edge."""
        if not isinstance(self._value, dict):
            raise PayloadError(f"{self.place}: must be an object")
        return self._value
