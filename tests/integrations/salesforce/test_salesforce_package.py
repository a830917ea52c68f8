"""What `leadscore app salesforce` writes, and that it agrees with what we write, read and hear."""

import dataclasses
import hashlib
import hmac
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from config.fields import DEFAULT_OUTPUTS
from config.load import load_models, parse_practice
from console.cli import main
from integrations.outputs import OUTPUT_KINDS, TIERS, TRENDS
from integrations.salesforce.around import TYPES
from integrations.salesforce.checks import TYPES as DESCRIBED
from integrations.salesforce.names import on_object
from integrations.salesforce.setup import _metadata
from integrations.setting_up import salesforce_app
from integrations.simulator.salesforce.fields import objects as simulated
from integrations.simulator.salesforce.tooling import field_of

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "integrations" / "salesforce" / "package"
M = "{http://soap.sforce.com/2006/04/metadata}"
NAMES = DEFAULT_OUTPUTS["salesforce"]
OBJECTS = ("Lead", "Contact")
URL = "https://scores.example.com"


def uncommented(text):
    """Return the starter file with what it says of Salesforce, as `make app` makes it."""
    for start, end in ((r"# \[\[accounts\]\]", "# objects"), (r"# \[fields.sal", "# first_resp")):
        block = re.search(rf"^{start}.*?^{end}[^\n]*\n", text, re.MULTILINE | re.DOTALL)
        plain = re.sub(r"^# ", "", block.group(), flags=re.MULTILINE)
        text = text.replace(block.group(), plain)
    return re.sub(r"^objects = .*", 'objects = ["Lead", "Contact"]', text, flags=re.MULTILINE)


PRACTICE = uncommented((ROOT / "config" / "starter.toml").read_text("utf-8"))


def package_of(text=PRACTICE, **more):
    practice = parse_practice(text, "practice.toml")
    model = load_models(practice, ROOT)
    return salesforce_app(practice, practice.accounts[1], model, **{"url": URL, **more})


def with_account(line):
    return PRACTICE.replace('crm = "salesforce"', f'crm = "salesforce"\n{line}')


def read(pattern, files=None):
    """Return path -> root of the package's files that match."""
    if files is None:
        files = {p.relative_to(PACKAGE).as_posix(): p.read_text("utf-8") for p in every_file()}
    return {
        name: ET.fromstring(text)  # noqa: S314  our own files
        for name, text in files.items()
        if re.search(pattern, name)
    }


def every_file():
    return [path for path in PACKAGE.rglob("*") if path.is_file()]


def texts(root, path):
    return [each.text for each in root.findall("/".join(M + part for part in path.split("/")))]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return what runs the command in an empty folder that holds practice.toml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "practice.toml").write_text(PRACTICE, "utf-8")
    return lambda *words: CliRunner().invoke(main, ["app", "salesforce", *words])


def test_the_package_in_the_tree_is_that_of_the_starter_configuration():
    there = {p.relative_to(PACKAGE).as_posix(): p.read_text("utf-8") for p in every_file()}

    assert there == package_of().files, "run: make app"


# ------------------------------------------------------------------ fields


@pytest.mark.parametrize("object_type", OBJECTS)
def test_there_is_a_field_for_each_output_and_no_other(object_type):
    found = read(rf"objects/{object_type}/fields/")

    assert sorted(texts(root, "fullName")[0] for root in found.values()) == sorted(NAMES.values())
    assert all(f"/{texts(root, 'fullName')[0]}.field" in name for name, root in found.items())


@pytest.mark.parametrize("object_type", OBJECTS)
@pytest.mark.parametrize("meaning", NAMES)
def test_a_field_has_our_label_and_a_type_that_doctor_takes(object_type, meaning):
    [root] = read(rf"objects/{object_type}/fields/{NAMES[meaning]}\.field").values()
    kind = OUTPUT_KINDS[meaning]
    described = {
        "Number": "double",
        "Picklist": "picklist",
        "LongTextArea": "textarea",
        "Text": "string",
        "DateTime": "datetime",
    }[texts(root, "type")[0]]

    assert texts(root, "label") == [kind.label]
    assert len(kind.label) <= 40
    assert described in DESCRIBED[kind.kind]
    assert texts(root, "valueSet/valueSetDefinition/value/fullName") == list(kind.options)
    assert texts(root, "valueSet/restricted") == (["true"] if kind.options else [])


