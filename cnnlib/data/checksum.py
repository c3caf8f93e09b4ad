"""A file is what it is known to be, or it is refused: SHA-256, compared in this one place."""

import hashlib
from pathlib import Path


def hash_file(what: bytes | Path) -> str:
    """The SHA-256 of bytes or of a file, in 64 hex digits. A file is not read into memory whole."""
    if isinstance(what, bytes):
        return hashlib.sha256(what).hexdigest()
    with open(what, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(what: bytes | Path, sha256: str, source: object = None) -> None:
    """Raise ``ValueError`` unless bytes or a file have this SHA-256.

    ``sha256`` is all 64 hex digits, or the first 8 or more where no more is published. ``source``
    says where bytes come from; a file says so itself. Raises ``FileNotFoundError`` for no file.
    """
    found = hash_file(what)
    if not found.startswith(sha256):
        size = len(what) if isinstance(what, bytes) else what.stat().st_size
        more = "..." if len(sha256) < len(found) else ""
        raise ValueError(
            f"{source or what}: cut or changed ({size} bytes): "
            f"expected SHA-256 {sha256}{more}, found {found}"
        )


def read_checked(path: Path, sha256: str) -> bytes:
    """The content of a file, if it has this SHA-256; errors as :func:`check_sha256`."""
    content = path.read_bytes()
    check_sha256(content, sha256, path)
    return content
