"""The code that accounts for a lead's points: what it does for each rule, in words.

- Where the condition holds, add the points to the factor (or group) and the rule's line.
- For aging rules, look up what age has left, and when that changes next.
- Keep the shortest time after which any rule's lines change: `valid_until`.

A line names its rule, so the account as a whole changes exactly when one rule's lines do, and
rules do not depend on each other: the earliest change of one is the earliest change of all.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

from scoring.conditions import READABLE, Condition, Known, is_timed
from scoring.expressions import (
    SIGNALS,
    Function,
    Scope,
    falls_only,
    function,
    holds,
    is_activity,
    rest,
    turns,
)
from scoring.labels import FACTORS
from scoring.model import ScoringModel
from scoring.result import Reason
from scoring.rule import Rule
from scoring.runtime import (
    ENDLESS,
    OVER,
    Lines,
    Turning,
    Worth,
    aging,
    best,
    decay_lines,
    flip,
    occurrences,
)

#: The instants that a status reset makes forget: those of engagement, never of the lead's course.
ENGAGEMENT_INSTANTS: Final = frozenset(
    {
        "last_web_visit_at",
        "last_email_open_at",
        "last_email_click_at",
        "last_email_reply_at",
        "last_form_submission_at",
        "last_contacted_at",
    }
)
FACTOR_IN_WORDS: Final = {
    "inquiry_type": "Inquiry type",
    "urgency": "Urgency",
    "insurance": "Insurance",
    "procedure": "Procedure",
    "engagement": "Engagement",
}


def load_activities(scope: Scope, *, resets: bool) -> list[str]:
    """Return the lines that fill the variables of the activities read."""
    kinds = scope.activities()
    if not kinds:
        return []
    nothing = scope.bind(())
    empty = " = ".join([*(name for _, name in kinds), nothing])
    missing = " = ".join([*(f"n{name} = l{name}" for _, name in kinds), "None"])
    since = "since" if resets else "None"
    lines = [
        empty,
        missing,
        "if activities:",
        f"    found, counts = {scope.bind(occurrences)}(activities, {since})",
    ]
    for kind, name in kinds:
        key = scope.bind(kind)
        lines += [
            f"    if {key} in found:",
            f"        {name} = found[{key}]",
            f"        n{name} = counts[{key}]",
            f"        l{name} = {name}[0]",
        ]
    return lines


#: Keeps the shortest time after which something changes.
_NOTED: Final = ("if rest < wait:", "    wait = rest")


class _Pot(NamedTuple):
    """The variables in which a factor, or a group of its rules, collects points."""

    all: str
    of_text: str  #: Of these the positive ones that text alone supports.


class Writer:
    """Writes the function that accounts for a lead's points.

    Args:
        model: The checked model.
        of_text: Whether the lead has a text, so that what it earns must be known and capped.
    """

    def __init__(self, model: ScoringModel, *, of_text: bool) -> None:
        self._model = model
        self._of_text = of_text
        self._scope = Scope()
        self._bind = self._scope.bind
        self._texts: list[str] = []  #: Variables of what text earned, by factor.

    def account(self) -> Function:
        """Return the function; `compile.Compiled` has its signature."""
        body: list[str] = []
        for index, factor in enumerate(FACTORS):
            rules = [rule for rule in self._model.rules if rule.factor == factor]
            body += self._factor(f"p{index}", f"t{index}", factor, rules)
        totals = [f"p{index}" for index in range(len(FACTORS))]
        body += self._text_cap()
        named = ", ".join(
            f"{self._bind(factor)}: {total}" for factor, total in zip(FACTORS, totals, strict=True)
        )
        body.append(f"return {' + '.join(totals)}, {{{named}}}, lines, wait")
        loading = ["get = fields.get", f"wait = {self._bind(ENDLESS)}", "lines = []"]
        loading += [*self._resets(), *self._scope.loading()]
        if self._model.resets:
            loading += self._forgetting()
        loading += load_activities(self._scope, resets=bool(self._model.resets))
        loading += self._scope.ages()
        arguments = "fields, activities, signals, now"
        if self._of_text:
            loading.append("x0, x1, x2, x3 = from_text")
            arguments += ", from_text, text_cap"
        return function("account", arguments, [*loading, *body], self._scope)

    def _forgetting(self) -> list[str]:
        return [
            line
            for field, name in self._scope.instants()
            if field in ENGAGEMENT_INSTANTS
            for line in (
                f"if since is not None and {name} is not None and {name} < since:",
                f"    {name} = None",
            )
        ]

    def _resets(self) -> list[str]:
        """Return the lines that find the latest reset."""
        if not self._model.resets:
            return []
        scope = Scope()
        found = []
        for reset in self._model.resets:
            latest = scope.latest(reset.since)
            when = f" and {holds(reset.when, scope)}" if reset.when is not None else ""
            found.append(f"{latest} if {latest} is not None{when} else None")
        body = ["get = fields.get", *scope.loading(), *load_activities(scope, resets=False)]
        body.append(f"return [{', '.join(found)}]")
        reset_instants = function("resets", "fields, activities, signals", body, scope).run
        call = f"{self._bind(reset_instants)}(fields, activities, signals)"
        return [f"since = {self._bind(_latest)}({call})"]

    def _factor(self, total: str, text: str, factor: str, rules: list[Rule]) -> list[str]:
        groups = list(dict.fromkeys(rule.group for rule in rules if rule.group is not None))
        pots = {group: _Pot(f"g{place}", f"h{place}") for place, group in enumerate(groups)}
        own = _Pot(total, "x")
        lines = [f"{total} = 0", *(f"{pot.all} = 0" for pot in pots.values())]
        for run in _runs(rules):
            pot = own if run[0].group is None else pots[run[0].group]
            is_worth = len(run) > 1 or _closed(run[0]) is not None
            lines += self._worth(run, pot) if is_worth else self._rule(run[0], pot)
        reads_text = self._of_text and any(
            field in SIGNALS for rule in rules for field in rule.reads
        )
        if reads_text:
            self._texts.append(text)
            lines = [" = ".join(["x", *(pot.of_text for pot in pots.values()), "0"]), *lines]
            lines += self._without_text(total, text, pots)
        for group, pot in pots.items():
            lines += self._group_cap(group, pot, total)
        cap = self._model.caps[factor]
        most, least = self._bind(cap), self._bind(-cap)
        wording = f"{FACTOR_IN_WORDS[factor]} counts for at most {cap}"
        taken = self._bind(Lines(f"cap.{factor}", wording))
        lowest, highest = _bounds(rules)
        for sign, bound, can_pass in ((">", most, highest > cap), ("<", least, lowest < -cap)):
            if can_pass:
                lines += [
                    f"if {total} {sign} {bound}:",
                    f"    lines.append({taken}[{bound} - {total}])",
                    f"    {total} = {bound}",
                ]
        if reads_text:
            # What text earned is what would be missing without it, once the caps have had theirs.
            lines += [
                "if without is not None:",
                f"    {text} = {total} - {self._bind(max)}({least}, {self._bind(min)}(without, {most}))",
            ]
        return lines

    def _without_text(self, total: str, text: str, pots: dict[str, _Pot]) -> list[str]:
        """Return the lines for what the factor's rules give without the text, before its cap."""
        sums = [f"{total} - x"]
        for group, pot in pots.items():
            most = self._bind(self._model.groups[group])
            sums.append(f"{self._bind(min)}({pot.all} - {pot.of_text}, {most})")
        earned = " or ".join(["x", *(pot.of_text for pot in pots.values())])
        return [f"{text} = 0", f"without = {' + '.join(sums)} if {earned} else None"]

    def _group_cap(self, group: str, pot: _Pot, total: str) -> list[str]:
        cap = self._model.groups[group]
        wording = f"{group.replace('_', ' ').capitalize()}: at most {cap} together"
        taken = self._bind(Lines(f"cap.group.{group}", wording))
        most = self._bind(cap)
        return [
            f"if {pot.all} > {most}:",
            f"    lines.append({taken}[{most} - {pot.all}])",
            f"    {pot.all} = {most}",
            f"{total} += {pot.all}",
        ]

    def _text_cap(self) -> list[str]:
        if not self._texts:
            return []
        lines = [
            f"if ({' + '.join(self._texts)}) > text_cap:",
            f"    left = {' + '.join(self._texts)} - text_cap",
            f"    lines.append({self._bind(_text_line)}(text_cap, left))",
        ]
        for text in reversed(self._texts):
            lines += [
                f"    taken = {text} if {text} < left else left",
                f"    p{text[1:]} -= taken",
                "    left -= taken",
            ]
        return lines

    def _rule(self, rule: Rule, pot: _Pot) -> list[str]:
        if rule.by is not None:
            return self._by_value(rule, pot)
        if rule.ages:
            return self._aging(rule, pot)
        assert rule.when is not None  # noqa: S101  # the model has checked it
        points = rule.points if isinstance(rule.points, int) else 0
        line = Reason(rule.id, points, rule.wording(""), rule.reads)
        earn = [f"{pot.all} += {self._bind(points)}", f"lines.append({self._bind(line)})"]
        earn += self._text_share(rule, pot, self._bind(points), always=points > 0)
        return self._guarded(rule.when, earn)

    def _guarded(self, condition: Condition, inner: list[str]) -> list[str]:
        """Return the lines that do `inner` while `condition` holds, and note when it turns."""
        scope = self._scope
        if not is_timed(condition):
            return [f"if {holds(condition, scope)}:", *_indented(inner)]
        if falls_only(condition):
            return [
                f"rest = {rest(condition, scope)}",
                f"if rest > {self._bind(OVER)}:",
                *_indented([*_NOTED, *inner]),
            ]
        test = f"lambda at: {holds(condition, scope, 'at')}"
        call = f"{self._bind(flip)}({test}, {turns(condition, scope)}, now)"
        return [f"held, rest = {call}", *_NOTED, "if held:", *_indented(inner)]

    def _text_share(self, rule: Rule, pot: _Pot, earned: str, *, always: bool) -> list[str]:
        """Return the lines that count `earned` as the text's, where a signal read is the text's."""
        read = [SIGNALS[field] for field in rule.reads if field in SIGNALS]
        if not read or not self._of_text:
            return []
        tests = [] if always else [f"{earned} > 0"]
        if SIGNALS["signal.booking_intent"] not in read:
            tests.append(f"({' or '.join(f'x{place}' for place in read)})")
        add = f"{pot.of_text} += {earned}"
        return [f"if {' and '.join(tests)}:", f"    {add}"] if tests else [add]

    def _worth(self, run: list[Rule], pot: _Pot) -> list[str]:
        """Return the lines for rules that read one closed field only: a single look-up."""
        field = run[0].reads[0]
        worth = self._bind(Worth([_earning(rule) for rule in run]))
        lines = [
            f"points, gain, more = {worth}[{self._scope.local(field)}]",
            f"{pot.all} += points",
            "lines += more",
        ]
        if self._of_text and field in SIGNALS:
            lines += [f"if x{SIGNALS[field]}:", f"    {pot.of_text} += gain"]
        return lines

    def _by_value(self, rule: Rule, pot: _Pot) -> list[str]:
        assert rule.by is not None  # noqa: S101
        entries = _entries(rule)
        value = self._scope.local(rule.by)
        if READABLE[rule.by].name == "choices":
            nothing = self._bind(())
            found = f"{self._bind(best)}({value} or {nothing}, {self._bind(entries)})"
        else:
            found = f"{self._bind(entries.get)}({value})"
        return self._entry(rule, pot, found)

    def _entry(self, rule: Rule, pot: _Pot, found: str) -> list[str]:
        earn = ["points, line = entry", f"{pot.all} += points", "lines.append(line)"]
        earn += self._text_share(rule, pot, "points", always=False)
        lines = [f"entry = {found}", "if entry is not None:"]
        if rule.by is not None and rule.when is not None:
            return [*lines, *_indented(self._guarded(rule.when, earn))]
        return [*lines, *_indented(earn)]

    def _aging(self, rule: Rule, pot: _Pot) -> list[str]:
        assert rule.since is not None  # noqa: S101  # the model has checked it
        assert rule.when is not None  # noqa: S101
        scope = self._scope
        condition = rule.when
        if is_timed(condition) and not falls_only(condition):
            return self._turning(rule, condition, pot)
        noted: list[str] = []
        if is_timed(condition):
            opening = [f"until = {rest(condition, scope)}", f"if until > {self._bind(OVER)}:"]
            noted = ["if until < wait:", "    wait = until"]
        else:
            opening = [f"if {holds(condition, scope)}:"]
        if is_activity(rule.since) and rule.max_times > 1:
            return [*opening, *_indented(self._often(rule, pot, noted))]
        age = scope.age(rule.since)
        inner = self._once(rule, pot, age, noted)
        if condition == Known(field=rule.since):
            return [f"if {age} is not None:", *_indented(inner)]
        return [*opening, f"    if {age} is not None:", *_indented(_indented(inner))]

    def _once(self, rule: Rule, pot: _Pot, age: str, noted: list[str]) -> list[str]:
        """Return the lines for one occurrence, whose age is in the variable `age`."""
        points = rule.points if isinstance(rule.points, int) else 0
        line = self._bind(Reason(rule.id, points, rule.wording(""), rule.reads))
        edges, rows = aging(rule)
        if not edges:  # only `max_times`, of something that happens once
            earn = [*noted, f"{pot.all} += {self._bind(points)}", f"lines.append({line})"]
            return [*earn, *self._text_share(rule, pot, self._bind(points), always=points > 0)]
        row = f"{self._bind(rows)}[{self._bind(bisect_right)}({self._bind(edges)}, {age})]"
        inner = [*noted, f"{pot.all} += left", f"lines.append({line})"]
        if rule.steps:
            inner += ["if gone is not None:", "    lines.append(gone)"]
        inner += self._noting_change(rule, age)
        inner += self._text_share(rule, pot, "left", always=False)
        if rule.window_days is None:
            return [f"left, change, gone = {row}", *inner]
        return [
            f"row = {row}",
            "if row is not None:",
            "    left, change, gone = row",
            *_indented(inner),
        ]

    def _noting_change(self, rule: Rule, age: str) -> list[str]:
        """Return the lines that note when a look-up gives another row: its `change`, if any."""
        noting = [f"rest = change - {age}", *_NOTED]
        if rule.window_days is not None:  # then there is always one
            return noting
        return ["if change is not None:", *_indented(noting)]

    def _often(self, rule: Rule, pot: _Pot, noted: list[str]) -> list[str]:
        """Return the lines for the latest occurrences of an activity."""
        assert rule.since is not None  # noqa: S101
        edges, rows = aging(rule)
        loop = [
            f"for at in {self._scope.local(rule.since)}[:{self._bind(rule.max_times)}]:",
            "    age = now - at",
            f"    row = {self._bind(rows)}[{self._bind(bisect_right)}({self._bind(edges)}, age)]",
        ]
        if rule.window_days is not None:
            loop += ["    if row is None:", "        break"]
        loop += [
            "    aged, change, _ = row",
            f"    full += {self._bind(rule.points)}",
            "    left += aged",
            *_indented(self._noting_change(rule, "age")),
        ]
        return ["full = left = 0", *loop, *self._sums(rule, pot, noted)]

    def _turning(self, rule: Rule, condition: Condition, pot: _Pot) -> list[str]:
        assert rule.since is not None  # noqa: S101
        occurred = self._scope.local(rule.since)
        if not is_activity(rule.since):
            occurred = f"[{occurred}] if {occurred} is not None else []"
        test = f"lambda at: {holds(condition, self._scope, 'at')}"
        instants = turns(condition, self._scope)
        call = f"{self._bind(Turning(rule))}({test}, {instants}, {occurred}, now)"
        return [f"full, left, rest = {call}", *_NOTED, *self._sums(rule, pot, [])]

    def _sums(self, rule: Rule, pot: _Pot, noted: list[str]) -> list[str]:
        lines = self._bind(Lines(rule.id, rule.wording(""), rule.reads))
        inner = [
            f"{pot.all} += left",
            f"lines.append({lines}[full])",
            "if left != full:",
            f"    lines.append({self._bind(decay_lines(rule))}[left - full])",
            *self._text_share(rule, pot, "left", always=False),
        ]
        return ["if full:", *_indented([*noted, *inner])]


