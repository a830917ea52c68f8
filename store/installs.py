"""Apps installed by OAuth: who was invited to, what came of it, and the tokens.

Tokens are sealed under a data key of their own, a new one each time; an uninstall deletes both. Of
the secrets that pass through a browser only hashes are kept: each has 256 random bits, so a plain
one tells nothing. Who refreshes first claims the row for a while; the others wait for what it
brings, in whatever process they are (S39).
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, or_, select, update

from store import schema
from store.audit import Act, Audit
from store.engine import insert_into, reading
from store.retired_keys import require_kept
from store.vault import Cell, Vault, wrapped_under

_token = schema.token
_install = schema.install

#: How long an invitation holds: it may go to a portal's admin by mail.
INVITED_FOR = timedelta(hours=24)
#: How long a person may take on HubSpot's page.
STATE_FOR = timedelta(minutes=10)
#: A refresh that takes longer is taken for dead. Longer than a call may take (S37).
REFRESH_FOR = timedelta(seconds=40)
_NOTHING_BEGUN: dict[str, object] = {"state_hash": None, "challenge": None, "state_until": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTokens:
    """An account's tokens, open."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    version: int  #: Rises each time they change.


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallState:
    """What became of an account's installation."""

    installed_at: datetime | None
    uninstalled_at: datetime | None  #: None while it is installed.


class Installs:
    """The tables of installations and tokens."""

    def __init__(self, engine: Engine, vault: Vault, audit: Audit) -> None:
        self._engine = engine
        self._vault = vault
        self._audit = audit

    def of(self, account_id: str) -> "AccountTokens":
        """Return the tokens of one account."""
        return AccountTokens(self._engine, self._vault, account_id)

    def invite(self, account_id: str, actor: str, now: datetime) -> str:
        """Return a new invitation to install the app; an older one ends, and what it began."""
        invitation = _secret(account_id)
        values = {
            **_NOTHING_BEGUN,
            "invitation_hash": _hash(invitation),
            "invited_until": now + INVITED_FOR,
        }
        with self._engine.begin() as connection:
            _put(connection, account_id, values)
        self._record("app.invited", account_id, actor, now)
        return invitation

    def withdraw(self, account_id: str) -> None:
        """End the account's invitation, and what it began. Safe to repeat."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_install)
                .where(_install.c.account_id == account_id)
                .values(invitation_hash=None, invited_until=None, **_NOTHING_BEGUN)
            )

    def begin(self, invitation: str, challenge: str, now: datetime) -> tuple[str, str] | None:
        """Return account and state of a new way to HubSpot's page, or None: no such invitation.

        The invitation stays good: a mail scanner may open it first. An older state ends.
        `challenge` is what only the browser that began can answer.
        """
        account_id = invitation.partition(".")[0]
        state = _secret(account_id)
        with self._engine.begin() as connection:
            row = connection.execute(
                select(_install.c.invitation_hash, _install.c.invited_until).where(
                    _install.c.account_id == account_id
                )
            ).first()
            if row is None or not _is_hash_of(row.invitation_hash, invitation):
                return None
            if row.invited_until <= now:
                return None
            _put(
                connection,
                account_id,
                {
                    "state_hash": _hash(state),
                    "challenge": challenge,
                    "state_until": now + STATE_FOR,
                },
            )
        return account_id, state

    def redeem(self, state: str, challenge: str, now: datetime) -> str | None:
        """Return the account that a state stands for, or None: unknown, over, or another browser.

        Good once, also when it is refused for its age or its browser.
        """
        account_id = state.partition(".")[0]
        with self._engine.begin() as connection:
            row = connection.execute(
                select(_install.c.state_hash, _install.c.challenge, _install.c.state_until).where(
                    _install.c.account_id == account_id
                )
            ).first()
            if row is None or not _is_hash_of(row.state_hash, state):
                return None
            spent = connection.execute(
                update(_install)
                .where(
                    _install.c.account_id == account_id, _install.c.state_hash == row.state_hash
                )
                .values(**_NOTHING_BEGUN)
            )
        is_same = hmac.compare_digest(row.challenge.encode(), challenge.encode())
        return account_id if spent.rowcount and is_same and row.state_until > now else None

    def keep(
        self,
        account_id: str,
        *,
        access_token: str,
        refresh_token: str,
        expires_at: datetime,
        actor: str,
        now: datetime,
    ) -> None:
        """Store the tokens of an installation; the account wakes, its invitation ends."""
        tokens = self.of(account_id)
        with self._engine.begin() as connection:
            tokens.put(connection, access_token, refresh_token, expires_at)
            _put(
                connection,
                account_id,
                {
                    "invitation_hash": None,
                    "invited_until": None,
                    "installed_at": now,
                    "uninstalled_at": None,
                },
            )
            connection.execute(
                update(schema.account)
                .where(schema.account.c.account_id == account_id)
                .values(paused_until=None, pause_code=None, failures=0)
            )
        self._record("app.installed", account_id, actor, now)

    def mark_uninstalled(self, account_id: str, actor: str, now: datetime) -> bool:
        """Delete the account's tokens: the app was taken away. Return whether there were any.

        For a person's command, and for events of an app's life. Safe to repeat. A worker that runs
        keeps the token that it has in hand until HubSpot refuses it or it is about to end (half an
        hour at most); then the account rests until `leadscore install` wakes it again.
        """
        is_new = self.of(account_id).forget(now)
        if is_new:
            self._record("app.uninstalled", account_id, actor, now)
        return is_new

    def state(self, account_id: str) -> InstallState:
        """Return what became of an account's installation."""
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(_install.c.installed_at, _install.c.uninstalled_at).where(
                    _install.c.account_id == account_id
                )
            ).first()
        if row is None:
            return InstallState(installed_at=None, uninstalled_at=None)
        return InstallState(installed_at=row.installed_at, uninstalled_at=row.uninstalled_at)

    def _record(self, act: str, account_id: str, actor: str, now: datetime) -> None:
        self._audit.record(
            Act(account_id=account_id, actor=actor, act=act, object_type="app"), now
        )