@pytest.mark.parametrize("meaning", NAMES)
def test_provision_makes_the_same_field(meaning):
    [root] = read(rf"objects/Lead/fields/{NAMES[meaning]}\.field").values()
    made = _metadata(meaning, OUTPUT_KINDS[meaning])

    for part in ("type", "label", "description", "length", "precision", "scale", "visibleLines"):
        assert texts(root, part) == ([str(made[part])] if part in made else []), part
    values = made.get("valueSet", {}).get("valueSetDefinition", {}).get("value", [])
    assert texts(root, "valueSet/valueSetDefinition/value/label") == [v["label"] for v in values]


@pytest.mark.parametrize("meaning", NAMES)
def test_the_simulator_has_the_field_in_the_same_type(meaning):
    made = _metadata(meaning, OUTPUT_KINDS[meaning])
    there = simulated(provisioned=True)["Lead"][NAMES[meaning]]

    assert field_of(NAMES[meaning], made).type == there.type


def test_the_choices_are_those_that_we_write():
    for meaning, options in (("tier", TIERS), ("trend", TRENDS)):
        for root in read(rf"fields/{NAMES[meaning]}\.field").values():
            assert texts(root, "valueSet/valueSetDefinition/value/fullName") == list(options)


def test_all_but_the_models_name_is_marked_as_health_information():
    for name, root in read(r"objects/(Lead|Contact)/fields/").items():
        is_model = NAMES["model"] in name
        assert texts(root, "complianceGroup") == ([] if is_model else ["HIPAA;PII"]), name
        assert texts(root, "securityClassification") == ([] if is_model else ["Confidential"])


# -------------------------------------------------------- permissions, views


@pytest.mark.parametrize(
    ("name", "editable"), [("Leadscore_Integration", "true"), ("Leadscore_Viewer", "false")]
)
def test_a_permission_set_grants_exactly_the_fields(name, editable):
    [root] = read(rf"permissionsets/{name}\.").values()
    wanted = sorted(f"{each}.{field}" for each in OBJECTS for field in NAMES.values())

    assert texts(root, "fieldPermissions/field") == wanted
    assert set(texts(root, "fieldPermissions/editable")) == {editable}
    assert set(texts(root, "fieldPermissions/readable")) == {"true"}


def test_staff_get_nothing_but_to_read_the_fields():
    [root] = read(r"permissionsets/Leadscore_Viewer\.").values()
    kinds = {each.tag.removeprefix(M) for each in root}

    assert kinds == {"description", "fieldPermissions", "hasActivationRequired", "label"}


def test_nobody_gets_to_delete_or_to_change_everything():
    for root in read(r"permissionsets/").values():
        for right in ("allowDelete", "modifyAllRecords"):
            assert set(texts(root, f"objectPermissions/{right}")) <= {"false"}
        assert set(texts(root, "userPermissions/name")) <= {"ApiEnabled"}


def test_a_list_view_for_calls_and_one_for_clinical_attention_on_each_object():
    found = {
        (name.split("/")[4], texts(root, "label")[0]): texts(root, "filters/value")[0].split(",")
        for name, root in read(r"listViews/").items()
    }

    assert found == {
        (each, label): tiers
        for each in OBJECTS
        for label, tiers in (("Call now", ["hot", "warm"]), ("Clinical attention", ["clinical"]))
    }
    for root in read(r"listViews/").values():
        assert {NAMES[m] for m in ("tier", "score", "respond_by")} <= set(texts(root, "columns"))
        assert texts(root, "filters/field") == [NAMES["tier"]]


# ------------------------------------------------------------ messages, Flows


def test_a_flow_sends_a_message_that_is_there_and_each_message_is_sent():
    messages = {
        f"{name.split('/')[-1].split('.')[0]}.{each}"
        for name, root in read(r"workflows/").items()
        for each in texts(root, "outboundMessages/fullName")
    }
    sent = {
        (texts(root, "start/object")[0], each)
        for root in read(r"outbound/.*/flows/").values()
        for each in texts(root, "actionCalls/actionName")
    }

    assert {name for _, name in sent} == messages
    assert all(name.startswith(f"{object_type}.") for object_type, name in sent)


