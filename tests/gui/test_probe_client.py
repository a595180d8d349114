"""The window's probe client: the newest question wins, and a probe that dies or hangs harms nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pytestqt.qtbot import QtBot

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.workspace import Workspace
from iterand_engine.preflight.messages import Answer
from iterand_gui.live.probe_client import QtProbeClient
from tests.patience import WAIT_MS

# Stands for the probe: replies to each request as the name of its run says, with its width as answer.
FAKE = """
import os, sys, time
from iterand_engine.preflight.messages import *
from iterand_engine.config.run_config import RunConfig
START
def say(reply):
    sys.stdout.buffer.write(encode(reply))
    sys.stdout.buffer.flush()
say(Reply(id=READY))
for line in sys.stdin.buffer:
    request = decode(Request, line)
    print("asked", request.config["name"], file=sys.stderr, flush=True)
    with open(sys.argv[1], "a") as file:
        file.write(request.config["name"] + "\\n")
    match request.config["name"]:
        case "dies":
            print("no more memory", file=sys.stderr, flush=True)
            os._exit(7)
        case "hangs":
            time.sleep(600)
        case "prints":
            print("hello from an extension", flush=True)
        case "slow":
            time.sleep(0.5)
        case "wrong":
            say(Reply(id=request.id, ok=False, error="It has no such layer."))
            continue
    say(Reply(id=request.id, answer=Answer(
        weights=round(1000 * request.config["model"]["width_factor"]), kept=0, trained=0, layers=(),
        unmasked=(), input=Input(channels=1, height=1, width=1), classes=2, train_count=1, steps_per_epoch=1,
        steps=1, redraw_events=0, values_seen=None, device_kind="cpu", precision="fp32",
        memory=MemoryEstimate(runtime_bytes=0, data_bytes=0, network_bytes=0, optimizer_bytes=0,
                              gradient_bytes=0,
                      activation_bytes=None, saving_bytes=0),
        disk=Disk(checkpoint_bytes=0, network_bytes=0, mask_bytes=0, series_bytes=0))))
