"""The catalogs: every model, dataset, method and redraw rule by name.

One line here makes a new entry known to the command line, the configuration and the window. Targets are
`module:attribute` strings, so that reading the catalog imports nothing heavy; `load` imports.
`use_extensions` adds the entries of the user's extensions (see iterand_engine/extensions/); only processes
that may run extensions can load those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from iterand_engine.config.dataset_files import DataForm, Download, Layout
from iterand_engine.config.extension_code import WORDS, CodeKind, Origin, target_of
from iterand_engine.config.options import Argument
from iterand_engine.errors import OptionError, UserError, suggestion

E = TypeVar("E", bound="Entry")


@dataclass(frozen=True)
class Entry:
    """One choice: its name in files, its label on screens and where its code is.

    `arguments` are the options that it has besides those of its section; `origin` says where an extension
    declares it, and is None for what is built in, which `target` names.
    """

    name: str
    label: str
    target: str
    arguments: tuple[Argument, ...] = field(default=(), kw_only=True)
    origin: Origin | None = field(default=None, kw_only=True)

    def load(self) -> Any:
        """Import and return the function or class behind it; that of an extension must be `permitted`."""
        return load_target(self.target) if self.origin is None else target_of(self.origin, self.name)

    def arguments_in(self, options: object) -> dict[str, Any]:
        """The values that a section of a configuration has for `arguments`, by name."""
        return {argument.name: getattr(options, argument.name) for argument in self.arguments}


@dataclass(frozen=True)
class DatasetEntry(Entry):
    """A dataset, with the facts that are known before any file is read (None: only the files show them).

    `files` says where it is looked for, by default in a folder of its own name; `bundled` is its file in
    resources/datasets. `downloads` are files, or the name of torchvision's class that has their addresses and
    checksums. `peek`, a target, reads what its file holds without its images. One that `needs_path` is at
    data.path and nowhere else.
    """

    kind: str  # "arrays": held in memory; "folder": image files; "": of an extension, either
    classes: int | None = None
    size_px: int | None = None
    channels: int | None = None
    train_count: int | None = None
    test_count: int | None = None
    fingerprint: str | None = None
    download_bytes: int | None = None
    _: KW_ONLY
    files: Layout | None = None
    downloads: str | tuple[Download, ...] = ()
    bundled: str = ""
    peek: str = ""
    needs_path: bool = False

    @property
    def layout(self) -> Layout:
        """Where the dataset is searched below a data root."""
        return self.files or Layout((self.name,), (DataForm(""),))


@dataclass(frozen=True)
class MethodEntry(Entry):
    """A training method.

    `options` names the options class that its `arguments` are added to: its own, or one that methods share
    (`MethodOptions`, `ScoreOptions`). The method gets its arguments by name.
    `has_masks` says whether its runs have masks, and so a sparsity; None where only a run can show it.
    """

    options: str
    has_masks: bool | None


@dataclass(frozen=True)
class ExtensionEntries:
    """All that extensions add to the catalogs.

    `missing` has, for names that cannot be used now, the reason as a sentence; `unknown` are the files that
    are not enabled and whose declarations are not known.
    """

    entries: tuple[Entry, ...] = ()
    missing: Mapping[tuple[CodeKind, str], str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def load_target(target: str) -> Any:
    """Import the object that a `module:attribute` string names."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def find(what: str, entries: Mapping[str, E], name: str, option: str = "") -> E:
    """Look a name up in a catalog.

    Args:
        what: kind of the entries, in words.
        entries: the catalog.
        name: the name to look up.
        option: dotted path of the option that has this value; empty where none has it.
    Raises:
        UserError: no entry has this name; the sentence lists the known ones. With `option`, an OptionError.
    """
    if name in entries:
        return entries[name]
    sentence = _why_there_is_none(what, entries, name)
    if option:
        raise OptionError(sentence, option=option, value=name, allowed=" | ".join(entries))
    raise UserError(sentence)


