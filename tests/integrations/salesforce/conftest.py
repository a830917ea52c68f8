from importlib import resources

import pytest
from lxml import etree

from config.practice import SalesforceAccount


@pytest.fixture
def org_at():
    """Return what makes the account of a pretend org."""

    def make(url, **more):
        given = {
            "crm": "salesforce",
            "name": "org",
            "organization_id": "00D8d000000HLs1EAG",
            "base_url": url,
            "consumer_key": {"env": "A"},
            "consumer_secret": {"env": "B"},
            "path_token": {"env": "C"},
            "sender_ranges": ("127.0.0.0/8",),
        }
        return SalesforceAccount(**{**given, **more})

    return make


TNS = "http://soap.sforce.com/2006/04/metadata"
XSD = "http://www.w3.org/2001/XMLSchema"
#: The WSDL has base64 where the card's file has elements.
FREE_FORM = ("targetConfigs",)


def _schema():
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


@pytest.fixture(scope="session")
def metadata_fault():
    """Return what tells the fault of a metadata file's text; empty when there is none."""
    schema = _schema()

    def fault(text):
        root = etree.fromstring(text.encode())
        for name in FREE_FORM:
            for each in root.findall(f"{{{TNS}}}{name}"):
                root.remove(each)
        schema.validate(etree.fromstring(etree.tostring(root)))
        return str(schema.error_log.last_error or "")

    return fault
