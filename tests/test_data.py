"""The image sets that ship, and the downloads, against a server on this machine."""

import gzip
import hashlib

import numpy as np
import pytest

import cnnlib.data
from cnnlib.data import (
    ImageSet,
    download_file,
    load_digits,
    load_fashion,
    load_mnist,
    mnist,
    read_idx,
)
from cnnlib.data.checksum import check_sha256, hash_file, read_checked
from cnnlib.data.mnist import MnistFile
from tests.archives import serving

# --- The digits that ship -----------------------------------------------------------------------


def test_digits_have_the_documented_split():
    train, test = load_digits("train"), load_digits("test")
    assert train.images.shape == (8000, 28, 28)
    assert test.images.shape == (2000, 28, 28)
    assert np.bincount(train.labels).tolist() == [801, 927, 791, 832, 780, 663, 814, 870, 744, 778]
    assert np.bincount(test.labels).tolist() == [200] * 10
    for split in (train, test):
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int64
        assert split.images.min() == 0 and split.images.max() == 255
        assert split.categories == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
        assert "MNIST" in split.credit and "MIT" in split.credit


def test_no_digit_is_in_both_splits():
    train, test = (
        {image.tobytes() for image in load_digits(split).images} for split in ("train", "test")
    )
    assert len(train) == 8000 and len(test) == 2000
    assert not train & test


def test_digits_are_evenly_mixed():
    assert load_digits("test").labels[:20].tolist() == list(range(10)) * 2
    counts = np.bincount(load_digits("train").labels[:400], minlength=10)
    assert counts.sum() == 400 and counts.min() >= 33 and counts.max() <= 47


def test_digits_are_upright_and_right_way_round():
    """A 7 has its bar above, a 6 its bowl below, and a 2 starts on the right."""
    digits = load_digits("train")
    seven = digits.images[digits.labels == 7].mean(axis=0)
    assert seven[6:12].sum() > 1.2 * seven[16:22].sum()
    six = digits.images[digits.labels == 6].mean(axis=0)
    assert six[16:22].sum() > 1.2 * six[6:12].sum()
    two = digits.images[digits.labels == 2].mean(axis=0)
    assert two[8:12, 14:].sum() > two[8:12, :14].sum()


def test_digits_file_is_small():
    assert cnnlib.data.DIGITS_FILE.stat().st_size < 2_000_000


# --- The clothes that ship ----------------------------------------------------------------------


