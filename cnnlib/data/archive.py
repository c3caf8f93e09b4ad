"""Read the files of a data set from a zip or tar archive or from the folder it was unpacked to."""

import hashlib
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image
from tqdm.auto import tqdm


class LayoutError(ValueError):
    """An archive or folder that is laid out in another way: it is of another image set."""


class Archive:
    """The files below one top folder of an archive or of a folder.

    Names inside are relative to that top folder and have ``/`` between their parts. Every error
    names the archive and the file inside. A ``with`` statement closes it.
    """

    path: Path

    def names(self, folder: str) -> list[str]:
        """The names of the visible files right inside ``folder``, sorted; none if it is missing."""
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """The content of a file. Raises ``ValueError`` if it is missing or damaged."""
        raise NotImplementedError

    def stamp(self, name: str) -> str:
        """What changes when the file is changed, known without reading it."""
        raise NotImplementedError

    def contents(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """Position in ``names`` and content of each of these files, in the order quickest to read.

        Raises ``ValueError`` at a file that is missing or damaged.
        """
        for index, name in enumerate(names):
            yield index, self.read(name)

    def close(self) -> None:
        """Close what is open."""

    def images(self, folder: str) -> list[str]:
        """The names of the JPEG files right inside ``folder``, sorted, with the folder's."""
        names = self.names(folder)
        return [f"{folder}/{name}" for name in names if name.lower().endswith((".jpeg", ".jpg"))]

    def pixels(self, names: Sequence[str], what: str) -> Iterator[tuple[int, np.ndarray]]:
        """Position in ``names`` and pixels of each JPEG image, uint8, (H, W, 3).

        ``what`` names the progress bar. One thread: small images are mostly Python's work, and two
        threads wait for each other. Raises ``ValueError`` at what is no JPEG image.
        """
        for index, content in tqdm(self.contents(names), desc=what, unit="image", total=len(names)):
            try:
                with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
                    pixels = np.asarray(image.convert("RGB"))
            except Exception as error:  # a damaged header makes Pillow stumble in many ways
                raise ValueError(f"{self.path}: {names[index]}: no image: {error}") from error
            yield index, pixels

    def read_lines(self, name: str) -> list[str]:
        """The lines of a text file. Raises ``ValueError`` if it is missing, damaged or no UTF-8."""
        try:
            return self.read(name).decode("utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.path}: {name}: no UTF-8 text: {error}") from error

    def fingerprint(self, names: Sequence[str]) -> str:
        """64 hex digits that stand for these files, in this order."""
        digest = hashlib.sha256()
        for name in names:
            digest.update(f"{name}\n{self.stamp(name)}\n".encode())
        return digest.hexdigest()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Folder(Archive):
    """A folder that holds ``marker``, or one right inside it that does."""

    def __init__(self, path: Path, marker: str) -> None:
        self.path = path
        inside = sorted(folder for folder in path.iterdir() if folder.is_dir())
        there = Path.is_dir if marker.endswith("/") else Path.is_file
        tops = [folder for folder in [path, *inside] if there(folder / marker)]
        if not tops:
            raise LayoutError(f"{path}: holds no {marker}, nor does a folder right inside it")
        self.top = tops[0]

    def names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self.top / folder) as entries:
                return sorted(e.name for e in entries if e.name[0] != "." and e.is_file())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, name: str) -> bytes:
        try:
            return (self.top / name).read_bytes()
        except FileNotFoundError:
            raise ValueError(f"{self.path}: {name}: missing") from None

    def stamp(self, name: str) -> str:
        status = os.stat(self.top / name)
        return f"{status.st_size} {status.st_mtime_ns}"


