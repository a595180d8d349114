"""What each method does before a step: select, redraw removed weights, and never wait for the device."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from iterand_engine.config.catalog import METHODS, RULES, Entry
from iterand_engine.config.method_options import EdgePopupOptions, IteRandOptions, RuleChoice, ScoreOptions
from iterand_engine.config.options import Argument
from iterand_engine.data.dataset import Batch, Split
from iterand_engine.pruning import MaskedLayer
from iterand_engine.pruning.draws import draw_weights
from iterand_engine.pruning.methods.base import RunPlan
from iterand_engine.pruning.methods.edge_popup import EdgePopup
from iterand_engine.pruning.methods.iterand import IteRand
from iterand_engine.pruning.redraw_rules import Redraw, RedrawSite
from iterand_engine.pruning.selection import kept_mask
from iterand_engine.training.trainer import Trainer
from tests.training_tasks import ListSink, config_of, state_bytes, task_of, train

CPU = torch.device("cpu")


def two_layers() -> nn.Module:
    return nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 10, bias=False))


def iterand(rate: float = 0.3, every: int = 2, steps: int = 20, **options: Any) -> IteRand:
    chosen = IteRandOptions(randomize_every=every, randomize_rate=rate, **options)
    return IteRand(two_layers(), chosen, RunPlan(total_steps=steps, seed=5))


def weights_of(method: EdgePopup) -> list[Tensor]:
    return [layer.weight.detach().clone() for layer in method.layers]


def move_scores(method: EdgePopup, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in method.layers:
            layer.masking.scores.add_(torch.randn(layer.weight.shape, generator=generator), alpha=0.1)


def fresh(method: IteRand, layer: MaskedLayer, event: int, init: Any = "signed-constant") -> Tensor:
    return draw_weights(init, layer.weight.shape, seed=5, layer=layer.name, event=event, device=CPU)


# selection


@pytest.mark.parametrize("ranking", ["signed", "magnitude"])
def test_that_every_step_and_evaluation_selects_from_the_scores_as_they_are(
    ranking: Literal["signed", "magnitude"],
) -> None:
    options = EdgePopupOptions(sparsity=0.7, ranking=ranking)
    method = EdgePopup(two_layers(), options, RunPlan(total_steps=4, seed=5))
    select: tuple[Callable[[], object], ...] = (lambda: method.before_step(0), method.before_evaluation)
    for seed, choose in enumerate(select):
        move_scores(method, seed)
        choose()
        for layer in method.layers:
            assert torch.equal(layer.masking.mask, kept_mask(layer.masking.scores, 0.7, ranking))


def test_that_each_method_trains_what_it_should() -> None:
    for name, entry in METHODS.items():
        trainer = Trainer(task_of(config_of(name)), ListSink())
        held = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
        named = {n: p for n, p in trainer.task.module.named_parameters() if id(p) in held}
        assert len(named) == len(held), entry.name
        scores = [n for n in named if n.endswith(".parametrizations.weight.0.scores")]
        if name == "dense":
            assert len(named) == len(list(trainer.task.module.parameters()))
        else:
            assert len(scores) == len(named) == len(trainer.task.method.layers)


# redraws


def test_that_redraws_come_before_every_kth_step() -> None:
    method = iterand(every=3)
    events = {step: method.before_step(step) for step in range(10)}
    assert {step: event.number for step, event in events.items() if event} == {2: 1, 5: 2, 8: 3}
    assert iterand(every=1).before_step(0) is not None


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("init", ["kaiming-uniform", "kaiming-normal", "signed-constant"])
def test_that_only_removed_weights_are_redrawn_from_the_initial_distribution(rate: float, init: Any) -> None:
    method = iterand(rate, every=1, weight_init=init)
    for step in range(4):
        move_scores(method, step)
        before = weights_of(method)
        scores = [layer.masking.scores.detach().clone() for layer in method.layers]
        event = method.before_step(step)
        assert event is not None
        for index, layer in enumerate(method.layers):
            mask, record = layer.masking.mask, layer.masking.last_redraw == event.number
            drawn = fresh(method, layer, event.number, init)
            assert torch.equal(layer.weight, torch.where(record, drawn, before[index]))
            assert not (record & mask).any()
            assert torch.equal(layer.masking.scores, scores[index])
            assert int(event.redrawn[index]) == int(record.sum())
            removed = int((~mask).sum())
            assert abs(int(record.sum()) - rate * removed) <= 4 * (removed * rate * (1 - rate)) ** 0.5


def test_that_a_kept_weight_is_known_from_the_number_of_its_last_redraw() -> None:
    method = iterand(0.4, every=1, weight_init="kaiming-normal")
    for step in range(12):
        move_scores(method, step)
        method.before_step(step)
    for layer in method.layers:
        number = layer.masking.last_redraw
        assert len(set(number.flatten().tolist())) > 8
        draws = torch.stack([fresh(method, layer, event, "kaiming-normal") for event in range(13)])
        assert torch.equal(layer.weight, draws.gather(0, number.long()[None])[0])


def test_that_many_events_overflow_no_record() -> None:
    method = iterand(1.0, every=1, steps=9000)
    for event in (1, 8191, 8192, 9000):
        move_scores(method, event)
        method.before_step(event - 1)
        for layer in method.layers:
            assert layer.masking.last_redraw.max() == event
            assert (layer.masking.record >= 0).all()


def test_that_momentum_is_untouched_by_a_redraw() -> None:
    trainer = Trainer(task_of(config_of("iterand")), ListSink())
    for batch in batches(trainer, 2):
        trainer.step(batch)
    momenta = [state["momentum_buffer"].clone() for state in trainer.optimizer.state.values()]
    event = trainer.task.method.before_step(2)
    assert event is not None
    assert event.redrawn.all()
    for before, state in zip(momenta, trainer.optimizer.state.values(), strict=True):
        assert torch.equal(state["momentum_buffer"], before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("ranking", ["signed", "magnitude"])
def test_that_a_rate_of_zero_is_edge_popup(ranking: str) -> None:
    shared = {"sparsity": 0.6, "weight_init": "kaiming-normal", "ranking": ranking}
    never = {"name": "iterand", "randomize_every": 2, "randomize_rate": 0.0, **shared}
    one, first = train(config_of(never, training={"lr": 1.0}))
    other, second = train(config_of({"name": "edge-popup", **shared}, training={"lr": 1.0}))
    assert state_bytes(one) == state_bytes(other)
    for name in ("loss", "accuracy", "mask_flips", "mask_distance", "val_loss"):
        assert first.points[name] == second.points[name], name
    assert not first.values("redrawn").any()
    assert first.values("mask_distance")[-1] > 0


# own rules


def everything(layer: RedrawSite, value: float) -> Redraw:
    """Wants all weights, kept ones too, to be one value."""
    return Redraw(torch.ones_like(layer.mask), torch.full_like(layer.weight, value + layer.progress))


@pytest.fixture
def own_rule(monkeypatch: pytest.MonkeyPatch) -> RuleChoice:
    entry = Entry("all", "All", f"{__name__}:everything", arguments=(Argument("value", "float", 1.0),))
    monkeypatch.setitem(RULES, "all", entry)
    return RuleChoice(name="all", value=7.0)  # type: ignore[call-arg]


def test_that_a_rule_may_choose_values_but_never_touches_kept_weights(own_rule: RuleChoice) -> None:
    method = iterand(every=5, steps=20, rule=own_rule)
    before = weights_of(method)
    event = method.before_step(4)
    assert event is not None
    for index, layer in enumerate(method.layers):
        mask = layer.masking.mask
        assert torch.equal(layer.weight, torch.where(mask, before[index], 7.0 + 4 / 20))
        assert int(event.redrawn[index]) == int((~mask).sum())


# no waiting for the device


class NoWaiting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fails where an operation needs a value on the host."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        by_mask = any(index is not None and index.dtype == torch.bool for index in indices)
        assert name not in self.FORBIDDEN, f"{name} waits for the device"
        assert not by_mask, f"{name} by a mask waits for the device"
        return func(*args, **(kwargs or {}))


def batches(trainer: Trainer, count: int) -> Iterator[Batch]:
    size = trainer.task.config.training.batch_size
    found = trainer.task.dataset.batches(Split.TRAIN, size, seed=trainer.task.config.training.seed)
    return (batch for _, batch in zip(range(count), found, strict=False))


@pytest.mark.parametrize("forbidden", ["item", "mask", "nonzero"])
def test_that_the_watch_for_waiting_sees_it(forbidden: str) -> None:
    values = torch.ones(3)
    waits: dict[str, Callable[[], object]] = {
        "item": lambda: values[0].item(),
        "mask": lambda: values[values > 0],
        "nonzero": lambda: values.nonzero(),
    }
    with NoWaiting(), pytest.raises(AssertionError, match="waits for the device"):
        waits[forbidden]()


def watched(name: str) -> dict[str, Any]:
    return {"name": name} | ({"randomize_every": 2} if name == "iterand" else {})


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_that_no_step_waits_for_the_device(name: str, precision: str) -> None:
    # Steps 0, 2 and 4 look at the masks, 1 and 3 redraw; momentum exists from step 1 on.
    trainer = Trainer(task_of(config_of(watched(name), compute={"precision": precision})), ListSink())
    with NoWaiting():
        for batch in batches(trainer, 5):
            trainer.step(batch)
    assert trainer.position.step == 5


@contextmanager
def sync_is_an_error() -> Iterator[None]:
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_that_no_step_on_a_gpu_copies_to_the_host(name: str, precision: str) -> None:
    task = task_of(config_of(watched(name), compute={"precision": precision}), torch.device("cuda"))
    trainer = Trainer(task, ListSink())
    with task.numerics.active():
        prepared = list(batches(trainer, 5))
        trainer.step(prepared[0])  # what is set up at the first step may wait
        with sync_is_an_error():
            for batch in prepared[1:]:
                trainer.step(batch)


# memory


def persistent_bytes() -> int:
    """Bytes of all tensors that Python can reach, each storage once."""
    gc.collect()
    storages = {}
    for found in gc.get_objects():
        if issubclass(type(found), Tensor):  # isinstance would wake torch's deprecated names
            storages[found.untyped_storage().data_ptr()] = found.untyped_storage().nbytes()
            if found.is_leaf and found.grad is not None:
                storages[found.grad.untyped_storage().data_ptr()] = found.grad.untyped_storage().nbytes()
    return sum(storages.values())


@pytest.mark.parametrize(("dtype", "weight_bytes"), [(torch.float32, 4), (torch.bfloat16, 2)])
@pytest.mark.parametrize("name", ["edge-popup", "iterand"])
def test_that_a_masked_weight_costs_sixteen_bytes_and_three(
    name: str, dtype: torch.dtype, weight_bytes: int
) -> None:
    before = persistent_bytes()
    module = nn.Linear(700, 500, bias=False)
    options: ScoreOptions = IteRandOptions(randomize_every=1) if name == "iterand" else EdgePopupOptions()
    plan = RunPlan(total_steps=100, seed=1, weight_dtype=dtype)
    method: EdgePopup = METHODS[name].load()(module, options, plan)
    optimizer = torch.optim.SGD(method.trained, lr=0.1, momentum=0.9, weight_decay=1e-3)
    for step in range(2):
        method.before_step(step)
        loss = functional.mse_loss(module(torch.ones(2, 700, dtype=dtype)).float(), torch.ones(2, 500))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    per_weight = (persistent_bytes() - before) / module.in_features / module.out_features
    assert weight_bytes + 12 <= per_weight <= weight_bytes + 12 + 3.1  # the gradients are still there
    optimizer.zero_grad(set_to_none=True)
    assert (persistent_bytes() - before) / 350_000 <= weight_bytes + 8 + 3.1
