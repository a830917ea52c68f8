import gzip
import json

import pytest
from click.testing import CliRunner

from console.cli import main

MARK = "marker-5512"
ROW = {
    "id": "i-1",
    "lang": "en",
    "urgency": "emergency",
    "inquiry_type": "general_question",
    "insurance": "unknown",
    "procedures": ["cardiology_consult"],
    "booking_intent": 0,
    "trap": None,
    "note": "",
}
TEXTS = [
    f"{MARK} crushing chest pain and sweating since this morning",
    f"{MARK} what time do you open",
]


@pytest.fixture
def inquiries(tmp_path):
    rows = [{**ROW, "text": TEXTS[0]}, {**ROW, "id": "i-2", "text": TEXTS[1]}]
    file = tmp_path / "inquiries.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return file


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate-text", *map(str, arguments)])


def test_shares_come_with_counts_and_intervals(inquiries):
    found = json.loads(run(inquiries, "--json", "--misses").output)["inquiries"]

    assert found["emergency"]["recall"] == {
        "hits": 1, "of": 2, "share": 0.5, "low": 0.0945, "high": 0.9055,
    }  # fmt: skip
    assert found["misses"]["emergency_missed"] == ["i-2"]
    assert found["labels"]["booking_intent"]["mean_absolute_error"] >= 0


@pytest.mark.parametrize("options", [(), ("--json",), ("--misses",), ("--json", "--misses")])
def test_no_text_of_an_inquiry_is_printed(inquiries, options):
    done = run(inquiries, *options)

    assert done.exit_code == 0
    assert MARK not in done.output
    assert "chest" not in done.output


def test_ids_of_misses_are_printed_only_when_asked_for(inquiries):
    assert "i-2" not in run(inquiries).output
    assert "i-2" in run(inquiries, "--misses").output


def test_negation_is_measured_on_clinical_sentences(tmp_path):
    file = tmp_path / "sentences.csv.gz"
    rows = [
        "concept,sentence,negation",
        "fever,The patient denies FEVER.,Negated",
        "rash,Has a RASH.,Affirmed",
    ]
    file.write_bytes(gzip.compress("\n".join(rows).encode()))

    found = json.loads(run(file, "--json").output)["sentences.csv.gz"]

    assert found["values"]["Negated"]["f1"] == 1.0


def test_other_tables_show_flags_a_label(tmp_path):
    file = tmp_path / "calls.csv"
    file.write_text(f"text,priority\n{TEXTS[0]},HIGH\n{TEXTS[1]},LOW\n", encoding="utf-8")

    found = json.loads(run(file, "--json").output)["calls.csv"]
    shown = run(file)

    assert found["flagged"]["HIGH"]["hits"] == 1
    assert found["flagged"]["LOW"]["hits"] == 0
    assert "HIGH" in shown.output
    assert MARK not in shown.output


def test_the_curve_is_drawn(inquiries, tmp_path):
    done = run(inquiries, "--plot", tmp_path / "curve.svg")

    assert done.exit_code == 0
    assert "<polyline" in (tmp_path / "curve.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", f'{{"text": "{MARK}"}}'),
        ("a.jsonl", f"{MARK}"),
        ("a.csv", f"what,ever\n{MARK},{MARK}\n"),
        ("a.csv", ""),
        ("a.csv.gz", MARK),
    ],
)
def test_a_file_of_another_form_is_refused_without_its_values(tmp_path, name, content):
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")

    done = run(file)

    assert done.exit_code == 2
    assert MARK not in done.output
