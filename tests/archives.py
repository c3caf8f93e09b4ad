"""Made-up archives of photographs, in every form that they come in, and a server for them."""

import gzip
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

Files = dict[str, bytes]  # name inside an archive: content


def jpeg(colour: tuple[int, int, int] | int, shape: tuple[int, int], form: str = "JPEG") -> bytes:
    """A picture of that height and width with this colour in its upper half, black below.

    One number is a grey, in a picture without colours.
    """
    height, width = shape
    picture = Image.new("L" if isinstance(colour, int) else "RGB", (width, height))
    picture.paste(colour, (0, 0, width, height // 2))
    file = io.BytesIO()
    picture.save(file, form, **({"quality": 95} if form == "JPEG" else {}))
    return file.getvalue()


# --- the forms: each writes PATH with its ending, and gives what it wrote ---


def write_zip(path: Path, files: Files, top: str = "top/") -> Path:
    path = path.with_name(path.name + ".zip")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir(f"{top}train/")
        for name, content in files.items():
            archive.writestr(top + name, content)
    return path


def write_tgz(path: Path, files: Files, top: str = "top/") -> Path:
    path = path.with_name(path.name + ".tgz")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo(f"{top}train")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(top + name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def write_tar(path: Path, files: Files, top: str = "top/") -> Path:
    """Not compressed."""
    packed = write_tgz(path, files, top)
    packed.with_suffix(".tar").write_bytes(gzip.decompress(packed.read_bytes()))
    return packed.with_suffix(".tar")


def write_folder(path: Path, files: Files, top: str = "top/") -> Path:
    for name, content in files.items():
        file = path / f"{top}{name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path


PACKED = {"zip": write_zip, "tgz": write_tgz, "tar": write_tar}
WRITERS = {**PACKED, "folder": write_folder}
packed_forms = pytest.mark.parametrize("write", PACKED.values(), ids=PACKED)
forms = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


# --- mistakes in the files ---


def without(*starts: str) -> Callable[[Files], Files]:
    return lambda files: {name: c for name, c in files.items() if not name.startswith(starts)}


def changed(name: str, content: bytes) -> Callable[[Files], Files]:
    return lambda files: files | {name: content}


# --- where it is downloaded from ---


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``script`` holds tricks for the next requests, ``log`` what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.script, self.log = {}, [], []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.log.append((self.path, wanted))
        trick = server.script.pop(0) if server.script else None
        content = server.files.get(self.path[1:])
        if content is None:
            return self.send_error(404)
        if trick == "wrong":
            content = b"?" * len(content)
        start = 0
        if wanted and trick != "no ranges":
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        self.wfile.write(body[: len(body) // 2] if trick == "cut" else body)

    def log_message(self, *args):
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """A server on this machine, for as long as the ``with`` lasts."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
