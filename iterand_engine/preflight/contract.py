"""Check that an extension keeps its contract, by calling it and by small trainings (contract_runs.py).

Each check trains for a few steps at most and reports what it saw. The first check that fails ends those of
its entry, because the others would fail with it. All of this runs in the checking process only
(extension_process.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from iterand_engine.config.catalog import DATASETS, RULES
from iterand_engine.config.extension_code import WORDS, Declaration, ExtensionError, Loaded, explained
from iterand_engine.config.method_options import IteRandOptions, RuleChoice
from iterand_engine.config.run_config import RunConfig, model_options_class
from iterand_engine.data.content import ArrayContent
from iterand_engine.data.dataset import Split
from iterand_engine.data.fingerprint import content_fingerprint
from iterand_engine.data.locate import located
from iterand_engine.data.readers.extension import read_content
from iterand_engine.errors import UserError
from iterand_engine.extensions.checks import CheckResult
from iterand_engine.models.spec import InputSpec
from iterand_engine.preflight.contract_runs import NUMERICS, difference, identical, opened, train
from iterand_engine.pruning.redraw_rules import RedrawSite, chosen_rule
from iterand_engine.runs.build import build_network
from iterand_engine.runs.train import build_task
from iterand_engine.training.sink import NullSink
from iterand_engine.training.trainer import Task, Trainer

IMAGES, BATCH = 48, 16  # of a small training: three steps an epoch
EPOCHS, STOP_AT = 2, 4
SPEC = InputSpec(3, 32, 32, 10)
SMALL: Mapping[str, Mapping[str, Any]] = {
    "data": {"dataset": "digits", "train_limit": IMAGES},
    "model": {"name": "conv2", "width_factor": 0.125},
    "method": {"name": "iterand", "sparsity": 0.5, "randomize_every": 2},
    "training": {"epochs": EPOCHS, "batch_size": BATCH, "lr": 0.1},
    "compute": {"device": "cpu", "precision": "fp32", "threads": 1},
}


class CheckFailed(Exception):  # noqa: N818 - a finding, not a fault of this program
    """A check found a broken contract; the text is a clause that says what, and what to do."""


@dataclass(frozen=True)
class Subject:
    """An extension's entry, and the small run that uses it."""

    declaration: Declaration
    config: RunConfig

    def __str__(self) -> str:
        return f"{WORDS[self.declaration.kind]} {self.declaration.name}"


Check = tuple[str, Callable[[Subject], str]]


def check_all(loaded: Loaded, data: Path | None) -> Iterator[CheckResult]:
    """Check everything that a file declares.

    Args:
        loaded: the file, whose entries are in the catalogs.
        data: data.path for its datasets.
    """
    for declaration in loaded.declarations:
        name = f"{WORDS[declaration.kind]} {declaration.name}"
        try:
            subject = Subject(declaration, small_run(declaration, data))
        except UserError as error:
            yield CheckResult(entry=name, check="its options", passed=False, detail=str(error))
            continue
        for check, look in CHECKS[declaration.kind]:
            result = _checked(subject, check, look)
            yield result
            if not result.passed:
                break


def _checked(subject: Subject, check: str, look: Callable[[Subject], str]) -> CheckResult:
    try:
        with NUMERICS.active():
            detail, passed = look(subject), True
    except (CheckFailed, UserError, ExtensionError) as error:
        detail, passed = str(error), False
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an extension may raise anything
        detail, passed = explained(error) or f"{type(error).__name__}: {error}", False
    return CheckResult(entry=str(subject), check=check, passed=passed, detail=detail)


def small_run(declaration: Declaration, data: Path | None) -> RunConfig:
    """The run that an entry is checked with, at its default arguments."""
    mapping: dict[str, dict[str, Any]] = {section: dict(options) for section, options in SMALL.items()}
    match declaration.kind:
        case "model":
            mapping["model"] = {"name": declaration.name, "width_factor": _width(declaration.name)}
        case "dataset":
            path = None if data is None else str(data.absolute())
            mapping["data"] = {"dataset": declaration.name, "path": path}
        case "method":
            mapping["method"] = {"name": declaration.name}
            if declaration.base == "iterand":
                mapping["method"]["randomize_every"] = 2
        case "rule":
            mapping["method"]["rule"] = declaration.name
    return RunConfig.from_mapping(mapping)


def _width(name: str) -> float:
    """A width that trains fast, where the network can be that narrow."""
    options = model_options_class(name).model_validate({"name": name, "width_factor": 0.25})
    try:
        with torch.device("meta"):
            build_network(options, SPEC)
    except (Exception, SystemExit):  # noqa: BLE001 - what is wrong shows at width 1
        return 1.0
    return 0.25


