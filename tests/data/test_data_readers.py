"""Readers of array datasets, against small files in the published formats."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.io import savemat

from iterand_engine.data.readers.array_pickle import load_arrays
from iterand_engine.data.readers.cifar import cifar10, cifar100
from iterand_engine.data.readers.digits import digits, upscaled
from iterand_engine.data.readers.mnist import fashion_mnist, mnist, read_idx
from iterand_engine.data.readers.svhn import svhn
from iterand_engine.errors import UserError
from iterand_engine.machine.resources import resource


def pixels(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


# MNIST


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes()))


def write_mnist(folder: Path) -> dict[str, NDArray[np.uint8]]:
    arrays = {}
    for part, count in (("train", 12), ("t10k", 5)):
        arrays[f"{part}-images-idx3-ubyte.gz"] = pixels(count, 28, 28)
        arrays[f"{part}-labels-idx1-ubyte.gz"] = np.arange(count, dtype=np.uint8) % 10
    for name, array in arrays.items():
        write_idx(folder / name, array)
    return arrays


def test_that_mnist_files_are_read(tmp_path: Path) -> None:
    arrays = write_mnist(tmp_path)
    for content in (mnist(tmp_path), fashion_mnist(tmp_path)):
        assert np.array_equal(content.train.images, arrays["train-images-idx3-ubyte.gz"])
        assert np.array_equal(content.test.labels, arrays["t10k-labels-idx1-ubyte.gz"])
        assert content.train.labels.dtype == np.int64
        assert len(content.class_names) == 10
    assert fashion_mnist(tmp_path).class_names[9] == "Ankle boot"


def test_that_a_missing_mnist_file_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte\.gz.*no such file"):
        mnist(tmp_path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"plain", "not a complete gzip file"),
        (gzip.compress(b"\0\0\x08\x01" + b"\0\0\0\5" + b"123")[:-6], "not a complete gzip file"),
        (gzip.compress(b""), "not an IDX file"),
        (gzip.compress(b"\0\0\x0d\x01\0\0\0\1" + b"1234"), "not an IDX file of unsigned bytes"),
        (gzip.compress(b"\0\0\x08\x01" + b"\0\0\0\5" + b"123"), "but 3 follow"),
    ],
    ids=("plain", "cut short", "empty", "other numbers", "short"),  # not the bytes, which hold the time
)
def test_that_a_damaged_idx_file_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(data)
    with pytest.raises(UserError, match=reason):
        read_idx(path)


# CIFAR


def python2_pickle(value: object) -> bytes:
    """What the CIFAR authors' Python 2 wrote: byte strings, and arrays through numpy.core."""
    return pickle.PROTO + b"\2" + opcodes(value) + pickle.STOP


def opcodes(value: object) -> bytes:
    """The instructions that build one value."""
    match value:
        case None:
            return pickle.NONE
        case bool():
            return pickle.NEWTRUE if value else pickle.NEWFALSE
        case int():
            return pickle.BININT + value.to_bytes(4, "little", signed=True)
        case str() | bytes():
            data = value.encode("latin1") if isinstance(value, str) else value
            return pickle.BINSTRING + len(data).to_bytes(4, "little") + data
        case tuple():
            return pickle.MARK + b"".join(opcodes(item) for item in value) + pickle.TUPLE
        case list():
            items = b"".join(opcodes(item) for item in value)
            return pickle.EMPTY_LIST + pickle.MARK + items + pickle.APPENDS
        case dict():
            items = b"".join(opcodes(item) for pair in value.items() for item in pair)
            return pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS
        case np.ndarray():
            return array_opcodes(value)
    raise TypeError(type(value))


def called(module_and_name: bytes, arguments: bytes, state: bytes) -> bytes:
    return pickle.GLOBAL + module_and_name + arguments + pickle.REDUCE + state + pickle.BUILD


def array_opcodes(array: NDArray[Any]) -> bytes:
    kind = array.dtype.str[1:]
    dtype = called(b"numpy\ndtype\n", opcodes((kind, 0, 1)), opcodes((3, "|", None, None, None, -1, -1, 0)))
    arguments = pickle.GLOBAL + b"numpy\nndarray\n" + opcodes((0,)) + opcodes("b") + pickle.TUPLE3
    shape = opcodes(1) + opcodes(array.shape)
    state = pickle.MARK + shape + dtype + opcodes(False) + opcodes(array.tobytes()) + pickle.TUPLE
    return called(b"numpy.core.multiarray\n_reconstruct\n", arguments, state)


