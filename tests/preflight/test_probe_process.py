"""The probe as a process: its lines, newest request first, and extensions that do their worst."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import activated
from iterand_engine.extensions.files import enable
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.preflight.messages import READY, Answer, Reply, Request, decode, encode
from iterand_engine.preflight.probe_client import (
    ProbeClient,
    check_before_queueing,
    probe_command,
    probe_environment,
)
from tests.paths import ROOT
from tests.patience import PATIENCE_S

OWN_CODE = """
import os, sys, time
from pathlib import Path
import numpy as np
import torch
from torch import nn
from iterand_engine.extending import ArrayContent, ImageArrays, IteRand, dataset, method, model

def small(spec, features=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * spec.height * spec.width, features), nn.ReLU(),
                         nn.Linear(features, spec.classes))

@model
def good(width_factor: float, spec, features: int = 8):
    return small(spec, features)

@model
def raises(width_factor: float, spec):
    return {}["no such key"]

@model
def prints(width_factor: float, spec):
    print("not for you", flush=True)
    os.write(1, b"nor this\\n")
    return small(spec)

@model
def exits(width_factor: float, spec):
    sys.exit(3)

@model
def dies(width_factor: float, spec):
    print("last words", file=sys.stderr, flush=True)
    os._exit(7)

@model
def endless(width_factor: float, spec):
    while True:
        time.sleep(0.01)

@model
def huge(width_factor: float, spec):
    return small(spec, 10**11)

@model
def no_network(width_factor: float, spec):
    return [1, 2, 3]

@model
def wrong_shape(width_factor: float, spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * spec.height * spec.width, 3))