class Packed(Archive):
    """An archive in one file, whose names are all known at the start.

    Its top folder is the one that holds ``marker``, the outermost if several do.
    """

    def _find_top(self, names: Sequence[str], marker: str) -> None:
        """Set what :meth:`names` and :meth:`stamp` need; ``names`` are those of all files."""
        rooted = [f"/{name}" for name in names]
        if marker.endswith("/"):
            tops = [
                name[1 : name.index(f"/{marker}") + 1] for name in rooted if f"/{marker}" in name
            ]
        else:
            tops = [name[1:].removesuffix(marker) for name in rooted if name.endswith(f"/{marker}")]
        if not tops:
            self.close()
            raise LayoutError(f"{self.path}: holds no {marker}")
        self.top = min(tops, key=lambda top: (top.count("/"), top))
        self.folders: dict[str, set[str]] = {}
        for name in names:
            folder, _, last = name.rpartition("/")
            self.folders.setdefault(folder, set()).add(last)
        status = os.stat(self.path)
        self.whole = f"{status.st_size} {status.st_mtime_ns}"

    def names(self, folder: str) -> list[str]:
        inside = self.folders.get(self.top + folder, set())
        return sorted(name for name in inside if name[0] != ".")


class ZipArchive(Packed):
    """A zip archive."""

    def __init__(self, path: Path, marker: str) -> None:
        self.path = path
        try:
            self.file = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path}: cut short or no zip archive: {error}") from error
        self._find_top([name for name in self.file.namelist() if not name.endswith("/")], marker)

    def read(self, name: str) -> bytes:
        try:
            return self.file.read(self.top + name)
        except KeyError:
            raise ValueError(f"{self.path}: {name}: missing") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise ValueError(f"{self.path}: {name}: damaged: {error}") from error

    def stamp(self, name: str) -> str:
        return f"{self.file.getinfo(self.top + name).CRC} {self.whole}"

    def close(self) -> None:
        self.file.close()


class TarArchive(Packed):
    """A tar archive, compressed or not.

    It has no table of contents, so opening it reads it all: up to the empty block that ends it, for
    tarfile takes a broken header for the end, and on to the checksum of the compression.
    """

    def __init__(self, path: Path, marker: str) -> None:
        self.path = path
        try:
            self.file = tarfile.open(path)
            self.members = {
                member.name.removeprefix("./"): member for member in self.file if member.isfile()
            }
            self.file.fileobj.seek(self.file.offset)
            if self.file.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError(f"broken at byte {self.file.offset} of its content")
            while self.file.fileobj.read(1 << 20):
                pass
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno:  # not there, not readable
                raise
            raise ValueError(f"{path}: cut short or no tar archive: {error}") from error
        self._find_top(list(self.members), marker)

    def read(self, name: str) -> bytes:
        if self.top + name not in self.members:
            raise ValueError(f"{self.path}: {name}: missing")
        try:
            return self.file.extractfile(self.members[self.top + name]).read()
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            raise ValueError(f"{self.path}: {name}: damaged: {error}") from error

    def contents(self, names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """In the archive's own order: a step back would unpack everything again."""
        for name in names:
            if self.top + name not in self.members:
                raise ValueError(f"{self.path}: {name}: missing")
        for index in sorted(
            range(len(names)), key=lambda i: self.members[self.top + names[i]].offset
        ):
            yield index, self.read(names[index])

    def stamp(self, name: str) -> str:
        member = self.members[self.top + name]
        return f"{member.size} {member.mtime} {self.whole}"

    def close(self) -> None:
        self.file.close()


def open_archive(path: Path, marker: str) -> Archive:
    """The archive or folder at ``path``, its top folder being the one that holds ``marker``.

    ``marker`` is a file, or a folder if it ends with ``/``. A file whose name ends with ``.tgz``,
    ``.tar.gz`` or ``.tar`` is a tar archive, any other a zip archive.

    Raises ``FileNotFoundError`` if nothing is there, ``LayoutError`` if ``marker`` is not in it,
    and another ``ValueError`` if it is no such archive.
    """
    if path.is_dir():
        return Folder(path, marker)
    if path.name.lower().endswith((".tgz", ".tar.gz", ".tar")):
        return TarArchive(path, marker)
    return ZipArchive(path, marker)


def mix_evenly(files: Sequence[Sequence[str]]) -> tuple[list[str], np.ndarray]:
    """All classes' files, evenly mixed, and the labels: each file's class, int64, (N,).

    ``files`` has the names of each class. Any first hundred of the result are a fair sample.
    """
    order = sorted(
        ((i + 0.5) / len(names), label, name)
        for label, names in enumerate(files)
        for i, name in enumerate(names)
    )
    labels = np.array([label for _, label, _ in order], dtype=np.int64)
    return [name for _, _, name in order], labels
