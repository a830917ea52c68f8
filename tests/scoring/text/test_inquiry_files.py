"""The labelled inquiry files hold what their README says, row by row."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "inquiries"
TRAIN = [f"train_{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
TRAIN += [f"train_a{letter}" for letter in "abcdefg"]
BLIND = [f"blind_{letter}" for letter in "abcdefg"]
KEYS = {
    "id",
    "text",
    "lang",
    "urgency",
    "inquiry_type",
    "insurance",
    "procedures",
    "booking_intent",
    "trap",
    "note",
}
ALLOWED = {
    "lang": {"en", "es"},
    "urgency": {"emergency", "urgent", "soon", "routine", "none"},
    "inquiry_type": {
        "appointment_request",
        "procedure_consult",
        "price_question",
        "insurance_question",
        "general_question",
        "referral",
        "existing_patient_clinical",
        "existing_patient_admin",
        "job_or_vendor",
        "spam",
    },
    "insurance": {
        "insured_named",
        "insured_unnamed",
        "medicare",
        "medicaid",
        "self_pay",
        "financing_wanted",
        "uninsured",
        "unknown",
    },
    "booking_intent": {0, 1, 2, 3, 4},
    "trap": {
        None,
        "negated",
        "historical",
        "other_person",
        "idiom",
        "hypothetical",
        "keyword_stuffing",
        "sarcasm",
        "mixed",
        "misspelled",
    },
}
PROCEDURES = {
    "dental_implant",
    "veneers",
    "invisalign_braces",
    "teeth_whitening",
    "root_canal",
    "general_dental",
    "lasik",
    "cataract",
    "eye_exam",
    "ivf",
    "egg_freezing",
    "bariatric_surgery",
    "glp1_weight_loss",
    "rhinoplasty",
    "breast_augmentation",
    "tummy_tuck",
    "botox_filler",
    "laser_skin",
    "joint_replacement",
    "sports_injury",
    "spine",
    "physical_therapy",
    "mohs_skin_cancer",
    "acne",
    "hair_loss",
    "therapy",
    "psychiatry",
    "addiction_treatment",
    "annual_physical",
    "vaccination",
    "pediatrics",
    "cardiology_consult",
    "urology_consult",
    "hearing_aid",
    "ent",
    "obgyn",
    "mammogram",
    "second_opinion",
    "other",
    "none",
}


def rows(name: str) -> list[dict]:
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def every_row() -> list[dict]:
    return [row for name in TRAIN + BLIND for row in rows(name)]


def test_the_folder_holds_exactly_the_named_files():
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(TRAIN + BLIND)


@pytest.mark.parametrize("name", TRAIN + BLIND)
def test_every_row_is_well_formed(name):
    for row in rows(name):
        assert set(row) == KEYS, row
        assert row["text"], row
        assert row["text"] == row["text"].strip(), row
        digest = hashlib.sha1(row["text"].encode(), usedforsecurity=False).hexdigest()
        assert row["id"] == f"i-{digest[:8]}", row
        for field, values in ALLOWED.items():
            assert row[field] in values, (field, row)
        assert type(row["booking_intent"]) is int, row
        assert isinstance(row["note"], str), row


@pytest.mark.parametrize("name", TRAIN + BLIND)
def test_procedures_are_known_and_none_stands_alone(name):
    for row in rows(name):
        found = row["procedures"]
        assert found, row
        assert len(found) == len(set(found)), row
        assert set(found) <= PROCEDURES, row
        assert "none" not in found or found == ["none"], row


@pytest.mark.parametrize("name", TRAIN + BLIND)
def test_labels_that_settle_other_labels(name):
    for row in rows(name):
        kind = row["inquiry_type"]
        if kind in (
            "existing_patient_clinical",
            "existing_patient_admin",
            "job_or_vendor",
            "spam",
        ):
            assert row["booking_intent"] == 0, row
        if kind in ("job_or_vendor", "spam"):
            labels = (row["urgency"], row["insurance"], row["procedures"])
            assert labels == ("none", "unknown", ["none"]), row
        if kind in ("price_question", "insurance_question"):
            assert row["urgency"] != "none", row
        if row["trap"] == "mixed":
            assert kind in ("job_or_vendor", "spam"), row


def test_no_id_and_no_text_occurs_twice():
    assert max(Counter(row["id"] for row in every_row()).values()) == 1
    texts = Counter(" ".join(row["text"].casefold().split()) for row in every_row())
    assert max(texts.values()) == 1


@pytest.mark.parametrize("field", sorted(ALLOWED))
def test_every_value_is_used_on_both_sides(field):
    for names in (TRAIN, BLIND):
        assert {row[field] for name in names for row in rows(name)} == ALLOWED[field]


def test_every_procedure_is_used_on_both_sides():
    for names in (TRAIN, BLIND):
        assert {p for name in names for row in rows(name) for p in row["procedures"]} == PROCEDURES
