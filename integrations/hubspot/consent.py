"""The way to HubSpot's page where a portal's admin connects an app. Makes no call.

Source: reference hubspot.md section 5; RFC 7636 (PKCE).
"""

import base64
import hashlib
from collections.abc import Collection
from urllib.parse import quote, urlencode

#: What the work needs. Source: reference hubspot.md section 4.2.
NEEDED_SCOPES = ("oauth", "crm.objects.contacts.read", "crm.objects.contacts.write")
#: To make the properties, and to read e-mails: the admin may leave them out.
EMAIL_SCOPE = "sales-email-read"
OPTIONAL_SCOPES = ("crm.schemas.contacts.write", EMAIL_SCOPE)
#: To read and write properties of Sensitive Data (section 4.3).
SENSITIVE_SCOPES = ("crm.objects.contacts.sensitive.read", "crm.objects.contacts.sensitive.write")


def authorize_address(
    page: str,
    *,
    client_id: str,
    redirect_url: str,
    scopes: Collection[str],
    optional_scopes: Collection[str],
    state: str,
    challenge: str,
) -> str:
    """Return the address where a portal's admin grants the app its scopes.

    `page` is HubSpot's; `challenge` is of `challenge_of`. Source: reference hubspot.md section 5;
    RFC 7636 section 4.3 for the challenge, which HubSpot's dated token endpoint can check.
    """
    given = {
        "client_id": client_id,
        "redirect_uri": redirect_url,
        "scope": " ".join(scopes),
        "optional_scope": " ".join(optional_scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{page}?{urlencode({k: v for k, v in given.items() if v}, quote_via=quote)}"


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a code verifier. Source: RFC 7636 section 4.2.

    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
