"""SOQL of the Salesforce simulator."""

import pytest


@pytest.fixture
def call(salesforce, salesforce_api, clock):
    people = [
        {
            "LastName": "Alder",
            "Lead_Score__c": 90,
            "Email": "a@example.com",
            "Status": "Open - Not Contacted",
        },
        {"LastName": "Brook", "Lead_Score__c": 40, "Email": "b@example.com"},
        {"LastName": "O'Neil", "Email": "c@example.com", "Status": "Working - Contacted"},
        {"LastName": "alder", "Lead_Score__c": 10},
    ]
    for person in people:
        salesforce.create_leads([{"Company": "Self", **person}])
        clock.forward(minutes=1)
    return salesforce_api(salesforce)


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("WHERE LastName = 'ALDER'", ["Alder", "alder"]),
        ("WHERE LastName != 'Alder'", ["Brook", "O'Neil"]),
        (r"WHERE LastName = 'O\'Neil'", ["O'Neil"]),
        ("WHERE LastName LIKE 'al%' AND Lead_Score__c > 50", ["Alder"]),
        ("WHERE LastName LIKE '_rook'", ["Brook"]),
        ("WHERE Lead_Score__c >= 40", ["Alder", "Brook"]),
        ("WHERE Lead_Score__c < 40", ["alder"]),
        ("WHERE Lead_Score__c <= 40 OR Email = null", ["Brook", "alder"]),
        ("WHERE Email IN ('a@example.com', 'c@example.com')", ["Alder", "O'Neil"]),
        ("WHERE Email NOT IN ('a@example.com')", ["Brook", "O'Neil", "alder"]),
        ("WHERE NOT (Lead_Score__c = 90)", ["Brook", "O'Neil", "alder"]),
        (
            "WHERE (Lead_Score__c = 90 AND IsConverted = false) OR LastName = 'Brook'",
            ["Alder", "Brook"],
        ),
        ("WHERE SystemModstamp >= 2026-09-21T14:15:20Z", ["O'Neil", "alder"]),
        ("WHERE CreatedDate < 2026-09-21T16:14:20+02:00", ["Alder"]),
        ("ORDER BY Lead_Score__c DESC NULLS LAST", ["Alder", "Brook", "alder", "O'Neil"]),
        ("ORDER BY Lead_Score__c", ["O'Neil", "alder", "Brook", "Alder"]),
        ("ORDER BY LastName ASC, Lead_Score__c DESC LIMIT 2", ["Alder", "alder"]),
        ("order by CreatedDate limit 2 offset 1", ["Brook", "O'Neil"]),
    ],
)
def test_statement_finds(call, rest, names):
    status, body = call.soql(f"SELECT Id, LastName FROM Lead {rest}")  # noqa: S608 - a pretend org

    assert status == 200, body
    assert [each["LastName"] for each in body["records"]] == names
    assert (body["totalSize"], body["done"]) == (len(names), True)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ('SELECT Id FROM Lead WHERE Email = "a"', "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE Email = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE A = 1 AND B = 2 OR C = 3", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead GROUP BY Email", "MALFORMED_QUERY"),
        ("SELECT Nonsense__c FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Owner.Name = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Nonsense", "INVALID_TYPE"),
        ("SELECT Id FROM Lead WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead ORDER BY Lead_Score_Reasons__c", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE CreatedDate > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Lead_Score__c = '9'", "INVALID_FIELD"),
        ("", "MALFORMED_QUERY"),
    ],
)
def test_statement_is_refused(call, statement, code):
    status, body = call.soql(statement)

    assert (status, body[0]["errorCode"]) == (400, code)
    assert set(body[0]) == {"message", "errorCode"}


def test_hidden_field_cannot_be_asked_for(make_salesforce, salesforce_api):
    call = salesforce_api(make_salesforce(hidden_fields=("Email",)))

    assert call.soql("SELECT Id, Email FROM Lead")[1][0]["errorCode"] == "INVALID_FIELD"


def test_count_has_no_records(call):
    assert call.soql("SELECT COUNT() FROM Lead") == (
        200,
        {"totalSize": 4, "done": True, "records": []},
    )


def test_tasks_of_leads_answer_as_the_sample(salesforce, call, recorded, shape):
    [lead] = salesforce.create_leads([{"LastName": "A", "Company": "B"}])
    salesforce.create_tasks(
        [
            {
                "WhoId": lead,
                "Status": "Completed",
                "TaskSubtype": "Call",
                "ActivityDate": "2026-03-02",
            }
        ]
    )
    fields = "Id, WhoId, Status, TaskSubtype, ActivityDate, LastModifiedDate"

    _, body = call.soql(" ".join(["SELECT", fields, f"FROM Task WHERE WhoId IN ('{lead[:15]}')"]))

    assert shape(body) == shape(recorded("query_tasks_response.json"))
    assert body["records"][0]["WhoId"] == lead


def test_only_query_all_shows_deleted_records(salesforce, call):
    salesforce.delete_lead(next(iter(salesforce.leads())))

    assert call.soql("SELECT Id FROM Lead")[1]["totalSize"] == 3
    assert call.soql("SELECT Id FROM Lead WHERE IsDeleted = true", "queryAll")[1]["totalSize"] == 1


def test_pages_hold_2000_records(salesforce, call):
    salesforce.create_leads([{"LastName": f"L{number}", "Company": "B"} for number in range(4100)])

    status, body = call.soql("SELECT Id FROM Lead")
    sizes, ids = [len(body["records"])], {each["Id"] for each in body["records"]}
    while not body["done"]:
        path = body["nextRecordsUrl"].removeprefix("/services/data/v63.0/")
        status, body = call("GET", path)
        sizes.append(len(body["records"]))
        ids |= {each["Id"] for each in body["records"]}

    assert status == 200
    assert sizes == [2000, 2000, 104]
    assert len(ids) == body["totalSize"] == 4104
    assert call("GET", "query/01gnonsense-2000")[1][0]["errorCode"] == "INVALID_QUERY_LOCATOR"