def repeats(subject: Subject) -> str:
    """Train the same run twice, with different states of torch's own generator; both must be equal."""
    first, second = (train(subject.config, torch_seed=seed) for seed in (1, 2))
    differs = difference(first.trainer, second.trainer)
    if differs is not None:
        raise CheckFailed(
            f"two equal runs differ, first in {differs}: results must not depend on torch's or numpy's own "
            "random numbers, on time or on what the file remembers between calls"
        )
    return f"two runs of {first.trainer.position.step} steps are equal bit for bit"


def resumes(subject: Subject) -> str:
    """Compare a run that is stopped in the middle and resumed with one that is not; both must be equal."""
    whole = train(subject.config, torch_seed=1)
    stopped = train(subject.config, torch_seed=2, stop_at=STOP_AT)
    resumed = train(subject.config, torch_seed=3, start=stopped.saved[-1])
    differs = difference(whole.trainer, resumed.trainer)
    if differs is not None:
        raise CheckFailed(
            f"a run stopped at step {STOP_AT} and resumed differs from one that went through, first in "
            f"{differs}: what lasts from step to step must be a parameter or buffer of the network, or "
            "follow from the step"
        )
    return f"stopped at step {STOP_AT} and resumed, equal bit for bit"


def keeps_kept(subject: Subject) -> str:
    """No step changes a weight that the mask keeps."""
    dataset = opened(subject.config)
    trainer = Trainer(build_task(subject.config, dataset, NUMERICS), NullSink())
    if not trainer.task.method.layers:
        return "it masks no weights"
    redrawn = 0
    for batch in dataset.batches(Split.TRAIN, BATCH):
        step, before = trainer.position.step, _weights(trainer.task)
        trainer.step(batch)
        for layer, weight in zip(trainer.task.method.layers, before, strict=True):
            changed = layer.weight != weight
            redrawn += int(changed.sum())
            if (changed & layer.masking.mask).any():
                raise CheckFailed(f"step {step} changed kept weights of {layer.name}")
    dataset.close()
    return f"{trainer.position.step} steps changed {redrawn} removed weights and no kept one"


def _weights(task: Task) -> list[Tensor]:
    return [layer.weight.detach().clone() for layer in task.method.layers]


# checks of one kind of entry


def output_shape(subject: Subject) -> str:
    """A model returns one floating-point number for each image and class, also for a single image."""
    options = subject.config.model.model_copy(update={"width_factor": 1.0})
    torch.manual_seed(1)
    module = build_network(options, SPEC)
    with torch.no_grad():
        outputs = module.train()(torch.rand(BATCH, 3, 32, 32))  # build_network hooked a check of the shape
        module.eval()(torch.rand(1, 3, 32, 32))
    if not outputs.is_floating_point():
        raise CheckFailed(f"the outputs are {outputs.dtype}; they must be floating-point numbers")
    weights = sum(parameter.numel() for parameter in module.parameters())
    half = build_network(options.model_copy(update={"width_factor": 0.5}), SPEC)
    same = sum(parameter.numel() for parameter in half.parameters()) == weights
    note = "; width_factor changes nothing" if same else ""
    return f"{tuple(outputs.shape)} for {BATCH} images, {weights:,} parameters{note}"


def gradients(subject: Subject) -> str:
    """Every trained parameter gets a finite gradient that is not zero everywhere."""
    dataset = opened(subject.config)
    task = build_task(subject.config, dataset, NUMERICS)
    names = {id(parameter): name for name, parameter in task.module.named_parameters()}
    names |= {id(layer.masking.scores): layer.name for layer in task.method.layers}
    task.method.before_step(0)
    batch = next(dataset.batches(Split.TRAIN, BATCH))
    logits = task.module.train()(dataset.prepare(batch, 0))
    functional.cross_entropy(logits.float(), batch.labels).backward()  # type: ignore[no-untyped-call]
    for number, parameter in enumerate(task.method.trained):
        name = names.get(id(parameter), f"parameter {number}")
        if parameter.grad is None or not parameter.grad.any():
            raise CheckFailed(f"no gradient reaches {name}: it does not take part in the outputs")
        if not torch.isfinite(parameter.grad).all():
            raise CheckFailed(f"the gradient of {name} is not finite")
    dataset.close()
    count = len(task.method.trained)
    return f"reach all {count} {'layers, as scores' if task.method.layers else 'parameters'}"


def redraws(subject: Subject) -> str:
    """A rule returns a Redraw that fits, with finite values, and does not change its arguments."""
    wanted = removed = 0
    for site in _sites(subject):
        given = [one.clone() for one in (site.weight, site.score, site.mask)]
        _raw_rule(subject)(site)
        for name, one, before in zip(
            ("weight", "score", "mask"), (site.weight, site.score, site.mask), given, strict=True
        ):
            if not identical(one, before):
                raise CheckFailed(f"it changes layer.{name} in place; return a Redraw and change nothing")
        redraw = chosen_rule(_choice(subject))(site)
        if redraw.values is not None and not torch.isfinite(redraw.values[redraw.where]).all():
            raise CheckFailed(f"values for {site.layer} at event {site.event} are not finite")
        wanted += int((redraw.where & ~site.mask).sum())
        removed += int((~site.mask).sum())
    return f"redraws {wanted / removed:.1%} of the removed weights"


