"""100,000 leads from JSON lines to JSON lines on one core, without text and with 500 characters.

The general model; the leads of `forty`, with the activities that a CRM would send.
"""

import json
import random
import sys
import time
from datetime import datetime, timedelta

from bench.forty import NOW, leads
from config.models import packaged_model
from console.score_lines import LineScorer

COUNT = 100_000
#: Name, characters of text, share of 25 fields known, target in leads a second.
WAYS = (
    ("10 fields, no text", 0, 0.4, 40_000),
    ("19 fields, no text", 0, 0.75, 40_000),
    ("10 fields, 500 characters", 500, 0.4, 8_000),
)
_SAYINGS = (
    "Hi, I would like to know what you charge for dental implants. ",
    "I have Delta Dental through my work and my tooth has been sore since last week. ",
    "Do you have anything on Thursday afternoon? ",
    "My sister was a patient of yours and was very happy. ",
    "I am not sure whether I need veneers or braces, could someone call me back? ",
    "I can pay cash if that is easier. ",
    "Thanks so much and have a great day! ",
    "Is there parking near the office? ",
)


def lines(count: int, *, chars: int, known: float = 0.4, seed: int = 5) -> list[bytes]:
    """Return leads as JSON lines, with texts of `chars` characters."""
    rng = random.Random(seed)  # noqa: S311  invented leads
    made = []
    for place, lead in enumerate(leads(count, seed, known=known)):
        text = ""
        while len(text) < chars:
            text += rng.choice(_SAYINGS)
        record = {
            "id": place,
            "text": text[:chars],
            "fields": {name: _plain(value) for name, value in lead.fields.items()},
            "activities": [
                {"kind": kind, "at": _plain(NOW - timedelta(days=rng.randrange(1, 60)))}
                for kind in rng.sample(["email_open", "web_visit", "call", "form_submission"], 1)
            ],
            "created_at": _plain(NOW - timedelta(days=1)),
        }
        made.append(json.dumps(record).encode())
    return made


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def main() -> None:
    """Measure and print. An argument is the number of leads."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    for name, chars, known, target in WAYS:
        some = lines(count if not chars else count // 5, chars=chars, known=known)
        score_line = LineScorer(packaged_model(), NOW)
        score_line(some[0])
        began = time.process_time()
        size = sum(len(score_line(line).line) for line in some)
        rate = len(some) / (time.process_time() - began)
        given = sum(map(len, some)) / len(some)
        verdict = "ok" if rate >= target else "MISSED"
        print(
            f"{name:<28}{given:>6.0f} bytes in,{size / len(some):>6.0f} out"
            f"{rate:>9,.0f} leads/s of CPU time   target {target:>6,}  {verdict}"
        )


if __name__ == "__main__":
    main()