def cifar10_files() -> dict[str, bytes]:
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    files = {
        name: python2_pickle(
            {
                "batch_label": name,
                "labels": [(place + 3) % 10 for place in range(4)],
                "data": pixels(4, 3072),
                "filenames": [f"{place}.png" for place in range(4)],
            }
        )
        for name in names
    }
    meta = {
        "num_cases_per_batch": 4,
        "label_names": [f"class {number}" for number in range(10)],
        "num_vis": 3072,
    }
    return files | {"batches.meta": python2_pickle(meta)}


def cifar100_files() -> dict[str, bytes]:
    labels = {"fine_labels": [7, 99, 0], "coarse_labels": [1, 2, 3], "data": pixels(3, 3072)}
    meta = {"fine_label_names": [f"fine {number}" for number in range(100)], "coarse_label_names": ["coarse"]}
    return {"train": python2_pickle(labels), "test": python2_pickle(labels), "meta": python2_pickle(meta)}


def write_tar(path: Path, folder: str, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_that_cifar10_is_read_from_its_archive_and_from_its_folder(tmp_path: Path) -> None:
    files = cifar10_files()
    archive = write_tar(tmp_path / "cifar-10-python.tar.gz", "cifar-10-batches-py", files)
    folder = write_folder(tmp_path / "cifar-10-batches-py", files)
    for path in (archive, folder):
        content = cifar10(path)
        assert content.train.images.shape == (20, 32, 32, 3)
        assert content.train.labels.tolist() == [3, 4, 5, 6] * 5
        assert content.test.images.shape == (4, 32, 32, 3)
        assert content.class_names[3] == "class 3"
        # rows are red, green, blue planes, each row by row
        assert content.train.images[1, 2, 3, 1] == pixels(4, 3072)[1, 1024 + 2 * 32 + 3]


def test_that_cifar100_has_its_fine_labels(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "cifar-100-python.tar.gz", "cifar-100-python", cifar100_files())
    content = cifar100(archive)
    assert content.test.labels.tolist() == [7, 99, 0]
    assert len(content.class_names) == 100


def test_that_pickles_of_python_3_are_read_too() -> None:
    array = pixels(2, 5)
    for protocol in (2, 3):
        content = load_arrays(pickle.dumps({b"data": array, "labels": [1, 2]}, protocol=protocol))
        assert np.array_equal(content["data"], array)
        assert content["labels"] == [1, 2]


@given(
    shape=st.lists(st.integers(1, 4), max_size=3),
    code=st.sampled_from(["u1", "<i4", ">i4", "<f8", ">f4", "|b1"]),
    fortran=st.booleans(),
)
def test_that_arrays_of_numbers_come_back_equal(shape: list[int], code: str, fortran: bool) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(code)
    array = np.asfortranarray(array) if fortran else array
    back = load_arrays(pickle.dumps({"array": array}, protocol=2))["array"]
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


class CallsSystem:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (self.command,)


def global_pickle(name: str, rest: bytes) -> bytes:
    module, attribute = name.split(":")
    return pickle.PROTO + b"\2" + pickle.GLOBAL + f"{module}\n{attribute}\n".encode() + rest + pickle.STOP


HOSTILE = {
    "eval": global_pickle("builtins:eval", opcodes("1") + pickle.TUPLE1 + pickle.REDUCE),
    "numpy function": global_pickle("numpy:load", b""),
    "numpy internals": global_pickle("numpy.core.multiarray:scalar", b""),
    "dotted name": global_pickle("numpy:ndarray.tofile", b""),
    "persistent id": pickle.PROTO + b"\2" + pickle.PERSID + b"x\n" + pickle.STOP,
    "extension code": pickle.PROTO + b"\2" + pickle.EXT1 + b"\1" + pickle.STOP,
    "class attribute": global_pickle(
        "_codecs:encode",
        opcodes((None, {"encode": None})) + pickle.BUILD,
    ),
    "objects in an array": pickle.dumps({"data": np.array([{}], dtype=object)}, protocol=2),
    "structured array": pickle.dumps({"data": np.zeros(1, dtype="i4,f4")}, protocol=2),
    "list": pickle.dumps([1, 2], protocol=2),
    "cut short": pickle.dumps({"data": [1, 2]}, protocol=2)[:-3],
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_that_a_pickle_of_anything_but_arrays_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_arrays(data)


def test_that_a_hostile_cifar_file_runs_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "written"
    files = cifar10_files()
    files["test_batch"] = pickle.dumps({"data": CallsSystem(f"echo x > {victim}")}, protocol=2)
    archive = write_tar(tmp_path / "cifar-10-python.tar.gz", "cifar-10-batches-py", files)
    with pytest.raises(UserError, match=r"test_batch of .*it wants to call (posix|nt)\.system"):
        cifar10(archive)
    assert not victim.exists()


def test_that_incomplete_cifar_files_are_refused(tmp_path: Path) -> None:
    files = cifar10_files()
    with pytest.raises(UserError, match="no such file"):
        cifar10(tmp_path / "absent.tar.gz")
    del files["data_batch_3"]
    with pytest.raises(UserError, match=r"lacks cifar-10-batches-py/data_batch_3"):
        cifar10(write_tar(tmp_path / "a.tar.gz", "cifar-10-batches-py", files))
    with pytest.raises(UserError, match=r"data_batch_3.*it needs data_batch_1"):
        cifar10(write_folder(tmp_path / "folder", files))
    whole = write_tar(tmp_path / "b.tar.gz", "cifar-10-batches-py", cifar10_files()).read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"not a complete tar\.gz"):
        cifar10(tmp_path / "b.tar.gz")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": [1, 2]}, "no 'data' of uint8 rows"),
        ({"data": np.zeros((4, 7), np.uint8)}, "no 'data' of uint8 rows"),
        ({"labels": "text"}, "no list 'labels'"),
        ({"labels": [1, 2, 3]}, r"train_labels has shape \(19,\) but train_images has 20"),
        ({"labels": [1, 2, 3, 10]}, "whole numbers from 0 to 9"),
    ],
)
def test_that_wrong_cifar_batches_are_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    files = cifar10_files()
    batch = {"labels": [0, 1, 2, 3], "data": pixels(4, 3072)} | change
    files["data_batch_2"] = python2_pickle(batch)
    with pytest.raises(UserError, match=reason):
        cifar10(write_folder(tmp_path / "folder", files))