def test_fashion_has_the_documented_split():
    train, test = load_fashion("train"), load_fashion("test")
    assert train.images.shape == (8000, 28, 28) and test.images.shape == (2000, 28, 28)
    for split in (train, test):
        assert split.labels.tolist() == list(range(10)) * (len(split) // 10)
        assert split.images.min() == 0 and split.images.max() == 255
        assert len(split.categories) == 10 and "Zalando" in split.credit
    images = {image.tobytes() for split in (train, test) for image in split.images}
    assert len(images) == 10_000
    assert cnnlib.data.FASHION_FILE.stat().st_size < 5_000_000


def test_fashion_is_upright_and_labelled_as_it_looks():
    """Trousers have a gap between the legs below, and an ankle boot's shaft is on the right."""
    fashion = load_fashion("train")
    trousers = fashion.images[fashion.labels == fashion.categories.index("trousers")].mean(axis=0)
    assert trousers[22, 14] < 0.5 * trousers[22, 10] and trousers[2, 14] > 50
    boot = fashion.images[fashion.labels == fashion.categories.index("ankle boot")].mean(axis=0)
    assert boot[4:9, 14:].sum() > 3 * boot[4:9, :14].sum() and boot[20:24, :14].sum() > 5000


# --- Files that ship ----------------------------------------------------------------------------

SHIPPED = [("DIGITS", load_digits), ("FASHION", load_fashion)]


@pytest.mark.parametrize("split", ["Train", "validation", "", None])
@pytest.mark.parametrize("load", [load_digits, load_fashion])
def test_shipped_sets_refuse_another_split(load, split):
    with pytest.raises(ValueError, match=f"split={split!r}: expected 'train' or 'test'"):
        load(split)


@pytest.mark.parametrize("name, load", SHIPPED)
def test_a_changed_file_is_an_error_that_names_both_hashes(name, load, tmp_path, monkeypatch):
    content = bytearray(getattr(cnnlib.data, f"{name}_FILE").read_bytes())
    content[1000] ^= 1
    changed = tmp_path / "changed.npz"
    changed.write_bytes(content)
    monkeypatch.setattr(cnnlib.data, f"{name}_FILE", changed)
    with pytest.raises(ValueError) as error:
        load("train")
    assert str(changed) in str(error.value)
    assert getattr(cnnlib.data, f"{name}_SHA256") in str(error.value)
    assert hashlib.sha256(content).hexdigest() in str(error.value)


@pytest.mark.parametrize("name, load", SHIPPED)
def test_a_missing_file_is_an_error_that_names_it(name, load, tmp_path, monkeypatch):
    monkeypatch.setattr(cnnlib.data, f"{name}_FILE", tmp_path / "missing.npz")
    with pytest.raises(FileNotFoundError, match="missing.npz"):
        load("train")


# --- ImageSet -----------------------------------------------------------------------------------


def image_set(images, labels) -> ImageSet:
    return ImageSet(images, labels, categories=("a", "b"), credit="us")


def test_image_set_takes_grey_and_colour():
    labels = np.array([0, 1, 0])
    assert len(image_set(np.zeros((3, 4, 5), np.uint8), labels)) == 3
    assert len(image_set(np.zeros((3, 4, 5, 3), np.uint8), labels)) == 3


def test_image_set_first_keeps_images_and_labels_together():
    images = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    first = image_set(images, np.array([1, 0, 1])).first(2)
    assert first.images.tolist() == images[:2].tolist()
    assert first.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (np.zeros((3, 4, 5)), np.zeros(3, np.int64), "images: .*found float64"),
        (np.zeros((4, 5), np.uint8), np.zeros(4, np.int64), r"images: .*found uint8.*\(4, 5\)"),
        (np.zeros((3, 4, 5), np.uint8), np.zeros(2, np.int64), r"labels: .*\(3,\), .*\(2,\)"),
        (np.zeros((3, 4, 5), np.uint8), np.zeros(3, np.int32), "labels: .*int32"),
        (np.zeros((3, 4, 5), np.uint8), np.array([0, 1, 2]), "labels: expected 0 to 1, found 0 to"),
        (np.zeros((3, 4, 5), np.uint8), np.array([0, -1, 1]), "labels: .*found -1 to 1"),
    ],
)
def test_image_set_refuses_what_does_not_fit(images, labels, message):
    with pytest.raises(ValueError, match=message):
        image_set(images, labels)


# --- IDX files ----------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    """An IDX file by hand: magic number, big-endian sizes, bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


ARRAY = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_read_idx_gives_the_array_back(tmp_path, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(idx(ARRAY)))
    array = read_idx(path)
    assert array.shape == (3, 4, 5)
    assert array.dtype == np.uint8
    assert np.array_equal(array, ARRAY)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "found nothing"),
        (b"\x89PNG and more", "magic number 00 00 08 .* found 89 50 4e 47"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "found 00 00 0d 01"),
        (idx(ARRAY)[:10], "cut short in the sizes of its 3 axes"),
        (idx(ARRAY)[:-1], r"expected 60 bytes for sizes \(3, 4, 5\), found 59"),
        (idx(ARRAY) + b"x", "expected 60 bytes .*, found 61"),
        (gzip.compress(idx(ARRAY), mtime=0)[:-9], "damaged or cut gzip"),
        (gzip.compress(idx(ARRAY), mtime=0)[:12] + b"zzzz", "damaged or cut gzip"),
    ],
)
def test_read_idx_says_what_is_wrong_and_where(tmp_path, content, message):
    path = tmp_path / "file-idx3"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"file-idx3: .*{message}"):
        read_idx(path)


# --- Downloads ----------------------------------------------------------------------------------


@pytest.fixture
def server():
    with serving() as server:
        yield server