def test_a_message_holds_the_id_alone_and_no_session():
    for root in read(r"workflows/").values():
        assert texts(root, "outboundMessages/fields") == ["Id"]
        assert texts(root, "outboundMessages/includeSessionId") == ["false"]
        assert texts(root, "outboundMessages/endpointUrl") == [
            f"{URL}/webhooks/salesforce/LEADSCORE_PATH_TOKEN"
        ]


def test_the_objects_of_messages_are_those_that_our_adapter_takes():
    found = {texts(root, "start/object")[0] for root in read(r"outbound/.*/flows/").values()}

    assert found == {*OBJECTS, "Task"}
    assert found <= {*OBJECTS, *TYPES}


def test_every_flow_is_started_by_others_than_our_own_user():
    [root] = read(r"customPermissions/").values()
    [integration] = read(r"permissionsets/Leadscore_Integration\.").values()
    assert texts(root, "label") == ["Leadscore Integration"]
    assert texts(integration, "customPermissions/name") == ["Leadscore_Integration"]

    for name, flow in read(r"/flows/").items():
        [entry] = texts(flow, "start/filterFormula")
        assert "NOT({!$Permission.Leadscore_Integration})" in entry, name


@pytest.mark.parametrize("folder", ["outbound", "events"])
@pytest.mark.parametrize("object_type", OBJECTS)
def test_a_flow_watches_the_mapped_fields_and_none_that_we_write(folder, object_type):
    practice = parse_practice(PRACTICE, "practice.toml")
    mapped = {source.property for source in practice.fields["salesforce"].values()}
    [flow] = read(rf"{folder}/.*/flows/Leadscore_{object_type}_(Changed|Event)\.").values()
    [entry] = texts(flow, "start/filterFormula")
    watched = re.findall(r"ISCHANGED\(\{!\$Record\.(\w+)\}\)", entry)

    assert sorted(watched) == sorted(mapped - {"CreatedDate"})
    assert "ISNEW()" in entry
    assert not set(watched) & set(NAMES.values())


def test_a_fault_of_a_flow_ends_in_a_step_and_not_with_the_user():
    for name, flow in read(r"/flows/").items():
        steps = texts(flow, "assignments/name")
        faults = texts(flow, "actionCalls/faultConnector/targetReference") + texts(
            flow, "recordCreates/faultConnector/targetReference"
        )
        assert faults == steps, name
        connected = texts(flow, "start/connector/targetReference")
        assert connected == texts(flow, "actionCalls/name") + texts(flow, "recordCreates/name")


def test_a_flow_fills_exactly_the_fields_of_the_event():
    fields = {
        texts(root, "fullName")[0]
        for root in read(r"objects/Leadscore_Change__e/fields/").values()
    }
    flows = read(r"events/.*/flows/")
    causes = set()
    for name, flow in flows.items():
        assert set(texts(flow, "recordCreates/inputAssignments/field")) == fields, name
        assert texts(flow, "recordCreates/object") == ["Leadscore_Change__e"]
        words = " ".join(filter(None, texts(flow, "formulas/expression"))) + " ".join(
            texts(flow, "recordCreates/inputAssignments/value/stringValue")
        )
        causes |= set(re.findall(r"created|changed|deleted", words))

    assert fields == {"Object__c", "Record_Id__c", "Cause__c"}
    assert causes == {"created", "changed", "deleted"}
    assert {texts(flow, "start/object")[0] for flow in flows.values()} == {
        *OBJECTS,
        "Task",
        "Event",
    }


# --------------------------------------------------------------------- Apex


def apex(name):
    return (PACKAGE / "callout/main/default" / name).read_text("utf-8")


