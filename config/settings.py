"""What the process itself needs: where to listen, where to store, where the key is."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from config.patterns import ENTRY, LOG_LEVEL


class Settings(BaseModel):
    """The process's settings, from the environment. `ENVIRONMENT` gives each variable's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Its repr is hidden: an address of PostgreSQL may hold a password.
    database_url: str = Field(default="sqlite:///data/leadscore.db", repr=False)
    practice_file: Path = Path("practice.toml")
    master_key_file: Path = Path("keys/master.key")
    master_key: SecretStr | None = None
    #: Name of a credential that the service manager hands over, in `credentials_folder`.
    master_key_credential: str | None = Field(default=None, pattern=ENTRY)
    credentials_folder: Path | None = None
    #: Name of an entry in the operating system's keyring.
    master_key_keyring: str | None = Field(default=None, pattern=ENTRY)
    audit_heads_file: Path = Path("keys/audit.heads")
    tombstones_file: Path | None = None  #: None: `tombstones` beside the audit heads.
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8080, ge=0, le=65_535)
    threads: int = Field(default=8, ge=1, le=64)
    #: Held ready beside SQLite's files for the day the disk is full; 0 is none.
    disk_reserve_mb: int = Field(default=64, ge=0, le=100_000_000)
    log_level: str = Field(default="INFO", pattern=LOG_LEVEL)
    semantic: bool = False  #: Whether the emergency gate also reads meaning.
    semantic_model: Path | None = None  #: Folder of its model; by default the installed package's.

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return url

    @model_validator(mode="after")
    def _one_key_source(self) -> Self:
        given = (self.master_key, self.master_key_credential, self.master_key_keyring)
        if sum(source is not None for source in given) > 1:
            raise ValueError(
                "set one of LEADSCORE_MASTER_KEY, LEADSCORE_MASTER_KEY_CREDENTIAL and"
                " LEADSCORE_MASTER_KEY_KEYRING"
            )
        return self

    @property
    def tombstones(self) -> Path:
        """The file of tombstones; it must lie outside the backup set (S57)."""
        return self.tombstones_file or self.audit_heads_file.with_name("tombstones")

    @property
    def disk_reserve_bytes(self) -> int:
        """The size of the disk reserve."""
        return self.disk_reserve_mb * 1024 * 1024

    @property
    def database_folder(self) -> Path | None:
        """The folder of the SQLite files; None for PostgreSQL."""
        if not self.database_url.startswith("sqlite:///"):
            return None
        return Path(self.database_url.removeprefix("sqlite:///")).resolve().parent


#: Field of `Settings` -> environment variable.
ENVIRONMENT = {
    "database_url": "DATABASE_URL",
    "practice_file": "LEADSCORE_PRACTICE",
    "master_key_file": "LEADSCORE_MASTER_KEY_FILE",
    "master_key": "LEADSCORE_MASTER_KEY",
    "master_key_credential": "LEADSCORE_MASTER_KEY_CREDENTIAL",
    "credentials_folder": "CREDENTIALS_DIRECTORY",
    "master_key_keyring": "LEADSCORE_MASTER_KEY_KEYRING",
    "audit_heads_file": "LEADSCORE_AUDIT_HEADS",
    "tombstones_file": "LEADSCORE_TOMBSTONES",
    "listen_host": "LEADSCORE_HOST",
    "listen_port": "LEADSCORE_PORT",
    "threads": "LEADSCORE_THREADS",
    "disk_reserve_mb": "LEADSCORE_DISK_RESERVE_MB",
    "log_level": "LEADSCORE_LOG_LEVEL",
    "semantic": "LEADSCORE_SEMANTIC",
    "semantic_model": "LEADSCORE_SEMANTIC_MODEL",
}