class AccountTokens:
    """One account's tokens, shared by every process. See `integrations.hubspot.tokens.Shelf`."""

    def __init__(self, engine: Engine, vault: Vault, account_id: str) -> None:
        self._engine = engine
        self._vault = vault
        self._account_id = account_id
        self._key_cell = Cell(account_id, "token", "wrapped_key", account_id)
        self._cell = Cell(account_id, "token", "sealed_tokens", account_id)

    def read(self) -> HeldTokens | None:
        """Return the tokens, or None: not installed. Raises: VaultError when they do not open."""
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(_token).where(_token.c.account_id == self._account_id)
            ).first()
        if row is None:
            return None
        key = self._vault.unwrap(row.wrapped_key, self._key_cell)
        found = json.loads(key.open(row.sealed_tokens, self._cell))
        return HeldTokens(
            access_token=found["access_token"],
            refresh_token=found["refresh_token"],
            expires_at=row.expires_at,
            version=row.version,
        )

    def absence(self) -> str:
        """Return why there are no tokens: `not_installed`, `uninstalled`; or nothing: there are."""
        with reading(self._engine).connect() as connection:
            query = select(_token.c.version).where(_token.c.account_id == self._account_id)
            if connection.execute(query).first() is not None:
                return ""
        return "uninstalled" if self.is_uninstalled() else "not_installed"

    def is_uninstalled(self) -> bool:
        """Tell whether the app was installed once, and taken away."""
        with reading(self._engine).connect() as connection:
            at = connection.execute(
                select(_install.c.uninstalled_at).where(_install.c.account_id == self._account_id)
            ).scalar_one_or_none()
        return at is not None

    def claim(self, version: int, now: datetime) -> bool:
        """Take the right to refresh these tokens, for `REFRESH_FOR`; False: another has it."""
        with self._engine.begin() as connection:
            found = connection.execute(
                update(_token)
                .where(
                    _token.c.account_id == self._account_id,
                    _token.c.version == version,
                    or_(
                        _token.c.refreshing_until.is_(None),
                        _token.c.refreshing_until <= now,
                        # Further off than any claim lasts: the clock was set back since.
                        _token.c.refreshing_until > now + REFRESH_FOR,
                    ),
                )
                .values(refreshing_until=now + REFRESH_FOR)
            )
        return found.rowcount == 1

    def give_back(self, version: int) -> None:
        """End a claim that brought nothing."""
        with self._engine.begin() as connection:
            connection.execute(
                update(_token)
                .where(_token.c.account_id == self._account_id, _token.c.version == version)
                .values(refreshing_until=None)
            )

    def replace(
        self, version: int, *, access_token: str, refresh_token: str, expires_at: datetime
    ) -> bool:
        """Store refreshed tokens in place of `version`; False: others came meanwhile."""
        with self._engine.begin() as connection:
            found = connection.execute(
                select(_token.c.version)
                .where(_token.c.account_id == self._account_id)
                .with_for_update()
            ).scalar_one_or_none()
            if found != version:
                return False
            self.put(connection, access_token, refresh_token, expires_at)
        return True

    def put(
        self, connection: Connection, access_token: str, refresh_token: str, expires_at: datetime
    ) -> None:
        """Store tokens, whatever was there. Raises: RetiredKeyError."""
        key, wrapped = self._vault.new_key(self._key_cell)
        text = json.dumps({"access_token": access_token, "refresh_token": refresh_token})
        values = {
            "expires_at": expires_at,
            "refreshing_until": None,
            "sealed_tokens": key.seal(text.encode(), self._cell),
            "wrapped_key": wrapped,
        }
        connection.execute(
            insert_into(connection, _token)
            .values(account_id=self._account_id, version=1, **values)
            .on_conflict_do_update(
                index_elements=["account_id"], set_={**values, "version": _token.c.version + 1}
            )
        )
        require_kept(connection, {wrapped_under(wrapped)})

    def forget(self, now: datetime, version: int | None = None) -> bool:
        """Delete the tokens, or only those of `version`; return whether they were there."""
        with self._engine.begin() as connection:
            query = delete(_token).where(_token.c.account_id == self._account_id)
            if version is not None:
                query = query.where(_token.c.version == version)
            is_gone = connection.execute(query).rowcount == 1
            if is_gone:
                _put(connection, self._account_id, {"uninstalled_at": now})
        return is_gone


def _put(connection: Connection, account_id: str, values: dict[str, object]) -> None:
    connection.execute(
        insert_into(connection, _install)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values)
    )


def _secret(account_id: str) -> str:
    """Return 256 random bits behind the account's name, which needs no look-up then."""
    return f"{account_id}.{secrets.token_urlsafe(32)}"


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _is_hash_of(kept: bytes | None, secret: str) -> bool:
    return kept is not None and hmac.compare_digest(kept, _hash(secret))
