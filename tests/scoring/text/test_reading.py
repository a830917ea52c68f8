import pytest

from scoring.text.reading import read_signals


@pytest.mark.parametrize(
    ("text", "inquiry_type"),
    [
        ("How much does whitening cost?", "price_question"),
        ("Cuanto cuestan los brackets?", "price_question"),
        ("Do you accept Delta Dental?", "insurance_question"),
        ("I need an appointment for a sore throat tomorrow", "appointment_request"),
        ("Interested in rhinoplasty, would like a consult", "procedure_consult"),
        ("I was charged twice on my last invoice", "existing_patient_admin"),
        ("Since my extraction on Monday the pain is bad, is it normal?", "existing_patient_clinical"),
        ("Are you hiring? I am a licensed hygienist", "job_or_vendor"),
        ("We help practices boost your bookings, our platform offers a free demo", "job_or_vendor"),
        ("Congratulations, click here for a gift card", "spam"),
    ],
)  # fmt: skip
def test_inquiry_type(text, inquiry_type):
    assert read_signals(text).inquiry_type == inquiry_type


@pytest.mark.parametrize(
    ("text", "insurance"),
    [
        ("I have Cigna", "insured_named"),
        ("tengo medicaid", "medicaid"),
        ("I'm on Medicare with Aetna", "medicare"),
        ("We don't have insurance", "uninsured"),
        ("can I pay monthly, do you have payment plans", "financing_wanted"),
        ("I pay cash", "self_pay"),
        ("My insurance is good", "insured_unnamed"),
        ("Hello", "unknown"),
    ],
)
def test_insurance(text, insurance):
    assert read_signals(text).insurance == insurance


@pytest.mark.parametrize(
    ("text", "urgency"),
    [
        ("My tooth broke and I need to be seen today", "urgent"),
        ("My knee is sore, can I come in next week", "soon"),
        ("How much is Lasik?", "routine"),
        ("I was charged twice on my last invoice", "none"),
    ],
)
def test_urgency(text, urgency):
    assert read_signals(text).urgency == urgency


def test_a_closer_procedure_replaces_the_wider_one():
    assert read_signals("I need a tooth implant").procedures == ("dental_implant",)


def test_procedures_ruled_out_or_of_others_are_left_out():
    found = read_signals("My sister had lasik. I want an eye exam, not botox")

    assert found.procedures == ("eye_exam",)


def test_an_empty_text_says_nothing():
    assert read_signals(" \n").procedures == ("none",)
