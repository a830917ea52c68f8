"""Every file of the package against the Metadata API's own WSDL, 63.0, that simple-salesforce ships.

The WSDL describes types and no files: each type becomes an element, and a file is checked against
the one it is named after. Seeded faults show that the check finds what it is there to find.
lxml comes with simple-salesforce, as the WSDL does.
"""

from importlib import resources
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "integrations" / "salesforce" / "package"


def files():
    return sorted(PACKAGE.rglob("*-meta.xml"))


@pytest.mark.parametrize("file", files(), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_file_is_as_the_metadata_api_wants_it(file, metadata_fault):
    assert metadata_fault(file.read_text("utf-8")) == ""


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
def test_the_schema_finds_a_seeded_fault(name, old, new, told, metadata_fault):
    text = (PACKAGE / name).read_text("utf-8")
    assert old in text

    assert told in metadata_fault(text.replace(old, new))
