"""A scoring model as one Python function, made once for each model.

The code is generated from the checked model only. Whatever comes from the model is bound as an
object; see `scoring/expressions.py`. What the code does for each rule, in words:

- where the condition holds, add the points to the factor (or group) and the rule's line;
- for aging rules, look up what age has left, and when that changes next;
- keep the earliest instant at which any rule's lines change: `valid_until`.

A line names its rule, so the account as a whole changes exactly when one rule's lines do, and
rules do not depend on each other: the earliest change of one is the earliest change of all.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

from scoring.conditions import READABLE, Condition, Is, is_timed
from scoring.expressions import (
    SIGNALS,
    Scope,
    falls_only,
    holds,
    is_activity,
    turns,
    until,
)
from scoring.labels import FACTORS, SCORED_TIERS
from scoring.lay_words import LayWords
from scoring.lead import Activity, FieldValue
from scoring.model import ScoringModel
from scoring.result import Reason, Signals
from scoring.rule import Rule
from scoring.runtime import (
    FOREVER,
    Lines,
    Turning,
    aged_table,
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

#: Points in all, by factor, lines, next change (FOREVER for never).
Account: TypeAlias = tuple[int, dict[str, int], list[Reason], datetime]
Fields: TypeAlias = Mapping[str, FieldValue]
Activities: TypeAlias = tuple[Activity, ...]
#: Of the first four signals, whether the text alone supports them.
FromText: TypeAlias = tuple[bool, bool, bool, bool]


class Plan(NamedTuple):
    """What differs by service line."""

    text_cap: int  #: Most points of free text: always less than the hot tier needs.
    bands: tuple[tuple[str, int], ...]  #: By score from 0 to 100: tier, minutes to respond within.


class Compiled(NamedTuple):
    """A model, ready to be used."""

    account: Callable[[Fields, Activities, Signals, FromText, int, datetime], Account]
    #: The number of the first exclusion that holds, or None.
    excluded: Callable[[Fields, Activities, Signals], int | None] | None
    plan: Plan
    plans: Mapping[object, Plan]  #: By service line, where one differs.
    lay_words: LayWords | None
    source: str  #: The generated code, for people who want to see it.


def compiled(model: ScoringModel) -> Compiled:
    """Return `model` ready to be used; the same object each time."""
    found: Compiled | None = model.kept
    if found is None:
        found = compile_model(model)
        object.__setattr__(model, "kept", found)
    return found


def compile_model(model: ScoringModel) -> Compiled:
    """Return a new compilation of `model`."""
    account = _Writer(model).account()
    excluded = _excluded(model) if model.exclusions else None
    source = "\n".join([account.source, *([excluded.source] if excluded else [])])
    return Compiled(
        account=account.function,
        excluded=excluded.function if excluded else None,
        plan=_plan(model, model.cut_offs(None)),
        plans={line: _plan(model, model.cut_offs(line)) for line in model.service_lines},
        lay_words=LayWords(model.words) if model.words else None,
        source=source,
    )


def _plan(model: ScoringModel, cut_offs: Mapping[str, int]) -> Plan:
    tiers = [
        next(name for name in SCORED_TIERS if points >= cut_offs[name]) for points in range(101)
    ]
    return Plan(
        text_cap=min(model.text_cap, cut_offs["hot"] - 1),
        bands=tuple((name, model.tiers[name].respond_within_minutes) for name in tiers),
    )


class _Function(NamedTuple):
    source: str
    function: Any


def _function(name: str, arguments: str, body: Iterable[str], scope: Scope) -> _Function:
    source = "\n".join([f"def {name}({arguments}):", *(f"    {line}" for line in body), ""])
    # From the checked model only, and none of its text is in `source`: see this module's docstring.
    exec(compile(source, f"<scoring model: {name}>", "exec"), scope.names)  # noqa: S102
    return _Function(source, scope.names[name])


def _excluded(model: ScoringModel) -> _Function:
    scope = Scope()
    body = []
    for index, exclusion in enumerate(model.exclusions):
        body += [f"if {holds(exclusion.when, scope)}:", f"    return {scope.bind(index)}"]
    loading = ["get = fields.get", *scope.loading(), *_load_activities(scope, resets=False)]
    return _function("excluded", "fields, activities, signals", [*loading, *body], scope)


def _load_activities(scope: Scope, *, resets: bool) -> list[str]:
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


class _Pot(NamedTuple):
    """The variables in which a factor, or a group of its rules, collects points."""

    all: str
    of_text: str  #: Of these the positive ones that text alone supports.


class _Writer:
    """Writes the function that accounts for a lead's points."""

    def __init__(self, model: ScoringModel) -> None:
        self._model = model
        self._scope = Scope()
        self._bind = self._scope.bind
        self._texts: list[str] = []  #: Variables of what text earned, by factor.

    def account(self) -> _Function:
        body: list[str] = []
        for index, factor in enumerate(FACTORS):
            rules = [rule for rule in self._model.rules if rule.factor == factor]
            body += self._factor(f"p{index}", f"t{index}", factor, rules)
        totals = [f"p{index}" for index in range(len(FACTORS))]
        body += self._text_cap()
        named = ", ".join(
            f"{self._bind(factor)}: {total}" for factor, total in zip(FACTORS, totals, strict=True)
        )
        body.append(f"return {' + '.join(totals)}, {{{named}}}, lines, end")
        loading = ["get = fields.get", f"end = {self._bind(FOREVER)}", "lines = []"]
        loading += ["add = lines.append", *self._resets(), *self._scope.loading()]
        if self._model.resets:
            loading += [
                line
                for field, name in self._scope.instants()
                if field in ENGAGEMENT_INSTANTS
                for line in (
                    f"if since is not None and {name} is not None and {name} < since:",
                    f"    {name} = None",
                )
            ]
        loading += _load_activities(self._scope, resets=bool(self._model.resets))
        if any(field in SIGNALS for field in self._scope.read):
            loading.append("x0, x1, x2, x3 = from_text")
        arguments = "fields, activities, signals, from_text, text_cap, now"
        return _function("account", arguments, [*loading, *body], self._scope)

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
        body = ["get = fields.get", *scope.loading(), *_load_activities(scope, resets=False)]
        body.append(f"return [{', '.join(found)}]")
        reset_instants = _function("resets", "fields, activities, signals", body, scope).function
        call = f"{self._bind(reset_instants)}(fields, activities, signals)"
        return [f"since = {self._bind(_latest)}({call})"]

    def _factor(self, total: str, text: str, factor: str, rules: list[Rule]) -> list[str]:
        groups = list(dict.fromkeys(rule.group for rule in rules if rule.group is not None))
        pots = {group: _Pot(f"g{place}", f"h{place}") for place, group in enumerate(groups)}
        own = _Pot(total, "x")
        lines = [f"{total} = x = 0"]
        lines += [f"{pot.all} = {pot.of_text} = 0" for pot in pots.values()]
        for run in _runs(rules):
            pot = own if run[0].group is None else pots[run[0].group]
            lines += self._table(run, pot) if len(run) > 1 else self._rule(run[0], pot)
        reads_text = any(field in SIGNALS for rule in rules for field in rule.reads)
        if reads_text:
            self._texts.append(text)
            sums = [f"{total} - x"]
            for group, pot in pots.items():
                most = self._bind(self._model.groups[group])
                sums.append(f"{self._bind(min)}({pot.all} - {pot.of_text}, {most})")
            earned = " or ".join(["x", *(pot.of_text for pot in pots.values())])
            lines += [f"{text} = 0", f"without = {' + '.join(sums)} if {earned} else None"]
        for group, pot in pots.items():
            lines += self._group_cap(group, pot, total)
        cap = self._model.caps[factor]
        wording = f"{FACTOR_IN_WORDS[factor]} counts for at most {cap}"
        most, least = self._bind(cap), self._bind(-cap)
        taken = self._bind(Lines(f"cap.{factor}", wording))
        lines += [
            f"if {total} > {most}:",
            f"    add({taken}[{most} - {total}])",
            f"    {total} = {most}",
            f"elif {total} < {least}:",
            f"    add({taken}[{least} - {total}])",
            f"    {total} = {least}",
        ]
        if reads_text:
            # What text earned is what would be missing without it, once the caps have had theirs.
            lines += [
                "if without is not None:",
                f"    {text} = {total} - {self._bind(max)}({least}, {self._bind(min)}(without, {most}))",
            ]
        return lines

    def _group_cap(self, group: str, pot: _Pot, total: str) -> list[str]:
        cap = self._model.groups[group]
        wording = f"{group.replace('_', ' ').capitalize()}: at most {cap} together"
        taken = self._bind(Lines(f"cap.group.{group}", wording))
        most = self._bind(cap)
        return [
            f"if {pot.all} > {most}:",
            f"    add({taken}[{most} - {pot.all}])",
            f"    {pot.all} = {most}",
            f"{total} += {pot.all}",
        ]

    def _text_cap(self) -> list[str]:
        if not self._texts:
            return []
        lines = [
            f"if ({' + '.join(self._texts)}) > text_cap:",
            f"    left = {' + '.join(self._texts)} - text_cap",
            f"    add({self._bind(_text_line)}(text_cap, left))",
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
        earn = [f"{pot.all} += {self._bind(points)}", f"add({self._bind(line)})"]
        earn += self._text_share(rule, pot, self._bind(points), always=points > 0)
        return self._guarded(rule.when, earn)

    def _guarded(self, condition: Condition, inner: list[str]) -> list[str]:
        """Return the lines that do `inner` while `condition` holds, and note when it turns."""
        scope = self._scope
        if not is_timed(condition):
            return [f"if {holds(condition, scope)}:", *_indented(inner)]
        if falls_only(condition):
            noted = ["if turn < end:", "    end = turn"]
            return [
                f"turn = {until(condition, scope)}",
                "if now < turn:",
                *_indented([*noted, *inner]),
            ]
        test = f"lambda at: {holds(condition, scope, 'at')}"
        call = f"{self._bind(flip)}({test}, {turns(condition, scope)}, now)"
        return [
            f"held, turn = {call}",
            "if turn < end:",
            "    end = turn",
            "if held:",
            *_indented(inner),
        ]

    def _text_share(self, rule: Rule, pot: _Pot, earned: str, *, always: bool) -> list[str]:
        """Return the lines that count `earned` as the text's, where a signal read is the text's."""
        read = [SIGNALS[field] for field in rule.reads if field in SIGNALS]
        if not read:
            return []
        tests = [] if always else [f"{earned} > 0"]
        if SIGNALS["signal.booking_intent"] not in read:
            tests.append(f"({' or '.join(f'x{place}' for place in read)})")
        add = f"{pot.of_text} += {earned}"
        return [f"if {' and '.join(tests)}:", f"    {add}"] if tests else [add]

    def _table(self, run: list[Rule], pot: _Pot) -> list[str]:
        """Return the lines for rules that ask one field for one value each: a single look-up."""
        entries = {}
        for rule in run:
            assert isinstance(rule.when, Is)  # noqa: S101  # `_runs` has seen to it
            assert isinstance(rule.points, int)  # noqa: S101
            line = Reason(rule.id, rule.points, rule.wording(""), rule.reads)
            entries[rule.when.value] = (rule.points, line)
        assert isinstance(run[0].when, Is)  # noqa: S101
        value = self._scope.local(run[0].when.field)
        return self._entry(run[0], pot, f"{self._bind(entries.get)}({value})")

    def _by_value(self, rule: Rule, pot: _Pot) -> list[str]:
        assert rule.by is not None  # noqa: S101
        assert not isinstance(rule.points, int)  # noqa: S101
        entries = {
            value: (points, Reason(rule.id, points, rule.wording(value), rule.reads))
            for value, points in rule.points.items()
        }
        value = self._scope.local(rule.by)
        if READABLE[rule.by].name == "choices":
            nothing = self._bind(())
            found = f"{self._bind(best)}({value} or {nothing}, {self._bind(entries)})"
        else:
            found = f"{self._bind(entries.get)}({value})"
        return self._entry(rule, pot, found)

    def _entry(self, rule: Rule, pot: _Pot, found: str) -> list[str]:
        earn = [f"{pot.all} += entry[0]", "add(entry[1])"]
        earn += self._text_share(rule, pot, "entry[0]", always=False)
        lines = [f"entry = {found}", "if entry is not None:"]
        if rule.by is not None and rule.when is not None:
            return [*lines, *_indented(self._guarded(rule.when, earn))]
        return [*lines, *_indented(earn)]

    def _aging(self, rule: Rule, pot: _Pot) -> list[str]:
        assert rule.since is not None  # noqa: S101  # the model has checked it
        assert rule.when is not None  # noqa: S101
        condition = rule.when
        occurred = self._scope.local(rule.since)
        is_single = not is_activity(rule.since)
        if is_timed(condition) and not falls_only(condition):
            return self._turning(
                rule,
                pot,
                f"[{occurred}] if {occurred} is not None else []" if is_single else occurred,
            )
        noted = []
        if is_timed(condition):
            opening = [f"turn = {until(condition, self._scope)}", "if now < turn:"]
            noted = ["if turn < end:", "    end = turn"]
        else:
            opening = [f"if {holds(condition, self._scope)}:"]
        if is_single or rule.max_times == 1:
            latest = self._scope.latest(rule.since)
            inner = self._once(rule, pot, latest, noted)
        else:
            inner = self._often(rule, pot, occurred, noted)
        return [*opening, *_indented(inner)]

    def _once(self, rule: Rule, pot: _Pot, at: str, noted: list[str]) -> list[str]:
        """Return the lines for one occurrence, at the instant in the variable `at`."""
        points = rule.points if isinstance(rule.points, int) else 0
        line = self._bind(Reason(rule.id, points, rule.wording(""), rule.reads))
        if rule.steps:
            table = self._bind(aged_table(rule))
            steps = self._bind(rule.steps)
            inner = [
                f"left, change, gone = {table}[{self._bind(bisect_right)}({steps}, age)]",
                f"{pot.all} += left",
                f"add({line})",
                "if gone is not None:",
                "    add(gone)",
                "if change is not None:",
                f"    turn = {at} + change",
                "    if turn < end:",
                "        end = turn",
                *self._text_share(rule, pot, "left", always=False),
            ]
        else:
            inner = [f"{pot.all} += {self._bind(points)}", f"add({line})"]
            if rule.window_days is not None:
                window = self._bind(timedelta(days=rule.window_days))
                inner += [f"turn = {at} + {window}", "if turn < end:", "    end = turn"]
            inner += self._text_share(rule, pot, self._bind(points), always=points > 0)
        inner = [*noted, *inner]
        lines = [f"if {at} is not None:"]
        if rule.steps or rule.window_days is not None:
            lines.append(f"    age = now - {at}")
        if rule.window_days is None:
            return [*lines, *_indented(inner)]
        window = self._bind(timedelta(days=rule.window_days))
        return [*lines, f"    if age < {window}:", *_indented(_indented(inner))]

    def _often(self, rule: Rule, pot: _Pot, occurred: str, noted: list[str]) -> list[str]:
        """Return the lines for the latest occurrences of an activity."""
        loop = [f"for at in {occurred}[:{self._bind(rule.max_times)}]:", "    age = now - at"]
        if rule.window_days is not None:
            window = self._bind(timedelta(days=rule.window_days))
            loop += [f"    if age >= {window}:", "        break"]
        table = self._bind(aged_table(rule))
        index = f"{self._bind(bisect_right)}({self._bind(rule.steps)}, age)"
        loop += [
            f"    aged, change, _ = {table}[{index}]",
            f"    full += {self._bind(rule.points)}",
            "    left += aged",
            "    if change is not None:",
            "        turn = at + change",
            "        if turn < end:",
            "            end = turn",
        ]
        # The condition's own end matters only where the rule gives anything: hence the order.
        own = [line.replace("turn", "until") for line in noted]
        keep = ["until = turn"] if noted else []
        return [*keep, "full = left = 0", *loop, *self._sums(rule, pot, own)]

    def _turning(self, rule: Rule, pot: _Pot, occurred: str) -> list[str]:
        assert rule.when is not None  # noqa: S101
        test = f"lambda at: {holds(rule.when, self._scope, 'at')}"
        instants = turns(rule.when, self._scope)
        call = f"{self._bind(Turning(rule))}({test}, {instants}, {occurred}, now)"
        return [
            f"full, left, turn = {call}",
            "if turn < end:",
            "    end = turn",
            *self._sums(rule, pot, []),
        ]

    def _sums(self, rule: Rule, pot: _Pot, noted: list[str]) -> list[str]:
        lines = self._bind(Lines(rule.id, rule.wording(""), rule.reads))
        inner = [
            f"{pot.all} += left",
            f"add({lines}[full])",
            "if left != full:",
            f"    add({self._bind(decay_lines(rule))}[left - full])",
            *self._text_share(rule, pot, "left", always=False),
        ]
        return ["if full:", *_indented([*noted, *inner])]


def _runs(rules: list[Rule]) -> list[list[Rule]]:
    """Return `rules` in order; neighbours that ask one field for different values stand together."""
    runs: list[list[Rule]] = []
    for _, neighbours in groupby(rules, key=_asked):
        run: list[Rule] = []
        values: set[object] = set()
        for rule in neighbours:
            value = rule.when.value if isinstance(rule.when, Is) else None
            if run and (_asked(rule) is None or value in values):
                runs.append(run)
                run, values = [], set()
            run.append(rule)
            values.add(value)
        runs.append(run)
    return runs


def _asked(rule: Rule) -> tuple[str, str | None] | None:
    """Return field and group of a rule that only asks a choice or text for one value, else None."""
    if rule.ages or rule.by is not None or not isinstance(rule.when, Is):
        return None
    if READABLE[rule.when.field].name not in {"choice", "text"}:
        return None
    return rule.when.field, rule.group


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _latest(instants: Iterable[datetime | None]) -> datetime | None:
    return max((at for at in instants if at is not None), default=None)


def _text_line(cap: int, excess: int) -> Reason:
    return Reason("cap.text", -excess, f"Words alone count for at most {cap}")
