"""What every image set of photographs owes: damage is named, downloads go on where they broke."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from cnnlib.data import (
    ImageSet,
    download_imagenette,
    download_tiny_imagenet,
    imagenette,
    load_imagenette,
    load_tiny_imagenet,
    tiny_imagenet,
)
from cnnlib.data.__main__ import main
from tests.archives import (
    Files,
    Server,
    changed,
    forms,
    jpeg,
    packed_forms,
    serving,
    without,
    write_tgz,
    write_zip,
)
from tests.test_data_imagenette import SIDE
from tests.test_data_imagenette import make_files as imagenette_files
from tests.test_data_tiny_imagenet import make_files as tiny_files


class Photographs(NamedTuple):
    """An image set of photographs, and a small archive in its layout."""

    name: str  # as a command and load_dataset have it
    module: ModuleType
    load: Callable[..., ImageSet]  # (split, path)
    download: Callable[[], Path]
    write: Callable[..., Path]  # as the public archive is packed
    files: Callable[[], Files]
    count: int  # of training images
    class_folder: str
    image: str


SETS = [
    Photographs(
        "imagenette",
        imagenette,
        lambda split, path=None: load_imagenette(split, path, SIDE),
        download_imagenette,
        write_tgz,
        imagenette_files,
        30,
        "train/n03028079",
        "train/n03028079/n03028079_1.JPEG",
    ),
    Photographs(
        "tiny-imagenet",
        tiny_imagenet,
        load_tiny_imagenet,
        download_tiny_imagenet,
        write_zip,
        tiny_files,
        15,
        "train/n02/images",
        "train/n02/images/n02_3.JPEG",
    ),
]
every_set = pytest.mark.parametrize("photographs", SETS, ids=[one.name for one in SETS])


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch) -> Path:
    """Where decoded images are kept, a folder of each test's own; it is not there yet."""
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "decoded"


# --- What can be wrong with it ------------------------------------------------------------------

SHAPE = (48, 40)
DAMAGED = {
    "no image": (b"hello", ""),
    "empty": (b"", ""),
    "another format": (jpeg((9, 9, 9), SHAPE, "PNG"), ""),
    "cut": (jpeg((9, 9, 9), SHAPE)[:-20], ".*truncated"),
}


@every_set
@forms
@pytest.mark.parametrize("content, how", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_image_is_an_error_that_names_it(
    photographs, write, content, how, tmp_path, kept
):
    source = write(tmp_path / "mine", changed(photographs.image, content)(photographs.files()))
    with pytest.raises(ValueError, match=f"mine.*: {photographs.image}: no image: {how}"):
        photographs.load("train", source)
    assert not kept.exists()


@every_set
@forms
def test_a_class_without_images_is_an_error_that_names_it(photographs, write, tmp_path):
    source = write(tmp_path / "mine", without(photographs.class_folder)(photographs.files()))
    with pytest.raises(ValueError, match=f"mine.*: {photographs.class_folder}: no JPEG image of"):
        photographs.load("train", source)


@every_set
@packed_forms
@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999])
def test_a_cut_archive_is_an_error_that_names_it(photographs, write, share, tmp_path):
    source = write(tmp_path / "mine", photographs.files())
    content = source.read_bytes().rstrip(b"\0")  # the zeros that end a tar archive
    source.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"{source.name}: cut short or no (zip|tar) archive"):
        photographs.load("test", source)


@every_set
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_bytes_that_changed_in_the_tar_archive_are_an_error(photographs, share, tmp_path):
    source = write_tgz(tmp_path / "mine", photographs.files())
    content = bytearray(source.read_bytes())
    for place in range(int(share * len(content)), int(share * len(content)) + 20):
        content[place] ^= 0xFF
    source.write_bytes(content)
    with pytest.raises(ValueError, match="mine.tgz: "):
        photographs.load("test", source)


