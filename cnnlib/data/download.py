"""Fetch a file whole or not at all."""

import os
import re
import time
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from cnnlib.data.checksum import check_sha256, hash_file

CHUNK = 1 << 16
TIMEOUT = 30  # seconds without a byte


def download_file(
    urls: Sequence[str], path: Path, sha256: str, attempts: int = 3, pause: float = 1.0
) -> None:
    """Download ``path`` from the first of ``urls`` that gives the bytes with this SHA-256.

    Nothing is fetched where ``path`` has them already.

    ``sha256`` is all 64 hex digits of it, or the first 8 or more where no more is published. The
    fewer there are, the less they say against a forger; a damaged file fails either way.

    What has come so far lies in ``path`` + ``.part``. A broken transfer goes on from there, in
    this call or a later one. The file gets its name only when the hash is right, so ``path`` is
    never half written. Each attempt takes the next address; between attempts we wait ``pause``
    seconds, then twice as long, and so on.

    Raises ``ValueError`` if what arrives has another hash or ``sha256`` is none, and
    ``ConnectionError`` if nothing arrives.
    """
    if not re.fullmatch("[0-9a-f]{8,64}", sha256):
        raise ValueError(f"sha256={sha256!r}: expected 8 to 64 hex digits, in lower case")
    path = Path(path)
    if path.is_file() and hash_file(path).startswith(sha256):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        url = urls[attempt % len(urls)]
        try:
            _fetch(url, part)
        except (OSError, HTTPException) as error:
            failure: Exception = ConnectionError(
                f"{url}: not fetched in {attempts} attempts: {error}. "
                f"Call again to go on where this stopped."
            )
            continue
        try:
            check_sha256(part, sha256, url)
        except ValueError as error:
            part.unlink()  # nothing in it can be trusted: start afresh
            failure = error
            continue
        os.replace(part, path)
        return
    raise failure


def _fetch(url: str, part: Path) -> None:
    """Append to ``part`` what is still missing of ``url``; start over if the server has to."""
    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416:  # nothing lies beyond what we have: the hash will tell
            return
        raise
    with response:
        resumes = response.status == 206
        if not resumes:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            open(part, "ab" if resumes else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem) as bar,
        ):
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))
    if total is not None and have < total:
        raise ConnectionError(f"cut off after {have} of {total} bytes")
