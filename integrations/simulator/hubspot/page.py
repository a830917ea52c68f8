"""How the account's contacts look on the CRM page, and what its form creates."""

from collections.abc import Mapping

from integrations.simulator.hubspot import definitions
from integrations.simulator.hubspot.account import Account
from integrations.simulator.hubspot.errors import ApiError
from integrations.simulator.hubspot.records import Record
from integrations.simulator.hubspot.values import instant
from integrations.simulator.pages import CrmPage, FormRefusedError, Row, whole


def crm_page(account: Account) -> CrmPage:
    """Return the page of one account."""

    def rows() -> list[Row]:
        with account.lock:
            return [_row(record) for record in account.contacts.live.values()]

    def submit(form: Mapping[str, str]) -> None:
        values = {
            "firstname": form["first_name"],
            "lastname": form["last_name"],
            "email": form["email"],
            "message": form["message"],
            "inquiry_type": form["inquiry_type"],
            "insurance_status": form["insurance_status"],
            "procedure_interest": form["procedure"],
            "preferred_contact_channel": "web_form",
            "hs_analytics_source": "DIRECT_TRAFFIC",
            "num_conversion_events": "1",
        }
        given = {name: value for name, value in values.items() if value}
        with account.lock:
            try:
                kept = account.catalog.kept(given, by_api=False)
                account.contacts.create(kept, source="FORM")
            except ApiError as error:
                raise FormRefusedError(str(error.body["message"])) from None

    return CrmPage(
        crm="HubSpot",
        subject="Contacts",
        account=f"portal {account.settings.portal_id}",
        now=account.now,
        rows=rows,
        submit=submit,
        counters=account.counts.snapshot,
        inquiry_types=definitions.INQUIRY_TYPES,
        insurance_statuses=definitions.INSURANCE_STATUSES,
        procedures=definitions.PROCEDURES,
    )


def _row(record: Record) -> Row:
    get = record.values.get
    name = " ".join(part for part in (get("firstname"), get("lastname")) if part)
    return Row(
        record_id=record.id,
        name=name or get("email", "(no name)"),
        score=whole(get("lead_score")),
        tier=get("lead_score_tier", ""),
        respond_by=instant(get("lead_score_respond_by", "")),
        reasons=get("lead_score_reasons", ""),
        inquiry=get("message", ""),
        trend=get("lead_score_trend", ""),
        created_at=instant(record.values["createdate"]),
        updated_at=instant(record.values["lastmodifieddate"]),
    )