CONTENT = np.random.default_rng(1).bytes(200_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetch(server, path, **options):
    server.files["big"] = CONTENT
    download_file([server.url("big")], path, SHA256, pause=0, **options)


def test_download_writes_the_file_and_nothing_else(server, tmp_path):
    fetch(server, tmp_path / "new" / "big")
    assert (tmp_path / "new" / "big").read_bytes() == CONTENT
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["big"]
    assert server.log == [("/big", None)]


def test_download_shows_its_progress(server, tmp_path, capsys):
    fetch(server, tmp_path / "big")
    shown = capsys.readouterr().err
    assert "big" in shown and "100%" in shown and "200k/200k" in shown


def test_a_cut_transfer_goes_on_where_it_stopped(server, tmp_path):
    server.script = ["cut", "cut"]
    fetch(server, tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert server.log == [("/big", None), ("/big", "bytes=100000-"), ("/big", "bytes=150000-")]


def test_a_transfer_that_stays_cut_leaves_no_file_but_its_part(server, tmp_path):
    server.script = ["cut"] * 2
    with pytest.raises(ConnectionError, match=r"/big: .* 2 attempts: cut off after 150000 of"):
        fetch(server, tmp_path / "big", attempts=2)
    assert [p.name for p in tmp_path.iterdir()] == ["big.part"]
    fetch(server, tmp_path / "big")
    assert server.log[-1] == ("/big", "bytes=150000-")
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["big"]


def test_a_server_without_ranges_sends_it_all_again(server, tmp_path):
    server.script = ["cut", "no ranges"]
    fetch(server, tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert server.log == [("/big", None), ("/big", "bytes=100000-")]


def test_a_whole_part_needs_no_second_transfer(server, tmp_path):
    (tmp_path / "big.part").write_bytes(CONTENT)
    fetch(server, tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert server.log == [("/big", "bytes=200001-")]


def test_a_strange_part_is_thrown_away(server, tmp_path):
    (tmp_path / "big.part").write_bytes(b"strange" * 100)
    fetch(server, tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert server.log == [("/big", "bytes=700-"), ("/big", None)]


def test_a_wrong_hash_is_tried_again(server, tmp_path):
    server.script = ["wrong"]
    fetch(server, tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == CONTENT


def test_a_hash_that_stays_wrong_is_an_error_that_names_both(server, tmp_path):
    server.script = ["wrong"] * 3
    wrong = hashlib.sha256(b"?" * len(CONTENT)).hexdigest()
    with pytest.raises(
        ValueError,
        match=rf"/big: cut or changed \(\d+ bytes\): expected SHA-256 {SHA256}, found {wrong}",
    ):
        fetch(server, tmp_path / "big")
    assert list(tmp_path.iterdir()) == []


def test_the_beginning_of_a_hash_will_do(server, tmp_path):
    server.files["big"] = CONTENT
    download_file([server.url("big")], tmp_path / "big", SHA256[:8], pause=0)
    assert (tmp_path / "big").read_bytes() == CONTENT
    other = SHA256[:7] + ("0" if SHA256[7] != "0" else "1")
    with pytest.raises(ValueError, match=f"expected SHA-256 {other}\\.\\.\\., found {SHA256}"):
        download_file([server.url("big")], tmp_path / "again", other, pause=0)


@pytest.mark.parametrize("sha256", ["", SHA256[:7], SHA256 + "0", SHA256.upper(), "resnet50"])
def test_what_is_no_hash_is_refused_before_anything_is_fetched(server, tmp_path, sha256):
    with pytest.raises(ValueError, match=f"sha256='{sha256}': expected 8 to 64 hex digits"):
        download_file([server.url("big")], tmp_path / "new" / "big", sha256)
    assert server.log == [] and list(tmp_path.iterdir()) == []


def test_the_next_address_is_tried_when_one_fails(server, tmp_path):
    server.files["big"] = CONTENT
    urls = [server.url("not-here"), server.url("big")]
    download_file(urls, tmp_path / "big", SHA256, pause=0)
    assert [path for path, _ in server.log] == ["/not-here", "/big"]


def test_nobody_listening_is_an_error_that_names_the_address(tmp_path):
    with pytest.raises(ConnectionError, match="http://127.0.0.1:9/big: not fetched in 2 attempts"):
        download_file(["http://127.0.0.1:9/big"], tmp_path / "big", SHA256, 2, pause=0)


# --- The full MNIST -----------------------------------------------------------------------------


@pytest.fixture
def small_mnist(server, monkeypatch):
    """A server with an MNIST of 7 training and 4 test digits, and the hashes to match."""
    rng = np.random.default_rng(2)
    files = {}
    for split, name, count in (("train", "train", 7), ("test", "t10k", 4)):
        pair = []
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (count, 28, 28))),
            ("labels-idx1", rng.integers(0, 10, count)),
        ):
            packed = gzip.compress(idx(array), mtime=0)
            server.files[f"{name}-{kind}-ubyte.gz"] = packed
            pair.append(
                MnistFile(
                    f"{name}-{kind}-ubyte",
                    hashlib.sha256(packed).hexdigest(),
                    hashlib.sha256(idx(array)).hexdigest(),
                )
            )
        files[split] = tuple(pair)
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mnist, "MIRRORS", (server.url(""),))
    monkeypatch.setattr("cnnlib.data.download.time.sleep", lambda seconds: None)
    return server


def test_mnist_downloads_once(small_mnist, tmp_path):
    first = load_mnist(tmp_path, "train", download=True)
    assert first.images.shape == (7, 28, 28) and first.labels.shape == (7,)
    assert [path for path, _ in small_mnist.log] == [
        "/train-images-idx3-ubyte.gz",
        "/train-labels-idx1-ubyte.gz",
    ]
    again = load_mnist(tmp_path, "train", download=True)
    assert len(small_mnist.log) == 2
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)


def test_mnist_reads_unpacked_files_too(small_mnist, tmp_path):
    load_mnist(tmp_path, "test", download=True)
    expected = load_mnist(tmp_path, "test")
    for packed in list(tmp_path.glob("*.gz")):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    unpacked = load_mnist(str(tmp_path), "test")
    assert np.array_equal(unpacked.images, expected.images)
    assert unpacked.images.shape == (4, 28, 28)


def test_mnist_without_its_files_says_how_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte.gz; .*download=True"):
        load_mnist(tmp_path, "train")


def test_mnist_refuses_another_split(tmp_path):
    with pytest.raises(ValueError, match="split='t10k': expected 'train' or 'test'"):
        load_mnist(tmp_path, "t10k")


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_refuses_a_changed_file_and_fetches_it_anew(small_mnist, tmp_path, packed):
    original = load_mnist(tmp_path, "test", download=True)
    name = "t10k-images-idx3-ubyte"
    content = bytearray(gzip.decompress((tmp_path / f"{name}.gz").read_bytes()))
    content[100] ^= 1
    if packed:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    else:
        (tmp_path / name).write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(ValueError, match=f"{name}.*unpacked.*cut or changed .*found {found}"):
        load_mnist(tmp_path, "test")
    mended = load_mnist(tmp_path, "test", download=True)
    assert np.array_equal(mended.images, original.images)


def test_mnist_mends_a_cut_download(small_mnist, tmp_path):
    small_mnist.script = ["cut"]
    assert len(load_mnist(tmp_path, "train", download=True)) == 7
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]


