"""The configuration of one run: every option declared once, read from YAML, written back to YAML.

The names and defaults here are a contract: a released default never changes, because runs are compared by
the hash of their options. Recipes live in presets. Torch-free, so that the window can use it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from iterand_engine.config.catalog import DATASETS, METHODS, MODELS, Entry, find, load_target
from iterand_engine.config.method_options import IteRandOptions, MethodOptions
from iterand_engine.config.option_errors import option_error, shown, wrong_value
from iterand_engine.config.options import Choices, Options, option, with_arguments
from iterand_engine.errors import OptionError, UserError
from iterand_engine.machine.plain_text import unfit_in
from iterand_engine.machine.user_path import user_path
from iterand_engine.machine.yaml import read_yaml, yaml_text

Auto = Literal["auto"]
_CHOICE_OF = {"data": "dataset", "model": "name"}  # which option of a section decides what others it has


def _known_dataset(name: str) -> str:
    return find("dataset", DATASETS, name, "data.dataset").name


def _known_model(name: str) -> str:
    return find("model", MODELS, name, "model.name").name


def _known_device(name: str) -> str:
    if name in ("auto", "cpu", "cuda") or (name.startswith("GPU-") and len(name) > 4):
        return name
    allowed = "auto | cpu | cuda | GPU-<start of its UUID>, as `iterand doctor` lists them"
    raise wrong_value("compute.device", name, allowed)


def _plain_name(name: str) -> str:
    if (character := unfit_in(name)) is not None:
        raise wrong_value("name", name, f"text on one line, which has no character {character} | null")
    return name


class DataConfig(Options):
    """Which images, how they are split, augmented and normalised."""

    dataset: Annotated[str, AfterValidator(_known_dataset), Choices(DATASETS)] = option(
        "cifar10", help="dataset by name, or npz / image-folder with a path"
    )
    path: str | None = option(None, help="npz file or folder; null looks in the data roots")
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = option(
        0.1, help="share of the training images held out for validation"
    )
    augmentation: Literal["none", "crop", "crop-flip", "paper"] = option(
        "paper", help="random changes to the training images"
    )
    normalization: Literal["imagenet", "dataset"] = option(
        "imagenet", help="mean and deviation that images are normalised with"
    )
    train_limit: Annotated[int, Field(ge=1)] | None = option(
        None, help="train on this many images only", unit="images"
    )
    split: Literal["fixed", "stratified"] = option(
        "fixed", help="hold out by one shuffle of all images, or the same share of each class", born="fixed"
    )

    @field_validator("path")
    @classmethod
    def _possible_path(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                user_path(value, "data.path")
        except UserError as error:
            raise OptionError(str(error), option="data.path", value=value) from None
        return value


class ModelConfig(Options):
    """The network by its catalog name, and the factor on its channel counts."""

    name: Annotated[str, AfterValidator(_known_model), Choices(MODELS)] = option(
        "resnet18", help="network architecture"
    )
    width_factor: Annotated[float, Field(gt=0, le=16)] = option(1.0, help="multiplies the channel counts")


class TrainingConfig(Options):
    """Optimiser, learning-rate schedule, number of epochs, and the seed of everything random."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = option(
        100, help="passes over the data", unit="epochs"
    )
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = option(128, help="images per step", unit="images")
    optimizer: Literal["sgd", "adamw"] = option("sgd", help="optimiser")
    lr: Annotated[float, Field(ge=0)] = option(0.1, help="initial learning rate")
    momentum: Annotated[float, Field(ge=0, lt=1)] = option(0.9, help="momentum (sgd), or beta 1 (adamw)")
    weight_decay: Annotated[float, Field(ge=0)] = option(5e-4, help="weight decay, on scores too")
    schedule: Literal["cosine", "constant", "multistep"] = option(
        "cosine", help="how the learning rate changes, once an epoch"
    )
    milestones: tuple[Annotated[int, Field(ge=1, strict=True)], ...] = option(
        (), help="epochs at which multistep multiplies the rate by gamma", unit="epochs"
    )
    gamma: Annotated[float, Field(gt=0, le=1)] = option(0.1, help="factor of multistep")
    warmup_epochs: Annotated[int, Field(ge=0)] = option(
        0, help="first epochs, with the rate rising linearly", unit="epochs"
    )
    final_epochs: Annotated[int, Field(ge=0)] = option(0, help="last epochs, at final_lr", unit="epochs")
    final_lr: Annotated[float, Field(ge=0)] = option(0.0, help="learning rate of the final epochs")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = option(1, help="draws everything random in the run")

    @model_validator(mode="after")
    def _phases_fit(self) -> TrainingConfig:
        if self.warmup_epochs + self.final_epochs > self.epochs:
            raise OptionError(
                f"training.warmup_epochs {self.warmup_epochs} and training.final_epochs {self.final_epochs} "
                f"do not fit into training.epochs {self.epochs}; lower them or train longer.",
                option="training.warmup_epochs",
                value=self.warmup_epochs,
                wrong="together",
                beside=("training.final_epochs", "training.epochs"),
            )
        if self.milestones and self.schedule != "multistep":
            raise OptionError(
                f"training.milestones is set but training.schedule is {self.schedule!r}; "
                "use schedule: multistep, or leave milestones empty.",
                option="training.milestones",
                value=self.milestones,
                wrong="together",
                beside=("training.schedule",),
            )
        return self


