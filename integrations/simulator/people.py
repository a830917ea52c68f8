"""Invented people who write to a medical practice, for both CRMs.

The inquiries in `inquiries.jsonl` were written for this project by a language model; no person
sent them. Names, addresses (example.com) and numbers (555-01xx) are made up. Practices rarely get
tidy data, so many fields are missing; `heat` (hot, warm, cold, none, emergency) only steers how
engaged and how recent a person is. It is no label: nothing may be trained or judged on it.
"""

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources

_FIRST = (
    "Maya Jordan Elena Theo Priya Marcus Ines Caleb Noor Grace Diego Hana Owen Lucia Amir Zoe "
    "Felix Tessa Ravi Naomi Victor Leila Jonas Carmen Simon Aisha Peter Rosa Dev Clara Milo Ana"
)
_LAST = (
    "Alder Brook Castellan Dunmore Eastway Fairbairn Greenlaw Hartwell Ibarra Juniper Kestrel "
    "Larkspur Merriweather Northcote Oakes Pemberton Quill Rosario Stanwick Thornbury Umber "
    "Valdez Whitcombe Yarrow Zeller Ashgrove Birchall Colwyn Delmar Everly"
)
#: Opening and closing lines that make further variants once every inquiry has been used.
_OPENINGS = ("Hi, ", "Hello! ", "Good morning. ", "Second try: ", "Hi there, ", "Quick one. ")
_CLOSINGS = ("", " Thanks!", " Best after 4 pm.", " Please text rather than call.", " Thank you.")