def _runs(rules: list[Rule]) -> list[list[Rule]]:
    """Return `rules` in order; neighbours that read the same closed field only stand together."""
    runs: list[list[Rule]] = []
    for closed, neighbours in groupby(rules, key=lambda rule: (_closed(rule), rule.group)):
        found = list(neighbours)
        runs += [[rule] for rule in found] if closed[0] is None else [found]
    return runs


def _closed(rule: Rule) -> str | None:
    """Return the one field that the rule reads, if its values are a closed set and no time counts."""
    if rule.ages or len(rule.reads) != 1 or (rule.when is not None and is_timed(rule.when)):
        return None
    field = rule.reads[0]
    return field if READABLE[field].allowed else None


def _earning(rule: Rule) -> Callable[[Any], tuple[int, Reason] | None]:
    """Return the function from the value of the rule's one field to its points and line."""
    entries = None if rule.by is None else _entries(rule)
    points = rule.points if isinstance(rule.points, int) else 0
    plain = (
        (points, Reason(rule.id, points, rule.wording(""), rule.reads))
        if entries is None
        else None
    )
    scope = Scope()
    variable = scope.local(rule.reads[0])
    test = "True" if rule.when is None else holds(rule.when, scope)
    is_true = function("is_true", variable, [f"return {test}"], scope).run

    def earn(value: Any) -> tuple[int, Reason] | None:
        if not is_true(value):
            return None
        if entries is None:
            return plain
        return best(value if isinstance(value, tuple) else (value,), entries)

    return earn


def _entries(rule: Rule) -> dict[str, tuple[int, Reason]]:
    table = {} if isinstance(rule.points, int) else rule.points
    return {
        value: (points, Reason(rule.id, points, rule.wording(value), rule.reads))
        for value, points in table.items()
    }


def _bounds(rules: list[Rule]) -> tuple[int, int]:
    """Return points that the sum of the rules never comes below, and never above."""
    lowest = highest = 0
    for rule in rules:
        table = [rule.points] if isinstance(rule.points, int) else rule.points.values()
        lowest += min(0, *table) * rule.max_times
        highest += max(0, *table) * rule.max_times
    return lowest, highest


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _latest(instants: Iterable[datetime | None]) -> datetime | None:
    return max((at for at in instants if at is not None), default=None)


def _text_line(cap: int, excess: int) -> Reason:
    return Reason("cap.text", -excess, f"Words alone count for at most {cap}")