def test_the_apex_signature_is_the_one_of_the_known_answer():
    test = apex("classes/LeadscoreNotifyTest.cls")
    body = "".join(re.findall(r"'(\{\"orgId.*?,|\"messageId.*?\})'", test.replace("' +\n", "' +")))
    secret, answer = "synthetic-test-secret-do-not-use", re.search(r"'([0-9a-f]{64})'", test)[1]

    found = hmac.new(secret.encode(), f"1772460420.{body}".encode(), hashlib.sha256).hexdigest()

    assert json.loads(body)["object"] == "Task"
    assert found == answer
    assert "'hmacSHA256', Blob.valueOf(at + '.' + body)" in apex("classes/LeadscoreNotify.cls")


def test_apex_and_its_credential_have_one_name_and_no_secret():
    names = [texts(root, "label")[0] for root in read(r"namedCredentials/|externalCred").values()]
    code = apex("classes/LeadscoreNotify.cls")

    assert names == ["Leadscore", "Leadscore"]
    assert "callout:Leadscore'" in code
    assert "Leadscore_Setting__mdt.getInstance('Callout')" in code
    assert not list(read(r"customMetadata/"))


def test_no_secret_and_no_user_of_an_org_lies_in_the_tree():
    project = json.loads((PACKAGE / "sfdx-project.json").read_text("utf-8"))
    replaced = {(each["glob"], each["stringToReplace"]) for each in project["replacements"]}
    held = [
        (path.relative_to(PACKAGE), text)
        for path in every_file()
        for text in ("LEADSCORE_PATH_TOKEN", "LEADSCORE_INTEGRATION_USER")
        if path.name != "sfdx-project.json" and text in path.read_text("utf-8")
    ]

    assert len(held) == 3 + 3 + 2
    for path, text in held:
        assert any(path.match(glob) and text == wanted for glob, wanted in replaced), path


# ------------------------------------------------------------- other practices


def test_renamed_outputs_are_renamed_everywhere():
    package = package_of(with_account('outputs = { score = "Booking__c", tier = "Band__c" }'))
    everything = "\n".join(package.files.values())

    assert "force-app/main/default/objects/Lead/fields/Booking__c.field-meta.xml" in package.files
    assert "Lead.Booking__c" in everything
    assert "Contact.Band__c" in everything
    assert "Lead_Score__c<" not in everything
    assert "Lead_Score_Tier__c" not in everything
    assert (
        '"score": "Booking__c"'
        in package.files["force-app/main/default/lwc/leadScoreCard/practice.js"]
    )


def test_a_field_that_is_not_the_orgs_own_is_granted_but_not_made():
    package = package_of(with_account('outputs = { score = "Rating" }\nnamespace = "clinic"'))

    assert [name for name in package.files if "/objects/Lead/fields/" in name] == []
    assert "Rating" in package.foreign
    assert "clinic__Lead_Score_Tier__c" in package.foreign
    grants = package.files[
        "force-app/main/default/permissionsets/Leadscore_Viewer.permissionset-meta.xml"
    ]
    assert "Lead.clinic__Lead_Score_Tier__c" in grants


def test_only_what_is_scored_is_told_and_granted():
    text = PRACTICE.replace('objects = ["Lead", "Contact"]', 'objects = ["Lead"]')
    package = package_of(text)
    [root] = read(r"permissionsets/Leadscore_Integration\.", package.files).values()

    assert not [
        name for name in package.files if re.search(r"Leadscore_Contact|Contact\.wo", name)
    ]
    assert len(package.absent) == 4 * 2
    assert set(texts(root, "objectPermissions/object")) == {"Lead"}
    assert not [name for name in texts(root, "fieldPermissions/field") if "Contact" in name]


def test_a_contacts_flow_does_not_name_what_only_leads_have():
    text = PRACTICE.replace('channel = "Channel__c"', 'channel = "Status"')
    watched = package_of(text).watched

    assert "Status" in watched["Lead"]
    assert "Status" not in watched["Contact"]


