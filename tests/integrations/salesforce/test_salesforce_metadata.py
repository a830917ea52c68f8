"""Every file of the package against the Metadata API's own WSDL, 63.0, that simple-salesforce ships.

The WSDL describes types and no files: each type becomes an element, and a file is checked against
the one it is named after. Seeded faults show that the check finds what it is there to find.
lxml comes with simple-salesforce, as the WSDL does.
"""

from functools import cache
from importlib import resources
from pathlib import Path

import pytest
from lxml import etree

PACKAGE = Path(__file__).parents[3] / "integrations" / "salesforce" / "package"
TNS = "http://soap.sforce.com/2006/04/metadata"
XSD = "http://www.w3.org/2001/XMLSchema"
#: The WSDL has base64 where the card's file has elements.
FREE_FORM = ("targetConfigs",)


def files():
    return sorted(PACKAGE.rglob("*-meta.xml"))


@cache
def schema():
    text = resources.files("simple_salesforce").joinpath("metadata.wsdl").read_bytes()
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    found = etree.fromstring(text, parser).find(f".//{{{XSD}}}schema[@targetNamespace='{TNS}']")
    # The part that only calls use refers to types of the API's envelope; it is not needed here.
    named = {e.get("name") for e in found.findall(f"{{{XSD}}}element")}
    for each in found.findall(f"{{{XSD}}}complexType"):
        if each.get("name") not in named:
            etree.SubElement(
                found, f"{{{XSD}}}element", name=each.get("name"), type=f"tns:{each.get('name')}"
            )
    return etree.XMLSchema(etree.fromstring(etree.tostring(found)))


def fault(text):
    """Return what the schema says of a file's text; empty when it has nothing to say."""
    root = etree.fromstring(text.encode())
    for name in FREE_FORM:
        for each in root.findall(f"{{{TNS}}}{name}"):
            root.remove(each)
    checked = schema()
    checked.validate(etree.fromstring(etree.tostring(root)))
    return str(checked.error_log.last_error or "")


@pytest.mark.parametrize("file", files(), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_file_is_as_the_metadata_api_wants_it(file):
    assert fault(file.read_text("utf-8")) == ""


def test_the_schema_is_that_of_the_version_that_the_package_names():
    text = resources.files("simple_salesforce").joinpath("metadata.wsdl").read_text("utf-8")

    assert "Salesforce.com Metadata API version 63.0" in text
    assert '"sourceApiVersion": "63.0"' in (PACKAGE / "sfdx-project.json").read_text("utf-8")


TIER = "force-app/main/default/objects/Lead/fields/Lead_Score_Tier__c.field-meta.xml"
SETS = "force-app/main/default/permissionsets/Leadscore_Integration.permissionset-meta.xml"
FLOW = "outbound/main/default/flows/Leadscore_Lead_Changed.flow-meta.xml"
MESSAGE = "outbound/main/default/workflows/Lead.workflow-meta.xml"
VIEW = "force-app/main/default/objects/Lead/listViews/Leadscore_Call_Now.listView-meta.xml"
CREDENTIAL = "callout/main/default/namedCredentials/Leadscore.namedCredential-meta.xml"


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (TIER, "<type>Picklist", "<type>PickList", "PickList"),
        (TIER, "<restricted>true", "<restricted>yes", "restricted"),
        (TIER, "valueSetDefinition>", "valueSetDefinitions>", "valueSetDefinitions"),
        (SETS, "<editable>true</editable>", "", "field"),
        (SETS, "<object>Lead</object>", "<objects>Lead</objects>", "objects"),
        (FLOW, "RecordAfterSave", "AfterSave", "AfterSave"),
        (FLOW, "outboundMessage<", "outboundMessages<", "outboundMessages"),
        (FLOW, "<object>Lead</object>", "<object>Lead</object><object>Lead</object>", "object"),
        (MESSAGE, "<includeSessionId>false", "<includeSessionId>no", "includeSessionId"),
        (VIEW, "<operation>equals", "<operation>is", "operation"),
        (VIEW, "<filterScope>Everything", "<filterScope>All", "filterScope"),
        (CREDENTIAL, "SecuredEndpoint", "Secured", "Secured"),
    ],
)
def test_the_schema_finds_a_seeded_fault(name, old, new, told):
    text = (PACKAGE / name).read_text("utf-8")
    assert old in text

    assert told in fault(text.replace(old, new))
