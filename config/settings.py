"""What the process itself needs: where to listen, where to store, where the key is."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from config.patterns import LOG_LEVEL


class Settings(BaseModel):
    """The process's settings, from the environment. `ENVIRONMENT` gives each variable's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Its repr is hidden: an address of PostgreSQL may hold a password.
    database_url: str = Field(default="sqlite:///data/leadscore.db", repr=False)
    practice_file: Path = Path("practice.toml")
    master_key_file: Path = Path("keys/master.key")
    master_key: SecretStr | None = None
    audit_heads_file: Path = Path("keys/audit.heads")
    listen_host: str = "127.0.0.1"
    listen_port: int = Field(default=8080, ge=0, le=65_535)
    threads: int = Field(default=8, ge=1, le=64)
    #: Held ready beside SQLite's files for the day the disk is full; 0 is none.
    disk_reserve_mb: int = Field(default=64, ge=0, le=100_000_000)
    log_level: str = Field(default="INFO", pattern=LOG_LEVEL)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return url

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
    "audit_heads_file": "LEADSCORE_AUDIT_HEADS",
    "listen_host": "LEADSCORE_HOST",
    "listen_port": "LEADSCORE_PORT",
    "threads": "LEADSCORE_THREADS",
    "disk_reserve_mb": "LEADSCORE_DISK_RESERVE_MB",
    "log_level": "LEADSCORE_LOG_LEVEL",
}