def test_the_real_mnist_is_pinned_by_its_published_hashes():
    files = [file for pair in mnist.FILES.values() for file in pair]
    assert [file.name for file in files] == [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ]
    assert all(len(h) == 64 for file in files for h in (file.gz_sha256, file.sha256))
    assert len({h for file in files for h in (file.gz_sha256, file.sha256)}) == 8


def test_a_file_is_checked_by_all_or_by_the_first_digits_of_its_hash(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert hash_file(path) == hash_file(CONTENT) == SHA256
    assert read_checked(path, SHA256) == CONTENT
    check_sha256(path, SHA256[:8])
    wrong = SHA256[:-1] + ("1" if SHA256[-1] == "0" else "0")
    for what, source, named in ((path, None, str(path)), (CONTENT, "the net", "the net")):
        with pytest.raises(ValueError) as error:
            check_sha256(what, wrong, source)
        words = f"{named}: cut or changed ({len(CONTENT)} bytes): expected SHA-256 {wrong}"
        assert str(error.value) == f"{words}, found {SHA256}"
    with pytest.raises(ValueError, match=r"SHA-256 00000000\.\.\., found"):
        read_checked(path, "0" * 8)
    with pytest.raises(FileNotFoundError):
        read_checked(tmp_path / "none", SHA256)


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    path = tmp_path / "big"
    path.write_bytes(CONTENT)
    download_file(["http://nowhere.invalid/big"], path, SHA256)
    assert path.read_bytes() == CONTENT
    path.write_bytes(CONTENT[:-1])
    server.files["big"] = CONTENT
    download_file([server.url("big")], path, SHA256)
    assert path.read_bytes() == CONTENT
