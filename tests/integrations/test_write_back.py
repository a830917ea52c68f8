from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from config.fields import OUTPUTS, FieldMap
from config.models import packaged_model
from integrations.mapping import LeadReader, crm_values
from scoring.engine import score

NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
MODEL = packaged_model()
OUTPUT_NAMES = {name: f"p_{name}" for name in OUTPUTS}
TEXT_FIELDS = ("message", "insurance_carrier", "source", "service_line", "inquiry_type", "channel")
READER = LeadReader(TypeAdapter(FieldMap).validate_python({name: name for name in TEXT_FIELDS}))

#: What makes the gate and the signals speak, so that all wordings are seen.
TRIGGERS = (
    "",
    "chest pain, I cannot breathe",
    "I want to book dental implants, I have Delta Dental PPO",
    "please remove me from your list",
    "I am a patient and need a refill",
    "how much is it without insurance",
)
#: Signs that no wording of ours has eight of in a row.
STRANGE = st.text(
    alphabet="qzxjkvw@<>&=#*'\"{}[]\u202e\u200b\x00\x07éßЖ中😀", min_size=8, max_size=50
)


def written(record):
    result = score(READER.read(record).lead, MODEL, NOW)
    return crm_values(result, OUTPUT_NAMES, trend="steady", now=NOW)


@given(
    values=st.fixed_dictionaries(dict.fromkeys(TEXT_FIELDS, STRANGE)),
    trigger=st.sampled_from(TRIGGERS),
)
@settings(max_examples=200, deadline=None)
def test_s041_no_run_of_eight_characters_of_the_input_is_written(values, trigger):
    record = {**values, "message": f"{values['message']} {trigger} {values['message']}"}
    shown = "\n".join(str(value) for value in written(record).values())

    for value in values.values():
        assert not any(value[at : at + 8] in shown for at in range(len(value) - 7))


@given(value=st.text(max_size=60), trigger=st.sampled_from(TRIGGERS))
@settings(max_examples=200, deadline=None)
def test_s041_no_markup_and_no_hidden_sign_is_written(value, trigger):
    shown = "\n".join(
        str(v) for v in written({"message": value + trigger, "source": value}).values()
    )

    assert all(sign == "\n" or sign.isprintable() for sign in shown)
    assert not set("<>&") & set(shown)


@given(value=st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary())
@settings(max_examples=200, deadline=None)
def test_s018_any_value_of_a_property_is_read_or_counts_as_missing(value):
    assert written(dict.fromkeys(TEXT_FIELDS, value))["p_tier"]