def test_person_accounts_are_told_by_the_names_that_their_fields_have(metadata_fault):
    package = package_of(
        PRACTICE.replace('objects = ["Lead", "Contact"]', 'objects = ["Account"]')
    )
    [entry] = [
        texts(root, "start/filterFormula")[0]
        for root in read(r"outbound/.*/flows/Leadscore_Account", package.files).values()
    ]
    [grants] = read(r"permissionsets/Leadscore_Integration\.", package.files).values()

    assert "{!$Record.IsPersonAccount}, OR(ISNEW(), " in entry
    assert {"Description", "PersonLeadSource", "Inquiry_Type__pc"} <= set(
        package.watched["Account"]
    )
    assert "Inquiry_Type__c}" not in entry
    edited = zip(
        texts(grants, "objectPermissions/object"),
        texts(grants, "objectPermissions/allowEdit"),
        strict=True,
    )
    assert set(edited) == {("Account", "true"), ("Contact", "true")}
    assert {f.split(".")[0] for f in texts(grants, "fieldPermissions/field")} == {"Contact"}
    own = [text for name, text in package.files.items() if "Account" in name]
    assert [metadata_fault(text) for text in own] == [""] * 4


def test_a_field_can_be_left_to_the_sweep():
    watched = package_of(unwatched=["Description"]).watched

    assert "Description" not in watched["Lead"] + watched["Contact"]


def test_the_integration_user_is_the_given_one_or_that_of_the_token():
    jwt = with_account('auth = "jwt"\nusername = "scores@example.com"').replace(
        "consumer_secret", "private_key"
    )
    message = "outbound/main/default/workflows/Lead.workflow-meta.xml"

    assert "<integrationUser>scores@example.com<" in package_of(jwt).files[message]
    given = package_of(integration_user="other@example.com").files[message]
    assert "<integrationUser>other@example.com<" in given


def test_the_same_plan_makes_the_same_text():
    assert dataclasses.asdict(package_of()) == dataclasses.asdict(package_of())


def test_a_person_accounts_card_uses_the_names_that_we_write_to():
    reading = (PACKAGE / "force-app/main/default/lwc/leadScoreCard/reading.js").read_text("utf-8")

    assert "name.replace(/__c$/, '__pc')" in reading
    assert all(on_object("Account", n) == re.sub("__c$", "__pc", n) for n in NAMES.values())


# ----------------------------------------------------------------------- guide


GUIDE = (ROOT / "docs" / "salesforce.md").read_text("utf-8")


def test_the_guide_lists_each_field_with_the_type_of_the_package():
    rows = re.findall(r"^\| ((?:`Lead_Score\w*__c`(?:, )?)+) \| (\w[^|(,]*)", GUIDE, re.MULTILINE)
    told = {
        name: kind.strip().replace(" ", "").replace("/", "").lower()
        for names, kind in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    there = {
        texts(root, "fullName")[0]: texts(root, "type")[0].lower()
        for root in read(r"objects/Lead/fields/").values()
    }

    assert told == there


def test_the_guide_names_what_the_package_has():
    code = apex("classes/LeadscoreNotify.cls")
    labels = {texts(root, "label")[0] for root in read(r"permissionsets/|listViews/").values()}

    assert [each for each in sorted(labels) if f"*{each}*" not in GUIDE] == []
    for header in re.findall(r"X-Leadscore-\w+", code):
        assert f"`{header}`" in GUIDE
    for word in re.findall(r"'(organizationId|events|object|id|cause)'", code):
        assert f'"{word}"' in GUIDE
    assert "1, 2, 4 and 8 minutes" in GUIDE
    for variable in ("SALESFORCE_PATH_TOKEN", "SALESFORCE_INTEGRATION_USER"):
        assert f"export {variable}=" in GUIDE


# --------------------------------------------------------------------- command


def test_the_command_writes_the_package(run, tmp_path):
    done = run("--url", URL, "--out", "here")

    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "here").rglob("*-meta.xml"))) > 50
    assert "watches Lead: Description" in done.output
    assert "sf project deploy start" in done.output


def test_the_command_replaces_no_changed_file_without_force(run, tmp_path):
    run("--url", URL, "--out", "here")
    (tmp_path / "here" / "sfdx-project.json").write_text("{}", "utf-8")

    done = run("--url", URL, "--out", "here")

    assert done.exit_code == 1
    assert "sfdx-project.json" in done.output
    assert run("--url", URL, "--out", "here", "--force").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--url", "http://scores.example.com"),
        ("--url", "https://scores.example.com/path"),
        ("--url", URL, "--account", "sales"),
    ],
)
def test_a_wrong_call_is_told(run, words):
    assert run(*words).exit_code == 2
