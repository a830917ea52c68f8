"""How the org's Leads look on the CRM page, and what its form creates."""

from collections.abc import Mapping

from integrations.simulator.pages import CrmPage, FormRefusedError, Row, whole
from integrations.simulator.salesforce.calls import Org
from integrations.simulator.salesforce.errors import ApiError, RecordError
from integrations.simulator.salesforce.fields import (
    INQUIRY_TYPES,
    INSURANCE_STATUSES,
    PROCEDURES,
    parsed,
)
from integrations.simulator.salesforce.records import Values


def crm_page(org: Org) -> CrmPage:
    """Return the page of one org."""

    def rows() -> list[Row]:
        with org.lock:
            leads = org.records.tables["Lead"].values()
            return [_row(record) for record in leads if not record["IsDeleted"]]

    def submit(form: Mapping[str, str]) -> None:
        name = f"{form['first_name']} {form['last_name']}".strip()
        values: Values = {
            "FirstName": form["first_name"],
            "LastName": form["last_name"],
            "Company": name,
            "Email": form["email"],
            "Description": form["message"],
            "LeadSource": "Web",
            "Inquiry_Type__c": form["inquiry_type"],
            "Insurance_Status__c": form["insurance_status"],
            "Procedure_Interest__c": form["procedure"],
            "Channel__c": "web_form",
            "Form_Submissions__c": 1,
        }
        try:
            with org.lock:
                org.records.create("Lead", values, by_api=True)
        except RecordError as error:
            raise FormRefusedError(error.message) from None
        except ApiError:
            raise FormRefusedError("The form could not be read.") from None

    return CrmPage(
        crm="Salesforce",
        subject="Leads",
        account=f"org {org.settings.organization_id}",
        now=org.now,
        rows=rows,
        submit=submit,
        counters=org.counts.snapshot,
        inquiry_types=INQUIRY_TYPES,
        insurance_statuses=INSURANCE_STATUSES,
        procedures=PROCEDURES,
    )


def _row(record: Values) -> Row:
    def text(name: str) -> str:
        value = record.get(name)
        return value if isinstance(value, str) else ""

    score = record.get("Lead_Score__c")
    return Row(
        record_id=text("Id"),
        name=text("Name"),
        score=whole(score) if isinstance(score, int | float) else None,
        tier=text("Lead_Score_Tier__c"),
        respond_by=parsed(record.get("Lead_Score_Respond_By__c")),
        reasons=text("Lead_Score_Reasons__c"),
        inquiry=text("Description"),
        trend=text("Lead_Score_Trend__c"),
        created_at=parsed(record.get("CreatedDate")),
        updated_at=parsed(record.get("LastModifiedDate")),
    )