def same_draw(subject: Subject) -> str:
    """A rule called twice for one site returns the same redraw, whatever torch's own generator does."""
    rule = chosen_rule(_choice(subject))
    for site in _sites(subject):
        torch.manual_seed(1)
        first = rule(site)
        torch.manual_seed(2)
        second = rule(site)
        pairs = [(first.where, second.where), (first.values, second.values)]
        if any(_differ(one, other) for one, other in pairs):
            raise CheckFailed(
                f"asked twice about {site.layer} at event {site.event}, it wants different weights; random "
                "numbers come from layer.chance(probability)"
            )
    return "asked twice, it wants the same"


def _differ(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is not other
    return not identical(one, other)


def _choice(subject: Subject) -> RuleChoice:
    assert isinstance(subject.config.method, IteRandOptions)
    return subject.config.method.rule


def _raw_rule(subject: Subject) -> Callable[[RedrawSite], object]:
    """The rule as it was written, without the copies that it gets while training."""
    choice = _choice(subject)
    return lambda site: RULES[choice.name].load()(site, **choice.arguments)


def _sites(subject: Subject) -> Sequence[RedrawSite]:
    """Every layer of a small network at two events."""
    plain = subject.config.model_copy(update={"method": IteRandOptions(sparsity=0.5)})
    dataset = opened(plain)
    layers = build_task(plain, dataset, NUMERICS).method.layers
    dataset.close()
    return [
        RedrawSite(
            layer=layer.name,
            weight=layer.weight.detach(),
            score=layer.masking.scores.detach(),
            mask=layer.masking.mask,
            event=event,
            progress=progress,
            rate=0.1,
            seed=1,
        )
        for layer in layers
        for event, progress in ((1, 0.0), (2, 0.5))
    ]


def content(subject: Subject) -> str:
    """A dataset can be read, is the same when read again, and its labels are classes."""
    data = subject.config.data
    entry = DATASETS[data.dataset]
    path = located(entry.name, [], data.path)
    first, second = read_content(entry, path, data), read_content(entry, path, data)
    if content_fingerprint(first) != content_fingerprint(second):
        raise CheckFailed(
            "read twice, it gives different images or labels; draw random numbers from a fixed seed"
        )
    counts = ", ".join(f"{len(part.labels):,} {name}" for name, part in first.parts().items())
    where = "in memory" if isinstance(first, ArrayContent) else "in files"
    return f"{counts} images {where}, {len(first.class_names)} classes"


def batches(subject: Subject) -> str:
    """Batches of every split hold finite images of one form and labels of known classes."""
    dataset = opened(subject.config)
    seen: set[int] = set()
    for split in Split:
        for batch in dataset.batches(split, 64):
            images = dataset.prepare(batch, 0)
            spec = dataset.spec
            if images.shape[1:] != (spec.channels, spec.height, spec.width) or not images.isfinite().all():
                raise CheckFailed(
                    f"a batch of {split} has images of shape {tuple(images.shape)} or not finite"
                )
            if not ((batch.labels >= 0) & (batch.labels < spec.classes)).all():
                raise CheckFailed(f"a batch of {split} has labels outside 0 to {spec.classes - 1}")
            seen |= set(batch.labels.tolist()) if split is Split.TRAIN else set()
    dataset.close()
    without = dataset.spec.classes - len(seen)
    note = f"; {without} classes have no training image" if without else ""
    return f"images reach the network as {dataset.spec.height}x{dataset.spec.width} px{note}"


def resumes_with(subject: Subject) -> str:
    """Check what `resumes` checks, on at most IMAGES of a dataset's images."""
    dataset = opened(subject.config)
    limit = min(IMAGES, dataset.count(Split.TRAIN))
    dataset.close()
    data = subject.config.data.model_copy(update={"train_limit": limit})
    return resumes(replace(subject, config=subject.config.model_copy(update={"data": data})))


REPEATS: Check = ("the same again", repeats)
RESUMES: Check = ("resume is exact", resumes)
KEEPS: Check = ("kept weights stay", keeps_kept)
CHECKS: Mapping[str, Sequence[Check]] = {
    "model": (("output shape", output_shape), ("gradients", gradients), KEEPS, REPEATS, RESUMES),
    "dataset": (("content", content), ("batches", batches), ("resume is exact", resumes_with)),
    "method": (("gradients", gradients), KEEPS, REPEATS, RESUMES),
    "rule": (("redraws", redraws), ("the same draw", same_draw), KEEPS, RESUMES),
}