class Reads(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.net = small(spec)
    def forward(self, images):
        return self.net(images) * (2.0 if images.mean().item() > 0 else 1.0)

@model
def reads_values(width_factor: float, spec):
    return Reads(spec)

@dataset
def stripes(path: Path | None, size: int = 16):
    images = np.zeros((40, size, size), np.uint8)
    images[::2] = 255
    part = ImageArrays(images, np.arange(40) % 2)
    return ArrayContent(part, part, ("even", "odd"))

@dataset
def no_dataset(path: Path | None):
    return "images"

@method
class Mine(IteRand):
    def __init__(self, module, options, plan, *, temperature: float = 1.0):
        super().__init__(module, options, plan)
"""


def mapping_of(model: str = "conv2", **sections: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": {"dataset": "digits"},
        "model": {"name": model, "width_factor": 0.1},
        "compute": {"device": "cpu", "precision": "fp32"},
        **sections,
    }


def request_line(number: int, topic: str = "", model: str = "conv2", width: float = 0.1) -> bytes:
    mapping = mapping_of(model) | {"model": {"name": model, "width_factor": width}}
    return encode(Request.of(number, RunConfig.from_mapping(mapping), topic=topic))


@contextmanager
def started(workspace: Workspace) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        probe_command(workspace),
        env=probe_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            assert decode(Reply, process.stdout.readline()) == Reply(id=READY)
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def enabled_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    """A workspace with enabled extensions, and the folder of the settings that record this."""
    settings, workspace = (
        tmp_path_factory.mktemp("config"),
        open_workspace_dir(tmp_path_factory.mktemp("own")),
    )
    (workspace.extensions_dir / "worst.py").write_text(OWN_CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(settings))
        enable(workspace, "worst.py")
    return workspace, settings


@pytest.fixture
def workspace_with_extensions(
    enabled_once: tuple[Workspace, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """That workspace, its entries known to this process."""
    workspace, settings = enabled_once
    monkeypatch.setenv("XDG_CONFIG_HOME", str(settings))
    with activated(workspace):
        yield workspace


def test_that_the_newest_request_of_a_topic_wins_and_the_end_of_stdin_ends_the_probe(tmp_path: Path) -> None:
    with started(open_workspace_dir(tmp_path)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = [request_line(number, "form", "resnet101", 0.1 + number / 10) for number in range(1, 30)]
        process.stdin.write(b"".join([*lines, request_line(50), request_line(51)]))
        process.stdin.close()  # what waits is answered nevertheless
        replies = [decode(Reply, line) for line in process.stdout]

        assert [reply.id for reply in replies if reply.id >= 29] == [29, 50, 51]
        assert len(replies) < len(lines)
        assert all(reply.answer is not None for reply in replies)
        assert process.wait(PATIENCE_S) == 0


def test_that_a_probe_whose_code_never_returns_ends_after_its_reader(
    workspace_with_extensions: Workspace,
) -> None:
    with started(workspace_with_extensions) as process:
        assert process.stdin is not None
        process.stdin.write(request_line(1, model="endless"))
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 1


def asked(probe: ProbeClient, model: str = "conv2", **sections: dict[str, Any]) -> Answer:
    return probe.ask(RunConfig.from_mapping(mapping_of(model, **sections)), timeout_s=PATIENCE_S)


def refused(probe: ProbeClient, model: str = "conv2", **sections: dict[str, Any]) -> str:
    """The sentence that comes instead of an answer."""
    with pytest.raises(UserError) as refusal:
        asked(probe, model, **sections)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    return sentence


def line_of(text: str) -> int:
    return OWN_CODE.splitlines().index(text) + 1


def test_that_extension_code_is_looked_at_with_its_arguments_while_it_is_enabled(
    workspace_with_extensions: Workspace,
) -> None:
    with ProbeClient(workspace_with_extensions) as probe:
        small, wide = (
            probe.ask(
                RunConfig.from_mapping(mapping_of() | {"model": {"name": "good", "features": features}})
            )
            for features in (8, 80)
        )
        assert (small.weights, wide.weights) == (8 * 3082, 80 * 3082)
        assert [layer.name for layer in small.layers] == ["1.weight", "3.weight"]
        assert small.memory.total_bytes is not None

        striped = asked(probe, data={"dataset": "stripes", "size": 40, "val_fraction": 0.25})
        assert (striped.train_count, striped.classes, striped.input.height) == (30, 2, 40)
        mine = asked(probe, method={"name": "mine", "temperature": 2.0, "sparsity": 0.9})
        assert mine.kept == pytest.approx(0.1 * mine.weights, rel=0.01)
        assert mine.trained == mine.weights
        assert mine.redraw_events == mine.steps // 300

        path = workspace_with_extensions.extensions_dir / "worst.py"
        try:
            path.write_text(OWN_CODE + "# changed\n")
            assert "changed since it was enabled" in refused(probe, "good")
        finally:
            path.write_text(OWN_CODE)
        assert asked(probe, "good").weights == small.weights


def test_that_the_probe_survives_bad_extension_code(workspace_with_extensions: Workspace) -> None:
    with ProbeClient(workspace_with_extensions) as probe:
        whole = asked(probe)
        raised = line_of('    return {}["no such key"]')
        assert f"extensions/worst.py, line {raised}" in refused(probe, "raises")
        assert "KeyError" in refused(probe, "raises")
        assert asked(probe, "prints").weights == asked(probe, "good").weights
        assert "SystemExit: 3" in refused(probe, "exits")
        assert "returned a list; it must return a torch.nn.Module" in refused(probe, "no-network")
        assert "its outputs must have shape (128, 10)" in refused(probe, "wrong-shape")
        assert "returned a str; it must return ArrayContent" in refused(probe, data={"dataset": "no-dataset"})

        unknown = asked(probe, "reads-values")
        assert unknown.weights == 8 * 3082
        assert unknown.memory.total_bytes is None
        assert "cannot be followed without values" in unknown.notes[0]
        enormous = asked(probe, "huge")
        assert enormous.weights == 3082 * 10**11
        assert asked(probe) == whole

        died = refused(probe, "dies")
        assert "exit code 7, 'last words'" in died
        assert asked(probe) == whole  # by a new process
        with pytest.raises(UserError, match=r"no answer about 'endless-x0.1-iterand' within 0.5 s"):
            probe.ask(RunConfig.from_mapping(mapping_of("endless")), timeout_s=0.5)
        assert asked(probe) == whole


def test_that_a_probe_that_cannot_start_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    with ProbeClient(open_workspace_dir(tmp_path)) as probe:
        assert "The probe did not start (exit code 1, " in refused(probe)


def test_that_what_does_not_fit_is_said_before_queueing(workspace_with_extensions: Workspace) -> None:
    def configs(model: str) -> list[RunConfig]:
        mappings = (mapping_of(model, training={"seed": seed, "lr": seed / 10}) for seed in (1, 2, 3))
        return [RunConfig.from_mapping(mapping) for mapping in mappings]

    found = check_before_queueing(
        workspace_with_extensions, [*configs("conv2"), *configs("huge"), *configs("raises")]
    )
    assert len(found) == 3
    assert found[0].startswith("huge x0.1: A run takes about ")
    assert found[1].startswith("raises x0.1: memory not known: ")
    assert found[2].startswith("6 runs need about ")


def test_that_the_pages_example_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "probe.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    path = tmp_path / "config.yaml"
    path.write_text(
        "data: {dataset: digits}\nmodel: {name: conv2}\ncompute: {device: cpu, precision: fp32}\n"
    )
    monkeypatch.setenv("ITERAND_WORKSPACE", str(tmp_path / "workspace"))
    exec(compile(example, "docs/probe.md", "exec"), {"path": path})
    kept, total_bytes = map(int, capsys.readouterr().out.split())
    assert 1e6 < kept < 2e6
    assert 1e8 < total_bytes < 2e9


def test_that_a_line_that_is_no_request_ends_the_probe_with_its_reason(workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    done = subprocess.run(
        probe_command(workspace),
        input=b"not a request\n",
        capture_output=True,
        env=probe_environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert b"this is no request" in done.stderr