#: heat: age in minutes from and to, visits to, submissions to, chance of opened mail.
_ENGAGEMENT = {
    "hot": (4, 600, 14, 3, 0.7),
    "warm": (120, 12_000, 8, 2, 0.45),
    "cold": (1_500, 40_000, 3, 1, 0.2),
    "none": (30, 9_000, 1, 1, 0.05),
    "emergency": (2, 90, 2, 1, 0.1),
}
#: Share of structured fields that the practice never filled in.
_MISSING = {"inquiry_type": 0.35, "insurance": 0.4, "procedure": 0.35, "service_line": 0.3}
_SOURCES = ("ORGANIC_SEARCH", "PAID_SEARCH", "DIRECT_TRAFFIC", "SOCIAL_MEDIA", "PAID_SOCIAL")
_BY_CHANNEL = {"referral": "REFERRALS", "call": "OFFLINE", "voicemail": "OFFLINE"}
_LEAD_SOURCES = {
    "referral": "Provider Referral",
    "call": "Phone Inquiry",
    "voicemail": "Phone Inquiry",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One inquiry and who sent it. None and "" are unknown; instants are aware and UTC."""

    first_name: str
    last_name: str
    email: str
    phone: str
    message: str
    channel: str
    heat: str
    inquiry_type: str
    insurance_status: str
    insurance_carrier: str
    procedures: tuple[str, ...]
    service_line: str
    source: str
    created_at: datetime
    web_visits: int | None
    form_submissions: int | None
    last_visit_at: datetime | None
    email_opened_at: datetime | None
    email_clicked_at: datetime | None

    def to_hubspot(self) -> dict[str, str]:
        """Return the contact's properties; all values are text."""
        values = {
            "firstname": self.first_name,
            "lastname": self.last_name,
            "email": self.email,
            "phone": self.phone,
            "message": self.message,
            "createdate": _iso(self.created_at),
            "inquiry_type": self.inquiry_type,
            "insurance_status": self.insurance_status,
            "insurance_carrier": self.insurance_carrier,
            "procedure_interest": ";".join(self.procedures),
            "preferred_contact_channel": self.channel,
            "service_line": self.service_line,
            "hs_analytics_source": self.source,
            "hs_analytics_num_visits": _text(self.web_visits),
            "hs_analytics_last_visit_timestamp": _iso(self.last_visit_at),
            "num_conversion_events": _text(self.form_submissions),
            "hs_email_last_open_date": _iso(self.email_opened_at),
            "hs_email_last_click_date": _iso(self.email_clicked_at),
        }
        if self.form_submissions:
            values["recent_conversion_date"] = _iso(self.created_at)
        return {name: value for name, value in values.items() if value}

    def to_salesforce(self) -> dict[str, object]:
        """Return the Lead's fields."""
        lead_source = _LEAD_SOURCES.get(self.channel, "Web")
        values: dict[str, object] = {
            "FirstName": self.first_name,
            "LastName": self.last_name,
            "Company": f"{self.first_name} {self.last_name}",
            "Email": self.email,
            "Phone": self.phone,
            "LeadSource": lead_source,
            "Description": self.message,
            "CreatedDate": _iso(self.created_at),
            "Inquiry_Type__c": self.inquiry_type,
            "Insurance_Status__c": self.insurance_status,
            "Insurance_Carrier__c": self.insurance_carrier,
            "Procedure_Interest__c": ";".join(self.procedures),
            "Channel__c": self.channel,
            "Service_Line__c": self.service_line,
            "Web_Visits__c": self.web_visits,
            "Form_Submissions__c": self.form_submissions,
            "Last_Web_Visit__c": _iso(self.last_visit_at),
            "Last_Email_Open__c": _iso(self.email_opened_at),
            "Last_Email_Click__c": _iso(self.email_clicked_at),
        }
        return {name: value for name, value in values.items() if value not in ("", None)}


def invent_people(seed: int, n: int, now: datetime) -> list[Person]:
    """Return `n` people; the same seed, number and instant always give the same ones.

    The first ones all write something different, each inquiry of the file once; beyond that
    the inquiries come again, with other words around them and other people behind them.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    inquiries = _inquiries()
    people: list[Person] = []
    used: set[str] = set()
    while len(people) < n:
        order = inquiries[:]
        chance.shuffle(order)
        for inquiry in order[: n - len(people)]:
            text = inquiry["text"]
            if text in used:
                opening, closing = chance.choice(_OPENINGS), chance.choice(_CLOSINGS)
                text = f"{opening}{text}{closing}"
            used.add(inquiry["text"])
            people.append(_person(chance, len(people), {**inquiry, "text": text}, now))
    return people


def _inquiries() -> list[dict[str, str]]:
    path = resources.files("integrations.simulator").joinpath("inquiries.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _person(chance: random.Random, number: int, inquiry: dict[str, str], now: datetime) -> Person:
    first, last = chance.choice(_FIRST.split()), chance.choice(_LAST.split())
    heat, channel = inquiry["heat"], inquiry["channel"]
    soonest, latest, visits, submissions, opens = _ENGAGEMENT[heat]
    age = timedelta(minutes=chance.randint(soonest, latest), seconds=chance.randint(0, 59))
    created_at = (now - age).replace(microsecond=0)
    online = channel in ("web_form", "chat", "email")
    web_visits = chance.randint(1, visits) if online else None
    opened_at = _between(chance, created_at, now) if chance.random() < opens else None
    clicked = opened_at is not None and chance.random() < 0.4
    keeps = {name: chance.random() >= share for name, share in _MISSING.items()}
    procedures = tuple(inquiry["procedures"].split(";")) if inquiry["procedures"] != "none" else ()
    return Person(
        first_name=first,
        last_name=last,
        email=f"{first}.{last}.{number}@example.com".lower(),
        phone=f"+1 555-01{chance.randint(0, 99):02d}" if chance.random() < 0.8 else "",
        message=inquiry["text"],
        channel=channel,
        heat=heat,
        inquiry_type=inquiry["inquiry_type"] if keeps["inquiry_type"] else "",
        insurance_status=inquiry["insurance_status"] if keeps["insurance"] else "",
        insurance_carrier=inquiry["insurance_carrier"] if keeps["insurance"] else "",
        procedures=procedures if keeps["procedure"] else (),
        service_line=inquiry["service_line"] if keeps["service_line"] else "",
        source=_BY_CHANNEL.get(channel) or chance.choice(_SOURCES),
        created_at=created_at,
        web_visits=web_visits,
        form_submissions=chance.randint(1, submissions) if channel == "web_form" else None,
        last_visit_at=_between(chance, created_at, now) if web_visits else None,
        email_opened_at=opened_at,
        email_clicked_at=opened_at if clicked else None,
    )


def _between(chance: random.Random, start: datetime, end: datetime) -> datetime:
    return start + (end - start) * chance.random()


def _iso(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
