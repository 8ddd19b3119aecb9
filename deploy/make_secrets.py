"""Writes the secrets that compose.yaml mounts to deploy/secrets/, once; what is there already stays."""

from __future__ import annotations

import secrets
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "secrets"


def main(folder: Path = FOLDER) -> None:
    """Make what is missing."""
    folder.mkdir(mode=0o700, exist_ok=True)
    password = _write(folder / "postgres_password", secrets.token_hex(24))
    _write(folder / "database_url", f"postgresql+psycopg://curation:{password}@postgres/curation")
    _write(folder / "secret_key", secrets.token_hex(32))
    _write(folder / "ray_token", secrets.token_hex(32))
    user = _write(folder / "s3_user", f"curation-{secrets.token_hex(4)}")
    key = _write(folder / "s3_password", secrets.token_hex(24))
    _write(folder / "aws_credentials", f"[default]\naws_access_key_id = {user}\naws_secret_access_key = {key}\n")
    _write(folder / "grafana_password", secrets.token_hex(16))
    print(f"The secrets are in {folder}.")


def _write(path: Path, value: str) -> str:
    """The file's content, after it was written unless it was there. Others may read the file, for containers run as
    another user than this one; the folder is closed to them."""
    if not path.exists():
        path.write_text(value)
        path.chmod(0o444)
    return path.read_text()


if __name__ == "__main__":
    main()
