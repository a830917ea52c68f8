"""Signatures of HubSpot's webhook requests, versions 1 and 3.

Source: reference hubspot.md section 3; HubSpot docs "Validating requests"; checked against the
vendor's vectors in tests/integrations/simulator/payloads/signature.vectors.json.
"""

import base64
import hashlib
import hmac
import re

#: Decoded in the URI before version 3 signs it; nothing else is. Not the `?` of the query.
_DECODED = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)


def signature_v1(client_secret: str, body: bytes) -> str:
    """Return lowercase hex SHA-256 of secret and body."""
    return hashlib.sha256(client_secret.encode() + body).hexdigest()


def signature_v3(client_secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """Return base64 HMAC-SHA256 of method, decoded URI, body and timestamp (ms)."""
    decoded = _ENCODED.sub(lambda match: _DECODED[match.group().upper()], uri)
    signed = f"{method}{decoded}".encode() + body + timestamp.encode()
    digest = hmac.digest(client_secret.encode(), signed, hashlib.sha256)
    return base64.b64encode(digest).decode()


def headers(client_secret: str, uri: str, body: bytes, timestamp: str) -> dict[str, str]:
    """Return the headers of one attempt: version 1 and version 3 side by side."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/) - WebHooks",
        "X-HubSpot-Signature": signature_v1(client_secret, body),
        "X-HubSpot-Signature-Version": "v1",
        "X-HubSpot-Signature-v3": signature_v3(client_secret, "POST", uri, body, timestamp),
        "X-HubSpot-Request-Timestamp": timestamp,
    }