def _why_there_is_none(what: str, entries: Mapping[str, Entry], name: str) -> str:
    for (kind, missing), reason in _Extensions.now.missing.items():
        if (WORDS[kind], missing) == (what, name):
            return f"There is no {what} {name!r} now: {reason}"
    known = ", ".join(entries)
    files = ", ".join(_Extensions.now.unknown)
    hint = f" An extension that is not enabled may declare it: {files}." if files else ""
    return f"There is no {what} {name!r}{suggestion(name, entries)} (known: {known}).{hint}"


def _by_name(*entries: E) -> dict[str, E]:
    return {entry.name: entry for entry in entries}


_MODELS = "iterand_engine.models"
MODELS = _by_name(
    Entry("conv2", "Conv2", f"{_MODELS}:conv2"),
    Entry("conv4", "Conv4", f"{_MODELS}:conv4"),
    Entry("conv6", "Conv6", f"{_MODELS}:conv6"),
    Entry("conv8", "Conv8", f"{_MODELS}:conv8"),
    Entry("resnet18", "ResNet18", f"{_MODELS}:resnet18"),
    Entry("resnet34", "ResNet34", f"{_MODELS}:resnet34"),
    Entry("resnet50", "ResNet50", f"{_MODELS}:resnet50"),
    Entry("resnet101", "ResNet101", f"{_MODELS}:resnet101"),
    Entry("wide-resnet50-2", "WideResNet50-2", f"{_MODELS}:wide_resnet50_2"),
)