class ComputeConfig(Options):
    """Where and how the arithmetic is done; of these options only the precision separates groups of runs."""

    device: Annotated[str, AfterValidator(_known_device)] = option(
        "auto", help="auto, cpu, cuda, or a GPU by UUID"
    )
    precision: Literal["auto", "fp32", "tf32", "bf16"] = option(
        "auto", help="arithmetic; auto is bf16 where the hardware has it, fixed when the run is made"
    )
    deterministic: bool = option(False, help="only algorithms that repeat bit for bit")
    threads: Annotated[int, Field(ge=1, le=1024)] | Auto = option("auto", help="CPU threads", unit="threads")
    memory_format: Literal["auto", "contiguous", "channels_last"] = option(
        "auto", help="layout of images and weights in memory"
    )
    workers: Annotated[int, Field(ge=0, le=1024)] | Auto = option(
        "auto", help="loading processes, for datasets too large for memory", unit="processes"
    )


class RecordingConfig(Options):
    """How often masks are recorded and checkpoints written."""

    mask_every: Annotated[int, Field(ge=1)] = option(
        10, help="steps between two looks at the masks", unit="steps"
    )
    checkpoint_minutes: Annotated[float, Field(gt=0)] = option(
        10.0, help="time between checkpoints; one is also written at every epoch", unit="minutes"
    )


