"""What a pretend Salesforce org is like; every value has a default that works."""

from dataclasses import dataclass, field

#: The practice's input fields: a change of one fires the Flow that sends the message.
INPUT_FIELDS = (
    "Email",
    "Phone",
    "LeadSource",
    "Status",
    "Description",
    "IsConverted",
    "Inquiry_Type__c",
    "Insurance_Status__c",
    "Insurance_Carrier__c",
    "Procedure_Interest__c",
    "Channel__c",
    "Service_Line__c",
    "Web_Visits__c",
    "Form_Submissions__c",
    "Last_Email_Open__c",
    "Last_Email_Click__c",
    "Last_Web_Visit__c",
    "First_Response_At__c",
    "Lead_Score_Override__c",
    "Lead_Score_Override_Until__c",
    "WhoId",
    "TaskSubtype",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesforceSettings:
    """One org with one External Client App. Source: reference salesforce.md sections 1, 3, 4."""

    organization_id: str = "00D8d000000HLs1EAG"
    user_id: str = "0058d000000InTgAAK"  #: The integration user.
    consumer_key: str = "3MVGsimulator"
    consumer_secret: str = field(default="simulator-consumer-secret", repr=False)
    jwt_public_key_pem: str | None = None  #: Of the certificate the app was given.
    username: str = "integration@example.com"  #: The `sub` of the JWT bearer flow.
    login_audiences: tuple[str, ...] = (
        "https://login.salesforce.com",
        "https://test.salesforce.com",
    )
    instance_url: str | None = None  #: In token answers; None: the URL the caller used.
    my_domain: str = "https://clinic-demo.my.salesforce.com"  #: In messages.
    api_version: str = "63.0"  #: Of the messages; REST takes 41.0 to 68.0.
    session_timeout_s: float = 7200.0
    daily_calls: int = 100_000  #: In any 24 hours.
    target_url: str | None = None  #: Endpoint of the Outbound Messages; None: none is sent.
    connect_url: str | None = None  #: Where requests really go; None: to `target_url`.
    action_ids: tuple[tuple[str, str], ...] = (
        ("Lead", "04k8d0000000LeaAAE"),
        ("Contact", "04k8d0000000ConAAE"),
        ("Task", "04k8d0000000TskAAE"),
    )
    input_fields: tuple[str, ...] = INPUT_FIELDS
    message_fields: tuple[str, ...] = ()  #: Besides Id, such as LastModifiedDate.
    message_session_id: str | None = field(default=None, repr=False)  #: None: sent as nil.
    callout_url: str | None = None  #: Where Apex sends signed messages; None: none is sent.
    callout_secret: str = field(default="simulator-callout-secret", repr=False)
    topic: str = "/event/Leadscore_Change__e"  #: Of the platform event that a Flow publishes.
    provisioned: bool = True  #: The score fields exist.
    edition: str = "Developer Edition"
    bulk_polls: int = 1  #: How often a query job is asked about before it is done.
    may_customize: bool = True  #: The user may make fields and permission sets.
    encrypted_fields: tuple[str, ...] = ()  #: By Shield, so that nothing is filtered by them.
    hidden_fields: tuple[str, ...] = ()  #: Fields the integration user may not see.
    validation_rule: tuple[str, str] | None = None  #: Field that must be set, and the message.
    assigned_owner_id: str = "0058d000000OwnBAAW"  #: Whom the assignment rules give Leads to.
    timeout_s: float = 60.0
    concurrency: int = 5  #: Messages in flight for each object.
    batch_wait_s: float = 0.01  #: How long an event waits for others to share its request.
    retry_speedup: float = 1.0  #: The day of retries takes 24 h / this.
    mischief: bool = False  #: Messages out of order, some of them twice.
    seed: int = 1
