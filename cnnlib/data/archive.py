"""Read the files of a data set from a zip archive or from the folder it was unpacked to."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType


class Archive:
    """The files below one top folder of a zip archive or of a folder.

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

    def close(self) -> None:
        """Close what is open."""

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
        tops = [folder for folder in [path, *inside] if (folder / marker).is_file()]
        if not tops:
            raise ValueError(f"{path}: holds no {marker}, nor does a folder right inside it")
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


class ZipArchive(Archive):
    """A zip archive; its top folder is the one that holds ``marker``, the outermost if several."""

    def __init__(self, path: Path, marker: str) -> None:
        self.path = path
        try:
            self.file = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path}: cut short or no zip archive: {error}") from error
        names = [name for name in self.file.namelist() if not name.endswith("/")]
        tops = [name.removesuffix(marker) for name in names if f"/{name}".endswith(f"/{marker}")]
        if not tops:
            self.close()
            raise ValueError(f"{path}: holds no {marker}")
        self.top = min(tops, key=lambda top: (top.count("/"), top))
        self.folders: dict[str, set[str]] = {}
        for name in names:
            folder, _, last = name.rpartition("/")
            self.folders.setdefault(folder, set()).add(last)
        status = os.stat(path)
        self.whole = f"{status.st_size} {status.st_mtime_ns}"

    def names(self, folder: str) -> list[str]:
        inside = self.folders.get(self.top + folder, set())
        return sorted(name for name in inside if name[0] != ".")

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


def open_archive(path: Path, marker: str) -> Archive:
    """The zip archive or folder at ``path``, its top folder being the one that holds ``marker``.

    Raises ``FileNotFoundError`` if nothing is there, ``ValueError`` if it is no zip archive, or
    ``marker`` is not in it.
    """
    if path.is_dir():
        return Folder(path, marker)
    return ZipArchive(path, marker)