class RunConfig(Options):
    """Everything that decides what one run does."""

    name: Annotated[str, AfterValidator(_plain_name)] | None = option(
        None, help="null is made from network, width and method"
    )
    data: SerializeAsAny[DataConfig] = DataConfig()
    model: SerializeAsAny[ModelConfig] = ModelConfig()
    method: SerializeAsAny[MethodOptions] = IteRandOptions()
    training: TrainingConfig = TrainingConfig()
    compute: ComputeConfig = ComputeConfig()
    recording: RecordingConfig = RecordingConfig()

    @field_validator("method", mode="before")
    @classmethod
    def _method_by_name(cls, value: Any) -> Any:
        return _method_options(value)

    @field_validator("data", "model", mode="before")
    @classmethod
    def _with_extension_options(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        return _extension_section(info.field_name, value)

    @model_validator(mode="after")
    def _path_where_needed(self) -> RunConfig:
        if DATASETS[self.data.dataset].needs_path and self.data.path is None:
            raise OptionError(
                f"data.path is missing: the dataset {self.data.dataset!r} has no place of its own; "
                "set data.path to its file or folder.",
                option="data.path",
                wrong="missing",
            )
        return self

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> RunConfig:
        """Check a nested mapping of options.

        Args:
            mapping: as read from YAML; absent options take their defaults.
        Raises:
            OptionError: an option is unknown, missing or out of bounds; it says which and what is allowed,
                and holds the others that are wrong.
            UserError: `mapping` is not a mapping.
        """
        if not isinstance(mapping, Mapping):
            raise UserError(f"A configuration is a mapping of options, not {type(mapping).__name__}.")
        try:
            return cls.model_validate(mapping)
        except ValidationError as error:
            raise option_error(error, cls) from None

    def to_mapping(self) -> dict[str, Any]:
        """The complete configuration as plain JSON values; `from_mapping` gives the same one back."""
        return self.model_dump(mode="json")

    @property
    def display_name(self) -> str:
        """The given name, or one made from network, width and method."""
        return self.name or f"{self.model.name}-x{self.model.width_factor:g}-{self.method.name}"


def _method_options(value: Any) -> MethodOptions:
    """Choose the options class by `method.name` and check the options against it."""
    if isinstance(value, MethodOptions):
        return value
    if not isinstance(value, Mapping):
        said = f"method is {shown(value)}; it must be a mapping, e.g. {{name: iterand}}."
        raise OptionError(said, option="method", value=value, allowed="a mapping, e.g. {name: iterand}")
    name = value.get("name", "iterand")
    if not isinstance(name, str):
        raise wrong_value("method.name", name, " | ".join(METHODS))
    options = method_options_class(name)
    try:
        return options.model_validate(dict(value))
    except ValidationError as error:
        found = option_error(error, options, "method")
        for one in (found, *found.others):
            if one.wrong == "unknown" and not one.option.startswith("method.rule."):
                one.sentence = f"The method {name!r}: {one.sentence}"
        raise found from None


def method_options_class(name: str) -> type[MethodOptions]:
    """The options class of a method by its catalog name; UserError where there is none."""
    entry = find("method", METHODS, name, "method.name")
    options: type[MethodOptions] = load_target(entry.options)
    is_its_own = options.model_fields["name"].default == entry.name
    return with_arguments(options, entry.arguments, None if is_its_own else entry.name)


def model_options_class(name: str) -> type[ModelConfig]:
    """The options class of the section `model` for one network; UserError where there is none."""
    return with_arguments(ModelConfig, find("model", MODELS, name, "model.name").arguments)


def data_options_class(name: str) -> type[DataConfig]:
    """The options class of the section `data` for one dataset; UserError where there is none."""
    return with_arguments(DataConfig, find("dataset", DATASETS, name, "data.dataset").arguments)


def _extension_section(section: str, value: Any) -> Any:
    """The checked options of a section whose choice has arguments; any other value stays as it is."""
    key = _CHOICE_OF[section]
    name = value.get(key) if isinstance(value, Mapping) else None
    entries: Mapping[str, Entry] = DATASETS if section == "data" else MODELS
    if not isinstance(name, str) or name not in entries or not entries[name].arguments:
        return value
    options = data_options_class(name) if section == "data" else model_options_class(name)
    try:
        return options.model_validate(dict(value))
    except ValidationError as error:
        raise option_error(error, options, section) from None


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a configuration file without checking its options; a relative data.path becomes absolute.

    Raises:
        UserError: the file cannot be read or is not a YAML mapping.
    """
    path = user_path(path, "The configuration")
    try:
        mapping = read_yaml(path, "The configuration")
    except FileNotFoundError as error:
        raise UserError(f"Cannot read the configuration {str(path)!r}: {error.strerror}.") from None
    if mapping is None:
        mapping = {}
    if not isinstance(mapping, dict):
        raise UserError(
            f"The configuration {str(path)!r} must be a mapping of options, like `model: {{name: conv4}}`."
        )
    anchor_data_path(mapping, path.resolve().parent)
    return mapping


def anchor_data_path(mapping: MutableMapping[str, Any], folder: Path) -> None:
    """Make a relative data.path in a mapping absolute, from `folder`; an impossible one stays as it is."""
    data = mapping.get("data")
    if isinstance(data, MutableMapping) and isinstance(data.get("path"), str):
        with suppress(UserError):
            data["path"] = str((folder / user_path(data["path"], "data.path")).absolute())


def load_yaml(path: Path) -> RunConfig:
    """Read and check a configuration file; see `read_mapping` and `RunConfig.from_mapping`."""
    return RunConfig.from_mapping(read_mapping(path))


def to_yaml(config: RunConfig) -> str:
    """Write a complete configuration as YAML, in the declared order."""
    return yaml_text(config.to_mapping())