@every_set
@pytest.mark.parametrize(
    "name, kind", [("a.tgz", "tar"), ("a.tar.gz", "tar"), ("a.zip", "zip"), ("a", "zip")]
)
def test_what_is_no_archive_at_all_is_an_error(photographs, name, kind, tmp_path):
    (tmp_path / name).write_bytes(b"<html>not found</html>" * 50)
    with pytest.raises(ValueError, match=f"{name}: cut short or no {kind} archive"):
        photographs.load("train", tmp_path / name)
    with pytest.raises(FileNotFoundError, match=f"no-{name}"):
        photographs.load("train", tmp_path / f"no-{name}")


# --- Downloading it -----------------------------------------------------------------------------


@pytest.fixture
def server(photographs, monkeypatch, tmp_path) -> Iterator[Server]:
    """Where the set is downloaded from; the archive that is expected is there."""
    module = photographs.module
    content = photographs.write(tmp_path / "served", photographs.files()).read_bytes()
    with serving() as server:
        server.files[module.ARCHIVE] = content
        monkeypatch.setattr(module, "URLS", (server.url(module.ARCHIVE),))
        monkeypatch.setattr(module, "SHA256", hashlib.sha256(content).hexdigest())
        monkeypatch.setattr("cnnlib.data.download.time.sleep", lambda seconds: None)
        yield server


@every_set
def test_the_archive_is_downloaded_once_to_where_it_is_looked_for(
    photographs, server, tmp_path, capsys
):
    path = photographs.download()
    assert path == tmp_path / "data" / photographs.module.ARCHIVE
    assert f"{path.name}: 100%" in capsys.readouterr().err
    assert len(photographs.load("train")) == photographs.count
    assert photographs.download() == path
    assert len(server.log) == 1
    path.write_bytes(path.read_bytes()[:-1])
    photographs.download()
    assert len(server.log) == 2 and len(photographs.load("train")) == photographs.count


@every_set
def test_the_command_goes_on_where_a_transfer_broke_and_says_where_it_is(
    photographs, server, tmp_path, capsys
):
    server.script = ["cut"]
    assert main([photographs.name, "--folder", str(tmp_path / "mine")]) == 0
    path = tmp_path / "mine" / photographs.module.ARCHIVE
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_bytes() == server.files[path.name]
    assert list(path.parent.iterdir()) == [path]
    assert len(server.log) == 2 and server.log[1][1].startswith("bytes=")


@every_set
def test_something_else_than_the_archive_is_refused(photographs, server, tmp_path):
    name = photographs.module.ARCHIVE
    server.files[name] = b"something else"
    with pytest.raises(ValueError, match=f"{name}: cut or changed .*expected SHA-256"):
        photographs.download()
    assert list((tmp_path / "data").iterdir()) == []


def fails(arguments: list[str], capsys) -> str:
    """What the command says when it fails: one line, with exit status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("python -m cnnlib.data: ")
    return err


@every_set
def test_the_command_offline_says_so_in_one_line(
    photographs, server, tmp_path, monkeypatch, capsys
):
    address = f"http://127.0.0.1:9/{photographs.module.ARCHIVE}"
    monkeypatch.setattr(photographs.module, "URLS", (address,))
    assert f"{address}: not fetched in 3 attempts" in fails([photographs.name], capsys)
    assert list((tmp_path / "data").iterdir()) == []


@every_set
def test_the_command_refuses_a_file_in_place_of_a_folder(photographs, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert "file" in fails([photographs.name, "--folder", str(tmp_path / "file")], capsys)


def test_the_command_refuses_a_set_that_it_does_not_know(capsys):
    assert "'imagenet'" in fails(["imagenet"], capsys)


@every_set
def test_the_command_stopped_by_hand_keeps_what_has_come(
    photographs, server, monkeypatch, tmp_path, capsys
):
    name = photographs.module.ARCHIVE
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / f"{name}.part").write_bytes(server.files[name][:100])

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cnnlib.data.download.urlopen", stop)
        assert main([photographs.name]) == 130
    assert "goes on" in capsys.readouterr().err
    assert main([photographs.name]) == 0
    assert server.log == [(f"/{name}", "bytes=100-")]
