"""The probe: a long-lived process that answers what a run of a configuration would be, without training it.

    python -m iterand_engine.preflight.probe_process --workspace DIR

Requests come as lines on stdin, replies go as lines to stdout (messages.py). The probe has no GPU and one
thread, builds networks on torch's meta device, and runs the extensions that are enabled. What they print goes
to stderr; what they raise becomes the reply. Where one of them ends the process or never returns, the process
that asked kills the probe and starts another.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO

import torch

from iterand_engine.config.extension_code import ExtensionError
from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.facts import data_facts
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import allowed
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.workspace import Workspace, find_workspace_dir
from iterand_engine.preflight import estimates
from iterand_engine.preflight.inspect import in_brief, look
from iterand_engine.preflight.messages import READY, Answer, Input, Reply, Request, decode, encode
from iterand_engine.pruning.methods.base import RunPlan

_GRACE_S = 5.0  # how long a reply may still take once nobody reads replies


def answer(workspace: Workspace, request: Request) -> Answer:
    """Answer one request.

    Raises:
        UserError: the configuration is wrong, its data is missing, or its network cannot be built.
    """
    config = RunConfig.from_mapping(request.config)
    roots = data_roots(workspace, Settings.load(workspace))
    data = data_facts(config.data, roots, request.memory_bytes)
    training = config.training
    steps_per_epoch = -(-data.train_count // training.batch_size)
    steps = steps_per_epoch * training.epochs
    dtype = torch.bfloat16 if request.precision == "bf16" else torch.float32
    # The plan must be the run's: a method may choose its masks, and the width of their records, by the steps.
    network = look(config, data.spec, RunPlan(total_steps=steps, seed=training.seed, weight_dtype=dtype))
    memory = estimates.memory(
        network.tensors,
        training,
        data_bytes=data.stored_bytes,
        kind=request.device_kind,
        precision=request.precision,
    )
    events = estimates.redraw_events(config, steps)
    streamed = ("Images are read from disk as they are needed.",) if data.streamed else ()
    return Answer(
        weights=sum(layer.weights for layer in network.layers),
        kept=sum(layer.kept for layer in network.layers),
        trained=network.tensors.trained,
        layers=network.layers,
        unmasked=network.unmasked,
        input=Input(channels=data.spec.channels, height=data.spec.height, width=data.spec.width),
        classes=data.spec.classes,
        train_count=data.train_count,
        steps_per_epoch=steps_per_epoch,
        steps=steps,
        redraw_events=events,
        values_seen=estimates.values_seen(config, events),
        device_kind=request.device_kind,
        precision=request.precision,
        memory=memory,
        disk=estimates.disk(network.layers, network.tensors, memory, config, steps=steps),
        notes=(*data.notes, *network.notes, *streamed),
    )


def reply(workspace: Workspace, request: Request) -> Reply:
    """Answer one request; any error, also one that an extension raises, becomes the sentence of the reply."""
    try:
        with allowed(workspace):  # anew for each request: files are enabled and disabled while it lives
            return Reply(id=request.id, answer=answer(workspace, request))
    except UserError as error:
        return Reply(id=request.id, ok=False, error=str(error), cannot_train=True)
    except ExtensionError as error:
        return Reply(id=request.id, ok=False, error=_not_looked_at(error), cannot_train=True)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an extension may raise anything
        return Reply(id=request.id, ok=False, error=_not_looked_at(error))


def _not_looked_at(error: BaseException) -> str:
    return f"This configuration cannot be looked at. {in_brief(error)}."


class Inbox:
    """Requests that wait, the newest of each topic only; filled by a thread of its own from a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: deque[Request | None] = deque()  # None: there will be no more
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="probe-inbox", daemon=True).start()

    def next(self) -> Request | None:
        """The oldest request that waits, once there is one; None at the end of the stream."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting))
            return self._waiting.popleft()

    def _read(self) -> None:
        try:
            for line in self._stream:
                self._put(decode(Request, line))
        except ValueError as error:  # no client sends such a line; the process ends, which shows it
            print(f"the probe ends, because this is not a request: {error}", file=sys.stderr, flush=True)
        self._put(None)
        # Nobody listens: a request whose code never returns must not keep this process.
        time.sleep(_GRACE_S)
        os._exit(1)

    def _put(self, request: Request | None) -> None:
        with self._changed:
            if request is not None and request.topic:
                newer = [old for old in self._waiting if old is None or old.topic != request.topic]
                self._waiting = deque(newer)
            self._waiting.append(request)
            self._changed.notify()


def serve(workspace: Workspace, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until their stream ends.

    Args:
        workspace: whose data and extensions are used.
        requests: lines that `decode` reads.
        replies: lines that `encode` wrote; the first says that the probe is ready.
    """
    inbox = Inbox(requests)
    warm_up(workspace)
    _send(replies, Reply(id=READY))
    while (request := inbox.next()) is not None:
        _send(replies, reply(workspace, request))


def _send(replies: BinaryIO, message: Reply) -> None:
    replies.write(encode(message))
    replies.flush()


def warm_up(workspace: Workspace) -> None:
    """Answer once, so that torch has loaded what it loads at first use, and exempt all of it from the garbage
    collector: its walks through torch's objects would cost more than an answer."""
    config = RunConfig.from_mapping({"data": {"dataset": "digits"}, "model": {"width_factor": 0.1}})
    asked = Request(
        id=1, config=config.to_mapping(), device_kind="cpu", precision="fp32", memory_bytes=1 << 34
    )
    answer(workspace, asked)
    gc.collect()
    gc.freeze()


def reserved_stdout() -> BinaryIO:
    """Reserve stdout for replies: whatever prints from here on, in any language, prints to stderr."""
    sys.stdout.flush()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def main() -> None:
    """Answer the requests on stdin until it ends; the module's docstring has the command line."""
    parser = argparse.ArgumentParser(description="Answer questions about configurations.")
    parser.add_argument("--workspace", type=Path)
    options = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)
    serve(find_workspace_dir(options.workspace), sys.stdin.buffer, reserved_stdout())


if __name__ == "__main__":
    main()
