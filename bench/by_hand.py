"""The forty rules of `forty`, written by hand as one function: what a good programmer would write."""

from bisect import bisect_right
from datetime import datetime, timedelta

from bench.forty import DIRECT, ELECTIVE, GOOD_LINES, MODEL
from scoring.decay import decay_steps
from scoring.lead import Lead

STEPS_FORM = decay_steps(6, half_life_days=14)
STEPS_CLICK = decay_steps(3, half_life_days=10)
STEPS_OPEN = decay_steps(1, half_life_days=7)
STEPS_VISIT = decay_steps(3, half_life_days=7)
DAYS_30, DAYS_60, DAYS_90 = (timedelta(days=days) for days in (30, 60, 90))
DIRECT_SET, LINES_SET, ELECTIVE_SET = frozenset(DIRECT), frozenset(GOOD_LINES), frozenset(ELECTIVE)


HOURS = MODEL.hours
WAITS = {"hot": 5, "warm": 60, "nurture": 540, "low": 1080}
WAITS_UNTIL = {tier: timedelta(minutes=minutes) for tier, minutes in WAITS.items()}


def score_by_hand(  # noqa: C901, PLR0912, PLR0915  # that is its point
    lead: Lead, now: datetime
) -> tuple[
    int, str, dict[str, int], list[tuple[str, int, str]], datetime | None
]:  # that is its point
    """Return score, tier, factors, reasons and respond-by of a lead without text or activities."""
    get = lead.fields.get
    reasons = []
    add = reasons.append
    kind = get("inquiry_type", "general_question")
    inquiry = 0
    if kind == "appointment_request":
        inquiry += 20
        add(("type.appointment_request", 20, "Type: appointment_request"))
    elif kind == "referral":
        inquiry += 20
        add(("type.referral", 20, "Type: referral"))
    elif kind == "procedure_consult":
        inquiry += 17
        add(("type.procedure_consult", 17, "Type: procedure_consult"))
    elif kind == "price_question":
        inquiry += 9
        add(("type.price_question", 9, "Type: price_question"))
    elif kind == "insurance_question":
        inquiry += 11
        add(("type.insurance_question", 11, "Type: insurance_question"))
    elif kind == "general_question":
        inquiry += 4
        add(("type.general_question", 4, "Type: general_question"))
    channel = get("channel")
    if channel in DIRECT_SET:
        inquiry += 3
        add(("type.direct", 3, "Called or came"))
    if channel == "referral":
        inquiry += 5
        add(("type.referred", 5, "Came as a referral"))
    source = get("source")
    if source is not None and "google" in source.casefold():
        inquiry += 2
        add(("type.search", 2, "Came by a search"))
    if inquiry > 25:
        add(("cap.inquiry_type", 25 - inquiry, "Inquiry type counts for at most 25"))
        inquiry = 25

    urgency_word = get("urgency")
    urgency = 0
    if urgency_word == "urgent":
        urgency = 20
        add(("urgency.urgent", 20, "Urgency: urgent"))
    elif urgency_word == "soon":
        urgency = 13
        add(("urgency.soon", 13, "Urgency: soon"))
    elif urgency_word == "routine":
        urgency = 6
        add(("urgency.routine", 6, "Urgency: routine"))

    status = get("insurance_status")
    insurance = 0
    if status == "insured_named":
        insurance = 13
        add(("insurance.insured_named", 13, "Insurance: insured_named"))
    elif status == "insured_unnamed":
        insurance = 9
        add(("insurance.insured_unnamed", 9, "Insurance: insured_unnamed"))
    elif status == "medicare":
        insurance = 12
        add(("insurance.medicare", 12, "Insurance: medicare"))
    elif status == "medicaid":
        insurance = 8
        add(("insurance.medicaid", 8, "Insurance: medicaid"))
    elif status == "self_pay":
        insurance = 12
        add(("insurance.self_pay", 12, "Insurance: self_pay"))
    elif status == "financing_wanted":
        insurance = 8
        add(("insurance.financing_wanted", 8, "Insurance: financing_wanted"))
    elif status == "uninsured":
        insurance = -3
        add(("insurance.uninsured", -3, "Insurance: uninsured"))
    if get("insurance_carrier"):
        insurance += 2
        add(("insurance.carrier", 2, "Carrier on file"))
    elif get("payer_kind"):
        insurance += 2
        add(("insurance.payer", 2, "Payer on file"))
    if insurance > 15:
        add(("cap.insurance", 15 - insurance, "Insurance counts for at most 15"))
        insurance = 15

    named = get("procedures")
    procedure = 0
    if named:
        if "other" in named:
            procedure += 6
            add(("procedure.other", 6, "Names other care"))
        else:
            procedure += 12
            add(("procedure.named", 12, "Names a procedure"))
        if not ELECTIVE_SET.isdisjoint(named):
            procedure += 5
            add(("procedure.elective", 5, "A planned treatment"))
    line = get("service_line")
    if line:
        procedure += 3
        add(("procedure.line", 3, "Service line on file"))
        if line in LINES_SET:
            procedure += 4
            add(("procedure.good_line", 4, "A line with free chairs"))
    if procedure > 20:
        add(("cap.procedure", 20 - procedure, "Procedure counts for at most 20"))
        procedure = 20

    engaged = 0
    at = get("last_form_submission_at")
    if at is not None:
        age = now - at
        if age < DAYS_90:
            lost = bisect_right(STEPS_FORM, age)
            engaged += 6 - lost
            add(("engaged.form", 6, "Sent a form"))
            if lost:
                add(("decay.engaged.form", -lost, "Age: Sent a form"))
    at = get("last_email_reply_at")
    if at is not None:
        age = now - at
        if age < DAYS_90:
            lost = bisect_right(STEPS_FORM, age)
            engaged += 6 - lost
            add(("engaged.reply", 6, "Replied to an email"))
            if lost:
                add(("decay.engaged.reply", -lost, "Age: Replied to an email"))
    at = get("last_email_click_at")
    if at is not None:
        age = now - at
        if age < DAYS_60:
            lost = bisect_right(STEPS_CLICK, age)
            engaged += 3 - lost
            add(("engaged.click", 3, "Clicked in an email"))
            if lost:
                add(("decay.engaged.click", -lost, "Age: Clicked in an email"))
    at = get("last_email_open_at")
    if at is not None:
        age = now - at
        if age < DAYS_30:
            lost = bisect_right(STEPS_OPEN, age)
            engaged += 1 - lost
            add(("engaged.open", 1, "Opened an email"))
            if lost:
                add(("decay.engaged.open", -lost, "Age: Opened an email"))
    at = get("last_web_visit_at")
    if at is not None:
        age = now - at
        if age < DAYS_30:
            lost = bisect_right(STEPS_VISIT, age)
            engaged += 3 - lost
            add(("engaged.visit", 3, "Visited the website"))
            if lost:
                add(("decay.engaged.visit", -lost, "Age: Visited the website"))
    if get("web_visits", 0) >= 3:
        engaged += 3
        add(("engaged.visits", 3, "Visited several times"))
    if get("form_submissions", 0) >= 2:
        engaged += 3
        add(("engaged.forms", 3, "Sent several forms"))
    if get("booked_at") is not None:
        engaged -= 8
        add(("engaged.booked", -8, "Has booked already"))
    if get("email_clicks", 0) >= 2 and get("email_opens", 0) >= 3:
        engaged += 2
        add(("engaged.mail", 2, "Reads our emails"))
    at = get("last_contacted_at")
    if at is not None and now - at < DAYS_30:
        engaged += 4
        add(("engaged.contacted", 4, "Was spoken to lately"))
    if get("has_phone"):
        engaged += 4
        add(("engaged.phone", 4, "Left a phone number"))
    if get("has_email"):
        engaged += 2
        add(("engaged.email", 2, "Left an email address"))
    if get("consent_to_contact") is False:
        engaged -= 5
        add(("engaged.no_consent", -5, "Wants no contact"))
    if engaged > 20:
        add(("cap.engagement", 20 - engaged, "Engagement counts for at most 20"))
        engaged = 20

    score = inquiry + urgency + insurance + procedure + engaged
    if score < 0:
        add(("clamp", -score, "A score lies between 0 and 100"))
        score = 0
    tier = "hot" if score >= 70 else "warm" if score >= 45 else "nurture" if score >= 20 else "low"
    factors = {
        "inquiry_type": inquiry,
        "urgency": urgency,
        "insurance": insurance,
        "procedure": procedure,
        "engagement": engaged,
    }
    inquired = lead.created_at
    at = get("last_form_submission_at")
    if at is not None and (inquired is None or at > inquired):
        inquired = at
    answered = get("first_response_at")
    if answered is not None and (inquired is None or answered >= inquired):
        return score, tier, factors, reasons, None
    return score, tier, factors, reasons, HOURS.after(inquired or now, WAITS_UNTIL[tier])
