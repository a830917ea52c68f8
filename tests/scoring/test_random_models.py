"""The compiled engine against a slow and obvious one, on random models and random leads.

The slow one walks the conditions as they are written, and finds the next change by trying every
instant at which anything at all could change.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.accounting import ENGAGEMENT_INSTANTS, FACTOR_IN_WORDS
from scoring.conditions import (
    All,
    Any,
    AtLeast,
    AtMost,
    Contains,
    In,
    Is,
    Known,
    Not,
    WithinDays,
    leaves,
)
from scoring.engine import score
from scoring.labels import (
    CHANNELS,
    FACTORS,
    INQUIRY_TYPES,
    INSURANCES,
    PROCEDURES,
    TIERS,
    URGENCIES,
)
from scoring.lead import Activity, Lead
from scoring.model import Reset, ScoringModel
from scoring.rule import Rule
from scoring.text.reading import read_signals

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
ENOUGH = settings(max_examples=150, deadline=None)
MANY = settings(max_examples=600, deadline=None)
UNKNOWN = (None, "", "unknown", "none", (), ("none",))
FIELD_OF_SIGNAL = {
    "signal.urgency": "urgency",
    "signal.inquiry_type": "inquiry_type",
    "signal.insurance": "insurance_status",
    "signal.procedures": "procedures",
}

# The slow engine


def facts_of(lead, model):
    said = read_signals(lead.text)._asdict() if lead.text else read_signals("")._asdict()
    values = dict(lead.fields)
    from_text = set()
    for name, value in said.items():
        signal = f"signal.{name}"
        given = lead.fields.get(FIELD_OF_SIGNAL.get(signal, ""))
        if given in UNKNOWN:
            if lead.text:
                from_text.add(signal)
            given = value
        values[signal] = given
    facts = SimpleNamespace(values=values, from_text=from_text, occurred={})
    take_activities(facts, lead.activities)
    ends = [
        max(dated(facts, reset.since))
        for reset in model.resets
        if dated(facts, reset.since) and (reset.when is None or holds(reset.when, facts, NOW))
    ]
    if ends:
        since = max(ends)
        for name in ENGAGEMENT_INSTANTS & set(values):
            if values[name] < since:
                del values[name]
        take_activities(facts, [item for item in lead.activities if item.at >= since])
    return facts


def take_activities(facts, activities):
    facts.occurred = {}
    for name in [name for name in facts.values if name.startswith("activity.")]:
        del facts.values[name]
    for item in activities:
        name = f"activity.{item.kind}"
        facts.occurred.setdefault(name, []).extend([item.at] * item.count)
        facts.values[name] = facts.values.get(name, 0) + item.count


def dated(facts, name):
    if name.startswith("activity."):
        return sorted(facts.occurred.get(name, []), reverse=True)
    return [facts.values[name]] if name in facts.values else []


def holds(condition, facts, now):  # noqa: C901, PLR0911  # one answer a kind of condition
    match condition:
        case All():
            return all(holds(part, facts, now) for part in condition.conditions)
        case Any():
            return any(holds(part, facts, now) for part in condition.conditions)
        case Not():
            return not holds(condition.condition, facts, now)
        case WithinDays():
            instants = dated(facts, condition.field)
            return bool(instants) and now < instants[0] + timedelta(days=condition.days)
    value = facts.values.get(condition.field)
    match condition:
        case Is():
            return value == condition.value
        case In():
            return value in condition.values
        case AtLeast():
            return value is not None and value >= condition.value
        case AtMost():
            return value is not None and value <= condition.value
        case Contains():
            whole = value.casefold() if isinstance(value, str) else value or ()
            return any(
                (part.casefold() if isinstance(value, str) else part) in whole
                for part in condition.values
            )
        case Known():
            return value not in UNKNOWN


def contribution(rule, facts, now):
    """Return the points before and after age, and the wording."""
    if rule.when is not None and not holds(rule.when, facts, now):
        return 0, 0, ""
    if rule.by is not None:
        value = facts.values.get(rule.by)
        known = [
            each
            for each in (value if isinstance(value, tuple) else [value])
            if each in rule.points
        ]
        if not known:
            return 0, 0, ""
        best = max(known, key=lambda each: rule.points[each])
        return rule.points[best], rule.points[best], rule.wording(best)
    if not rule.ages:
        return rule.points, rule.points, rule.says
    counted = [
        at
        for at in dated(facts, rule.since)[: rule.max_times]
        if rule.window_days is None or now < at + timedelta(days=rule.window_days)
    ]
    sign = 1 if rule.points > 0 else -1
    left = sum(rule.points - sign * sum(step <= now - at for step in rule.steps) for at in counted)
    return rule.points * len(counted), left, rule.says


def clip(number, low, high):
    return max(low, min(number, high))


def account(lead, model, facts, now):
    """Return (code, points, text) of every line, and the five factors."""
    lines, sums, texts = [], {}, {}
    for factor in FACTORS:
        pots, without = {None: 0}, {None: 0}
        for rule in (rule for rule in model.rules if rule.factor == factor):
            full, left, says = contribution(rule, facts, now)
            if full:
                lines.append((rule.id, full, says))
            if left != full:
                lines.append((f"decay.{rule.id}", left - full, f"Age: {says}"))
            is_texts = left > 0 and not facts.from_text.isdisjoint(rule.reads)
            pots[rule.group] = pots.get(rule.group, 0) + left
            without[rule.group] = without.get(rule.group, 0) + (0 if is_texts else left)
        for group in [name for name in pots if name is not None]:
            cap = model.groups[group]
            if pots[group] > cap:
                lines.append((f"cap.group.{group}", cap - pots[group], f"{group.capitalize()}: at most {cap} together"))  # fmt: skip
            pots[group] = min(pots[group], cap)
            without[group] = min(without[group], cap)
        cap, total = model.caps[factor], sum(pots.values())
        sums[factor] = clip(total, -cap, cap)
        if sums[factor] != total:
            lines.append((f"cap.{factor}", sums[factor] - total, f"{FACTOR_IN_WORDS[factor]} counts for at most {cap}"))  # fmt: skip
        texts[factor] = sums[factor] - clip(sum(without.values()), -cap, cap)
    most = min(model.text_cap, model.cut_offs(lead.fields.get("service_line"))["hot"] - 1)
    excess = sum(texts.values()) - most
    if excess > 0:
        lines.append(("cap.text", -excess, f"Words alone count for at most {most}"))
        for factor in reversed(FACTORS):
            taken = min(excess, texts[factor])
            sums[factor] -= taken
            excess -= taken
    return lines, sums


def slow_score(lead, model, now):
    """Return score, lines, factors and valid-until of a lead that is scored at all."""
    facts = facts_of(lead, model)
    until = lead.fields.get("override_until")
    override = lead.fields.get("override_score")
    if until is not None and until <= now:
        override = None
    lines, sums = account(lead, model, facts, now)
    instants = {until} if override is not None else set()
    for rule in model.rules:
        for leaf in leaves(rule.when) if rule.when else ():
            if isinstance(leaf, WithinDays):
                instants |= {at + timedelta(days=leaf.days) for at in dated(facts, leaf.field)}
        for at in dated(facts, rule.since) if rule.ages else ():
            instants |= {at + step for step in rule.steps}
            if rule.window_days is not None:
                instants.add(at + timedelta(days=rule.window_days))
    change = next(
        (
            at
            for at in sorted(instants - {None})
            if at > now
            and (
                (override is not None and at == until)
                or account(lead, model, facts, at)[0] != lines
            )
        ),
        None,
    )
    total = sum(points for _, points, _ in lines)
    if total != clip(total, 0, 100):
        lines.append(("clamp", clip(total, 0, 100) - total, "A score lies between 0 and 100"))
    total = clip(total, 0, 100)
    if override is not None:
        lines.append(("override.staff", override - total, "Score set by staff"))
        total = override
    return total, lines, sums, change


# Random models and leads: every operator, every kind of field, points of both signs.

instants = st.integers(-60 * 24 * 60, 24 * 60).map(
    lambda minutes: NOW + timedelta(minutes=minutes)
)
dated_names = st.sampled_from(["last_web_visit_at", "activity.email_open", "activity.call"])
leaf_conditions = st.one_of(
    st.builds(Is, field=st.just("signal.urgency"), value=st.sampled_from(URGENCIES)),
    st.builds(Is, field=st.just("channel"), value=st.sampled_from(CHANNELS)),
    st.builds(Is, field=st.just("has_phone"), value=st.booleans()),
    st.builds(In, field=st.just("inquiry_type"), values=st.tuples(st.sampled_from(INQUIRY_TYPES))),
    st.builds(AtLeast, field=st.sampled_from(["web_visits", "activity.call"]), value=st.integers(0, 5)),
    st.builds(AtMost, field=st.sampled_from(["web_visits", "signal.booking_intent"]), value=st.integers(0, 5)),
    st.builds(WithinDays, field=dated_names, days=st.floats(0.01, 60)),
    st.builds(Contains, field=st.just("signal.procedures"), values=st.lists(st.sampled_from(PROCEDURES[:6]), min_size=1, max_size=3).map(tuple)),
    st.builds(Contains, field=st.just("source"), values=st.tuples(st.sampled_from(["GOOGLE", "friend"]))),
    st.builds(Known, field=st.sampled_from(["has_phone", "signal.insurance", "last_email_open_at", "activity.email_open", "source"])),
)  # fmt: skip
conditions = st.recursive(
    leaf_conditions,
    lambda inner: st.one_of(
        st.builds(All, conditions=st.tuples(inner, inner)),
        st.builds(Any, conditions=st.tuples(inner, inner)),
        st.builds(Not, condition=inner),
    ),
    max_leaves=4,
)
# Conditions of time alone: these are what valid-until is hard for.
timed = st.recursive(
    st.builds(
        WithinDays,
        field=st.sampled_from(["last_web_visit_at", "activity.email_open", "last_email_open_at"]),
        days=st.integers(1, 40),
    ),
    lambda inner: st.one_of(
        st.builds(All, conditions=st.tuples(inner, inner)),
        st.builds(Any, conditions=st.tuples(inner, inner)),
        st.builds(Not, condition=inner),
        st.builds(All, conditions=st.tuples(inner, leaf_conditions)),
        st.builds(Any, conditions=st.tuples(inner, leaf_conditions)),
    ),
    max_leaves=5,
)
timeless = conditions.filter(
    lambda condition: not any(isinstance(leaf, WithinDays) for leaf in leaves(condition))
)
points = st.integers(-100, 100).filter(bool)
common = {
    "id": st.just("id"),
    "says": st.sampled_from(["A reason", "Another reason"]),
    "group": st.sampled_from([None, None, "first", "second"]),
}


def by_value(field, values):
    return st.builds(
        Rule,
        by=st.just(field),
        factor=st.just(""),
        points=st.dictionaries(st.sampled_from(values), points, min_size=1, max_size=4),
        when=st.none() | conditions,
        **common,
    )


rules = st.one_of(
    st.builds(Rule, factor=st.just(""), when=conditions, points=points, **common),
    st.builds(
        Rule, factor=st.just(""), points=points, **common,
        when=st.builds(Is, field=st.just("signal.insurance"), value=st.sampled_from(INSURANCES)),
    ),
    by_value("signal.insurance", INSURANCES),
    by_value("signal.procedures", PROCEDURES[:6]),
    st.builds(
        Rule, factor=st.just(""), when=conditions, points=points, **common,
        since=dated_names,
        half_life_days=st.none() | st.floats(0.1, 40),
        window_days=st.none() | st.floats(0.1, 40),
        max_times=st.integers(2, 5),
    ),
    st.builds(
        Rule, factor=st.just(""), when=conditions, points=points, **common,
        since=dated_names, half_life_days=st.floats(0.1, 40),
        window_days=st.none() | st.floats(0.1, 40),
    ),
)  # fmt: skip


@st.composite
def models(draw):
    # A group is of one factor: its own.
    home = {"first": "engagement", "second": "insurance"}
    made = [
        replace(
            rule, id=f"r{place}", factor=home.get(rule.group) or draw(st.sampled_from(FACTORS))
        )
        for place, rule in enumerate(draw(st.lists(rules, max_size=8)))
    ]
    return ScoringModel(
        version="random-1",
        rules=tuple(made),
        groups={name: draw(st.integers(0, 60)) for name in {rule.group for rule in made} - {None}},
        text_cap=draw(st.integers(0, 100)),
        resets=tuple(
            draw(
                st.lists(
                    st.builds(Reset, since=st.sampled_from(["booked_at", "activity.call"]), when=st.none() | timeless),
                    max_size=2,
                )
            )
        ),
        service_lines=draw(st.sampled_from([{}, {"ortho": {"hot": 50, "warm": 30}}])),
    )  # fmt: skip


timed_models = st.lists(
    st.one_of(
        st.builds(Rule, factor=st.sampled_from(FACTORS), when=timed, points=points, **common | {"group": st.none()}),
        st.builds(
            Rule, factor=st.sampled_from(FACTORS), when=timed, points=points, **common | {"group": st.none()},
            since=dated_names, half_life_days=st.none() | st.integers(1, 30),
            window_days=st.none() | st.integers(1, 40), max_times=st.integers(2, 4),
        ),
    ),
    min_size=1,
    max_size=2,
).map(
    lambda made: ScoringModel(
        version="timed-1", rules=tuple(replace(rule, id=f"r{place}") for place, rule in enumerate(made))
    )
)  # fmt: skip


texts = st.sampled_from(
    [
        "How much are veneers?",
        "I want an appointment today, my tooth hurts. I have Cigna",
        "Can I book a consult for Invisalign next week? I pay cash",
    ]
)
leads = st.builds(
    Lead,
    text=st.just("") | texts,
    fields=st.fixed_dictionaries(
        {},
        optional={
            "has_phone": st.booleans(),
            "urgency": st.sampled_from(URGENCIES[1:]),
            "inquiry_type": st.sampled_from(INQUIRY_TYPES),
            "insurance_status": st.sampled_from(INSURANCES),
            "procedures": st.lists(st.sampled_from(PROCEDURES[:6]), max_size=3, unique=True).map(tuple),
            "channel": st.sampled_from(CHANNELS),
            "source": st.sampled_from(["", "google ads", "A Friend"]),
            "service_line": st.sampled_from(["ortho", "other"]),
            "web_visits": st.integers(0, 9),
            "last_web_visit_at": instants,
            "last_email_open_at": instants,
            "booked_at": instants,
            "first_response_at": instants,
            "override_score": st.integers(0, 100),
            "override_until": instants,
        },
    ),
    activities=st.lists(
        st.builds(
            Activity,
            kind=st.sampled_from(["email_open", "form_submission", "call"]),
            at=instants,
            count=st.integers(1, 4),
        ),
        max_size=5,
    ).map(tuple),
    created_at=instants,
)  # fmt: skip


@ENOUGH
@given(leads, models())
def test_the_compiled_engine_agrees_with_the_slow_one(lead, model):
    found = score(lead, model, NOW)

    if found.score is not None:
        total, lines, sums, change = slow_score(lead, model, NOW)
        assert [line[:3] for line in found.reasons] == lines
        assert (found.score, found.factors, found.valid_until) == (total, sums, change)


# Every dated field is there, on whole days: so that things happen at the same instant, too.
days_ago = st.integers(-3, 45).map(lambda days: NOW - days * DAY)
timed_leads = st.builds(
    Lead,
    fields=st.fixed_dictionaries(
        {"last_web_visit_at": days_ago, "last_email_open_at": days_ago, "has_phone": st.booleans()}
    ),
    activities=st.lists(
        st.builds(Activity, kind=st.sampled_from(["email_open", "call"]), at=days_ago), max_size=5
    ).map(tuple),
)


@MANY
@given(timed_leads, timed_models)
def test_the_next_change_is_found_among_conditions_of_time(lead, model):
    found = score(lead, model, NOW)

    _, lines, _, change = slow_score(lead, model, NOW)
    assert [line[:3] for line in found.reasons] == lines
    assert found.valid_until == change


# Rules over words and rules over fields in one factor, with a group, under a low text cap.
wordy = st.builds(
    Rule,
    factor=st.just("insurance"),
    when=st.sampled_from([Known(field=f"signal.{name}") for name in ("insurance", "procedures", "urgency")]
        + [AtMost(field="signal.booking_intent", value=9), Known(field="has_phone")]),
    points=st.integers(-30, 60).filter(bool),
    **common | {"group": st.sampled_from([None, "second"])},
)  # fmt: skip


@MANY
@given(texts, st.booleans(), st.lists(wordy, max_size=6), st.integers(0, 40), st.integers(0, 40))
def test_the_text_is_capped_by_what_it_adds(text, has_phone, made, group_cap, text_cap):
    made = [replace(rule, id=f"r{place}") for place, rule in enumerate(made)]
    model = ScoringModel(
        version="wordy-1",
        rules=tuple(made),
        groups=dict.fromkeys({rule.group for rule in made} - {None}, group_cap),
        caps={**dict.fromkeys(FACTORS, 20), "insurance": 70},
        text_cap=text_cap,
    )
    lead = Lead(text=text, fields={"has_phone": True} if has_phone else {"source": "x"})

    found = score(lead, model, NOW)

    assert [line[:3] for line in found.reasons] == slow_score(lead, model, NOW)[1]


@ENOUGH
@given(leads, models())
def test_reasons_sum_to_the_score(lead, model):
    found = score(lead, model, NOW)

    assert sum(reason.points for reason in found.reasons) == (found.score or 0)
    assert all(type(reason.points) is int for reason in found.reasons)
    assert found.score is None or 0 <= found.score <= 100
    assert found.tier in TIERS


@ENOUGH
@given(leads, models())
def test_factors_sum_to_the_score_before_the_clamp(lead, model):
    found = score(lead, model, NOW)

    after = {"clamp", "override.staff"}
    before = sum(reason.points for reason in found.reasons if reason.code not in after)
    assert sum(found.factors.values()) == before


@ENOUGH
@given(leads, models(), st.floats(0, 1))
def test_a_score_is_the_same_until_it_says_it_changes(lead, model, share):
    found = score(lead, model, NOW)

    if found.valid_until is None:
        assert score(lead, model, NOW + timedelta(days=4000)) == found
        return
    assert found.valid_until > NOW
    between = NOW + (found.valid_until - MICROSECOND - NOW) * share
    assert score(lead, model, between) == found
    assert score(lead, model, found.valid_until - MICROSECOND) == found
    changed = score(lead, model, found.valid_until)
    assert (changed.score, changed.reasons) != (found.score, found.reasons)


@ENOUGH
@given(leads, models())
def test_the_same_lead_model_and_instant_give_the_same_bytes(lead, model):
    again = replace(model)  # compiled anew

    assert repr(score(lead, model, NOW).to_json()) == repr(score(lead, again, NOW).to_json())


words = st.sampled_from(
    ["appointment", "veneers", "today", "tooth", "hurts", "Cigna", "cash", "price", "I want", "not",
     "consult", "invisalign", "medicare", "asap", "?", "."]
)  # fmt: skip


@ENOUGH
@given(leads, models(), st.lists(words, max_size=30), st.integers(1, 50))
def test_s042_words_never_raise_a_score_past_the_text_cap(lead, model, more, times):
    """Whatever is written: what the rules that read no words give, and the text cap on top."""
    fields = {name: value for name, value in lead.fields.items() if name != "override_score"}
    stuffed = Lead(
        text=" ".join([lead.text, *more * times]),
        fields=fields,
        activities=lead.activities,
        created_at=lead.created_at,
    )
    facts = facts_of(stuffed, model)
    wordless = tuple(rule for rule in model.rules if facts.from_text.isdisjoint(rule.reads))
    used = {rule.group for rule in wordless}
    without = replace(
        model, rules=wordless, groups={name: cap for name, cap in model.groups.items() if name in used}
    )  # fmt: skip

    found = score(stuffed, model, NOW)

    if found.score is not None:
        base = sum(account(stuffed, without, facts_of(stuffed, without), NOW)[1].values())
        assert found.score <= max(0, base + model.text_cap)


@ENOUGH
@given(st.text(max_size=300), st.integers(1, 5))
def test_words_alone_never_reach_the_hot_tier(text, times):
    reads = ("inquiry_type", "urgency", "procedures", "insurance")
    generous = ScoringModel(
        version="generous-1",
        text_cap=100,
        rules=tuple(
            Rule(id=f"r{place}", factor=factor, points=100, says="A reason",
                 when=Any(conditions=(Known(field=f"signal.{name}"), Not(condition=Known(field=f"signal.{name}")))))
            for place, (factor, name) in enumerate(zip(FACTORS[:4], reads, strict=True))
        ),
    )  # fmt: skip

    found = score(Lead(text="appointment " + text * times), generous, NOW)

    assert found.score is None or found.score < 70
    assert found.tier != "hot"