_DATA = "iterand_engine.data.readers"
_IDX = (
    *("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    *("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)
_CIFAR10 = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
_TINY = Download(
    "tiny-imagenet-200.zip",
    ("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
    "90528d7ca1a48142e341f4ef8d21d0de",
)
# Name, label, target, kind; classes, size the network sees, channels, train, test, fingerprint, its download.
# fmt: off
DATASETS = _by_name(
    DatasetEntry("digits", "UCI digits (bundled)", f"{_DATA}.digits:digits", "arrays",
                 10, 32, 1, 1_437, 360, "digits-v1", 0, bundled="digits.npz"),
    DatasetEntry("mnist", "MNIST", f"{_DATA}.mnist:mnist", "arrays",
                 10, 32, 1, 60_000, 10_000, "mnist-v1", 11_594_722, downloads="MNIST",
                 files=Layout(("mnist", "MNIST/raw"), (DataForm("", _IDX),))),
    DatasetEntry("fashion-mnist", "Fashion-MNIST", f"{_DATA}.mnist:fashion_mnist", "arrays",
                 10, 32, 1, 60_000, 10_000, "fashion-mnist-v1", 30_878_645, downloads="FashionMNIST",
                 files=Layout(("fashion-mnist", "FashionMNIST/raw"), (DataForm("", _IDX),))),
    DatasetEntry("cifar10", "CIFAR-10", f"{_DATA}.cifar:cifar10", "arrays",
                 10, 32, 3, 50_000, 10_000, "cifar10-v1", 170_498_071, downloads="CIFAR10",
                 files=Layout(("cifar10", ""),
                              (DataForm("cifar-10-python.tar.gz"),
                                DataForm("cifar-10-batches-py", _CIFAR10)))),
    DatasetEntry("cifar100", "CIFAR-100", f"{_DATA}.cifar:cifar100", "arrays",
                 100, 32, 3, 50_000, 10_000, "cifar100-v1", 169_001_437, downloads="CIFAR100",
                 files=Layout(("cifar100", ""),
                              (DataForm("cifar-100-python.tar.gz"),
                               DataForm("cifar-100-python", ("train", "test", "meta"))))),
    DatasetEntry("svhn", "SVHN", f"{_DATA}.svhn:svhn", "arrays",
                 10, 32, 3, 73_257, 26_032, "svhn-v1", 246_316_178, downloads="SVHN",
                 files=Layout(("svhn", "SVHN", ""), (DataForm("", ("train_32x32.mat", "test_32x32.mat")),))),
    DatasetEntry("tiny-imagenet", "Tiny-ImageNet", f"{_DATA}.tiny_imagenet:tiny_imagenet", "folder",
                 200, 64, 3, 100_000, 10_000, "tiny-imagenet-v1", 248_100_043, downloads=(_TINY,),
                 files=Layout(("tiny-imagenet", ""),
                              (DataForm("tiny-imagenet-200.zip"),
                               DataForm("tiny-imagenet-200", ("train", "val", "wnids.txt"))))),
    DatasetEntry("imagenet", "ImageNet (ILSVRC2012)", f"{_DATA}.imagenet:imagenet", "folder",
                 1000, 224, 3, 1_281_167, 50_000, "imagenet-v1",
                 files=Layout(("imagenet", "ImageNet", "ILSVRC2012", ""),
                              (DataForm("", ("train/n01440764", "val")),), put="train/ and val/")),
    DatasetEntry("image-folder", "Folder of images", f"{_DATA}.image_folder:image_folder", "folder",
                 needs_path=True),
    DatasetEntry("npz", "npz file", f"{_DATA}.npz:npz", "arrays", peek=f"{_DATA}.npz:counted",
                 needs_path=True),
)
# fmt: on

_METHODS = "iterand_engine.pruning.methods"
_OPTIONS = "iterand_engine.config.method_options"
METHODS = _by_name(
    MethodEntry("dense", "Dense", f"{_METHODS}.dense:Dense", f"{_OPTIONS}:DenseOptions", False),
    MethodEntry(
        "edge-popup", "Edge-popup", f"{_METHODS}.edge_popup:EdgePopup", f"{_OPTIONS}:EdgePopupOptions", True
    ),
    MethodEntry("iterand", "IteRand", f"{_METHODS}.iterand:IteRand", f"{_OPTIONS}:IteRandOptions", True),
)

RULES = _by_name(Entry("uniform", "Uniform (the paper's)", "iterand_engine.pruning.redraw_rules:uniform"))


class _Extensions:
    """The entries of extensions that are in the catalogs now, and the built-in ones that they hide."""

    now = ExtensionEntries()
    hidden: list[tuple[dict[str, Any], str, Entry]] = []  # noqa: RUF012 - one for the whole process


_CATALOGS: Mapping[CodeKind, dict[str, Any]] = {
    "model": MODELS,
    "dataset": DATASETS,
    "method": METHODS,
    "rule": RULES,
}


def use_extensions(added: ExtensionEntries) -> ExtensionEntries:
    """Put entries of extensions into the catalogs, in place of those that were there.

    Args:
        added: no two entries of a kind share a name. A built-in entry of the same name is hidden meanwhile: a
            run may use code that had the name before it was built in.
    Returns:
        The entries that were there before, so that the caller can put them back.
    """
    before, _Extensions.now = _Extensions.now, added
    for entry in before.entries:
        del catalog_of(entry)[entry.name]
    for catalog, name, hidden in _Extensions.hidden:
        catalog[name] = hidden
    _Extensions.hidden = []
    for entry in added.entries:
        catalog = catalog_of(entry)
        if entry.name in catalog:
            _Extensions.hidden.append((catalog, entry.name, catalog[entry.name]))
        catalog[entry.name] = entry
    return before


def extension_entries() -> tuple[Entry, ...]:
    """The entries of extensions that are in the catalogs now."""
    return _Extensions.now.entries


def extensions_that_are_off() -> tuple[str, ...]:
    """The names that disabled extensions declare, and the files whose declarations are not known."""
    return (*sorted(name for _, name in _Extensions.now.missing), *_Extensions.now.unknown)


def catalog_of(entry: Entry) -> dict[str, Any]:
    """The catalog that an extension's entry belongs to."""
    assert entry.origin is not None
    return _CATALOGS[entry.origin.kind]


def entries_of(kind: CodeKind) -> Mapping[str, Entry]:
    """The built-in entries of a kind and those of the extensions in use, by name; changes with the latter."""
    return _CATALOGS[kind]