# SVHN


def write_svhn(folder: Path) -> NDArray[np.uint8]:
    images = pixels(32, 32, 3, 6)
    for part in ("train", "test"):
        labels = np.array([[10], [1], [2], [9], [10], [5]], dtype=np.uint8)
        savemat(folder / f"{part}_32x32.mat", {"X": images, "y": labels}, do_compression=True)
    return images


def test_that_svhn_files_are_read_with_ten_as_zero(tmp_path: Path) -> None:
    images = write_svhn(tmp_path)
    content = svhn(tmp_path)
    assert content.train.labels.tolist() == [0, 1, 2, 9, 0, 5]
    assert np.array_equal(content.test.images[4], images[:, :, :, 4])


def test_that_wrong_svhn_files_are_refused(tmp_path: Path) -> None:
    write_svhn(tmp_path)
    (tmp_path / "test_32x32.mat").write_bytes(b"no matlab file")
    with pytest.raises(UserError, match="not a MATLAB 5 file"):
        svhn(tmp_path)
    savemat(tmp_path / "test_32x32.mat", {"X": pixels(32, 32)})
    with pytest.raises(UserError, match="it needs X of shape"):
        svhn(tmp_path)
    (tmp_path / "test_32x32.mat").unlink()
    with pytest.raises(UserError, match=r"test_32x32\.mat.*no such file"):
        svhn(tmp_path)


# The bundled digits


def test_that_the_bundled_digits_are_complete_and_stratified() -> None:
    content = digits(resource("datasets", "digits.npz"))
    assert content.train.images.shape == (1437, 32, 32)
    assert content.test.images.shape == (360, 32, 32)
    in_train, in_test = (np.bincount(part.labels, minlength=10) for part in (content.train, content.test))
    assert np.abs(in_test - (in_train + in_test) * 360 / 1797).max() < 1
    assert content.train.images.max() == 255


def test_that_upscaling_keeps_means_and_interpolates_between_pixel_centres() -> None:
    step = np.zeros((1, 8, 8), np.uint8)
    step[:, :, 4:] = 160
    row = upscaled(step, 32)[0, 0]
    assert row[:14].max() == 0
    assert row[14:18].tolist() == [20, 60, 100, 140]
    assert row[18:].min() == 160