"""


class Answers:
    """What a client answered, in order: (topic, weights) or (topic, sentence)."""

    def __init__(self, client: QtProbeClient) -> None:
        self.said: list[tuple[str, int | str]] = []
        client.answered.connect(self._answered)
        client.failed.connect(self._failed)

    def _answered(self, topic: str, answer: Answer) -> None:
        self.said.append((topic, answer.weights))

    def _failed(self, topic: str, sentence: str) -> None:
        self.said.append((topic, sentence))


MakeClient = Callable[..., QtProbeClient]


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[], list[str]]:
    """The names that the fake probe was asked about."""
    file = tmp_path / "asked.txt"
    return lambda: file.read_text().split() if file.exists() else []


@pytest.fixture
def make_client(qtbot: QtBot, workspace: Workspace, tmp_path: Path) -> Iterator[MakeClient]:
    made: list[QtProbeClient] = []

    def make(start: str = "", answer_s: float = 20.0) -> QtProbeClient:
        command = [sys.executable, "-c", FAKE.replace("START", start), str(tmp_path / "asked.txt")]
        made.append(QtProbeClient(workspace, command=command, answer_s=answer_s))
        return made[-1]

    yield make
    for client in made:
        client.close()
        client.deleteLater()


def config(name: str, width: float = 1.0) -> RunConfig:
    compute = {"device": "cpu"}
    return RunConfig.from_mapping({"name": name, "model": {"width_factor": width}, "compute": compute})


def until_quiet(qtbot: QtBot, client: QtProbeClient) -> None:
    qtbot.waitUntil(lambda: not client.is_busy, timeout=WAIT_MS)


def test_that_a_question_is_answered(qtbot: QtBot, make_client: MakeClient) -> None:
    client = make_client()
    heard = Answers(client)
    client.ask(config("one", 0.5), "form")
    until_quiet(qtbot, client)
    assert heard.said == [("form", 500)]
    client.ask(config("wrong"), "form")
    until_quiet(qtbot, client)
    assert heard.said[1:] == [("form", "It has no such layer.")]


def test_that_while_typing_only_the_newest_is_asked(
    qtbot: QtBot, make_client: MakeClient, asked: Callable[[], list[str]]
) -> None:
    client = make_client()
    heard = Answers(client)
    for number in range(1, 6):
        client.ask(config(f"q{number}", number / 10))
    until_quiet(qtbot, client)
    assert heard.said == [("", 500)]
    assert asked() == ["q5"]


def test_that_an_answer_that_is_no_longer_wanted_is_dropped(
    qtbot: QtBot, make_client: MakeClient, asked: Callable[[], list[str]]
) -> None:
    client = make_client()
    heard = Answers(client)
    client.ask(config("slow", 0.1))
    qtbot.waitUntil(lambda: asked() == ["slow"], timeout=WAIT_MS)
    client.ask(config("new", 0.2))
    until_quiet(qtbot, client)
    assert heard.said == [("", 200)]
    client.ask(config("slow", 0.3))
    qtbot.waitUntil(lambda: asked()[2:] == ["slow"], timeout=WAIT_MS)
    client.forget()
    client.ask(config("other", 0.4), "other")
    until_quiet(qtbot, client)
    assert heard.said[1:] == [("other", 400)]


def test_that_each_topic_is_answered(qtbot: QtBot, make_client: MakeClient) -> None:
    client = make_client()
    heard = Answers(client)
    client.ask(config("a", 0.1), "a")
    client.ask(config("b", 0.2), "b")
    until_quiet(qtbot, client)
    assert heard.said == [("a", 100), ("b", 200)]


def test_that_a_dead_probe_is_reported_and_started_again(qtbot: QtBot, make_client: MakeClient) -> None:
    client = make_client()
    heard = Answers(client)
    client.ask(config("dies"), "a")
    client.ask(config("lives", 0.7), "b")
    until_quiet(qtbot, client)
    (topic, sentence), other = heard.said
    assert topic == "a"
    assert str(sentence).startswith(
        "The probe ended over 'dies' (exit code 7, 'no more memory'); an extension"
    )
    assert other == ("b", 700)


def test_that_a_probe_that_does_not_answer_is_killed_and_started_again(
    qtbot: QtBot, make_client: MakeClient
) -> None:
    client = make_client(answer_s=0.5)
    heard = Answers(client)
    client.ask(config("hangs"), "a")
    client.ask(config("lives", 0.7), "b")
    until_quiet(qtbot, client)
    (topic, sentence), other = heard.said
    assert topic == "a"
    assert str(sentence).startswith("The probe gave no answer about 'hangs' within 0.5 s")
    assert other == ("b", 700)


def test_that_text_that_is_no_reply_ends_that_probe(qtbot: QtBot, make_client: MakeClient) -> None:
    client = make_client()
    heard = Answers(client)
    client.ask(config("prints"), "a")
    client.ask(config("lives", 0.7), "b")
    until_quiet(qtbot, client)
    assert "it printed 'hello from an extension'" in str(heard.said[0][1])
    assert heard.said[1] == ("b", 700)


def test_that_a_probe_that_cannot_start_is_said_once_for_each_question(
    qtbot: QtBot, make_client: MakeClient, workspace: Workspace
) -> None:
    client = make_client(start="sys.exit('no torch here')")
    heard = Answers(client)
    client.ask(config("one"))
    until_quiet(qtbot, client)
    sentence = (
        "The probe did not start (exit code 1, 'no torch here'): `iterand doctor` checks the installation."
    )
    assert heard.said == [("", sentence)]
    missing = QtProbeClient(workspace, command=["/nowhere/python"])
    heard = Answers(missing)
    missing.ask(config("one"))
    until_quiet(qtbot, missing)
    assert "it could not be started" in str(heard.said[0][1])
    missing.close()


def test_that_a_device_that_is_not_there_is_reported(qtbot: QtBot, make_client: MakeClient) -> None:
    client = make_client()
    heard = Answers(client)
    client.ask(RunConfig.from_mapping({"compute": {"device": "GPU-nobody"}}))
    client.ask(config("fine", 0.3), "b")
    until_quiet(qtbot, client)
    assert "GPU-nobody" in str(heard.said[0][1])
    assert heard.said[1] == ("b", 300)


def test_that_a_restart_asks_again(
    qtbot: QtBot, make_client: MakeClient, asked: Callable[[], list[str]]
) -> None:
    client = make_client()
    heard = Answers(client)
    client.ask(config("slow", 0.3))
    qtbot.waitUntil(lambda: asked() == ["slow"], timeout=WAIT_MS)
    client.restart()
    until_quiet(qtbot, client)
    assert heard.said == [("", 300)]
    assert asked() == ["slow", "slow"]


def test_that_closing_leaves_no_process(qtbot: QtBot, make_client: MakeClient) -> None:
    before = set(psutil.Process().children())  # such as the helper that multiprocessing keeps
    client = make_client()
    client.ask(config("one"))
    until_quiet(qtbot, client)
    assert [child for child in psutil.Process().children() if child not in before]
    client.close()
    assert not [child for child in psutil.Process().children() if child not in before]
    assert not client.is_busy


def test_that_the_real_probe_answers(qtbot: QtBot, workspace: Workspace) -> None:
    client = QtProbeClient(workspace)
    answers: list[Answer] = []
    heard = Answers(client)
    client.answered.connect(lambda topic, answer: answers.append(answer))
    mapping = {"data": {"dataset": "digits"}, "model": {"name": "conv2", "width_factor": 0.1}}
    client.ask(RunConfig.from_mapping({**mapping, "compute": {"device": "cpu"}}), "form")
    qtbot.waitUntil(lambda: not client.is_busy, timeout=WAIT_MS)
    client.close()
    assert len(answers) == 1, heard.said
    answer = answers[0]
    assert answer.weights == sum(layer.weights for layer in answer.layers) > 0
    assert answer.train_count == 1293
