"""Build the network and the method that a configuration names, built in or from an extension.

What an extension returns is checked here, so that a mistake in it is reported with its place and not as an
error from deep within training. Built-in entries are not checked.
"""

from __future__ import annotations

from torch import Tensor, nn

from iterand_engine.config.catalog import METHODS, MODELS, Entry, find
from iterand_engine.config.extension_code import ExtensionError, kind_of
from iterand_engine.config.method_options import MethodOptions
from iterand_engine.config.run_config import ModelConfig
from iterand_engine.errors import UserError
from iterand_engine.models.spec import InputSpec
from iterand_engine.pruning.methods.base import Method, RedrawEvent, RunPlan
from iterand_engine.runs.faults import explain


def build_network(options: ModelConfig, spec: InputSpec) -> nn.Module:
    """Build a network on torch's default device.

    Args:
        options: its name, width and, for an extension, arguments.
        spec: shape of the images and number of classes.
    Raises:
        UserError: the network cannot be built for these images or this width.
        ExtensionError: an extension returned no module. Its forward passes raise it too, where they fail or
            their outputs are not (N, classes).
    """
    entry = find("model", MODELS, options.name)
    module = entry.load()(options.width_factor, spec, **entry.arguments_in(options))
    if entry.origin is not None:
        if not isinstance(module, nn.Module):
            raise ExtensionError(
                f"{entry.origin}: the model {entry.name!r} returned {kind_of(module)}; it must return a "
                "torch.nn.Module."
            )
        _guard_forward(module, entry, spec.classes)
    assert isinstance(module, nn.Module)
    return module


def make_method(module: nn.Module, options: MethodOptions, plan: RunPlan) -> Method:
    """Make a method for a network, which it changes in place.

    Args:
        module: the network, on its device.
        options: the method's, with the arguments of an extension.
        plan: the run's.
    Raises:
        UserError: the network does not suit the method.
        ExtensionError: an extension's method trains nothing, or its `has_masks` is wrong. Its `before_step`
            raises it too, where it returns neither a RedrawEvent nor None.
    """
    entry = find("method", METHODS, options.name)
    method = entry.load()(module, options, plan, **entry.arguments_in(options))
    assert isinstance(method, Method)
    if entry.origin is not None:
        _check_trained(method, entry)
        _check_masks(method, entry)
        _check_events(method, entry)
    return method


def _guard_forward(module: nn.Module, entry: Entry, classes: int) -> None:
    """Make errors of a forward pass name the network: those of torch's layers do not show the extension."""
    forward = module.forward

    def guarded(images: Tensor) -> Tensor:
        try:
            outputs: object = forward(images)
        except UserError:
            raise
        except Exception as error:
            if explain(error).kind == "defect":
                raise ExtensionError(
                    f"{entry.origin}: the model {entry.name!r} fails for images of shape"
                    f" {tuple(images.shape)}: "
                    f"{type(error).__name__}: {str(error).partition(chr(10))[0]}."
                ) from error
            raise
        wanted = (len(images), classes)
        if isinstance(outputs, Tensor) and tuple(outputs.shape) == wanted:
            return outputs
        shape = f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else kind_of(outputs)
        raise ExtensionError(
            f"{entry.origin}: the model {entry.name!r} gives {shape} for {len(images)} images of {classes} "
            f"classes; its outputs must have shape {wanted}."
        )

    module.forward = guarded


def _check_trained(method: Method, entry: Entry) -> None:
    trained = method.trained
    if not isinstance(trained, list) or not all(isinstance(one, nn.Parameter) for one in trained):
        raise ExtensionError(
            f"{entry.origin}: `trained` of the method {entry.name!r} is {kind_of(trained)}; it must be a "
            "list of parameters."
        )
    if not trained:
        raise ExtensionError(
            f"{entry.origin}: `trained` of the method {entry.name!r} is empty: nothing would learn."
        )


def _check_masks(method: Method, entry: Entry) -> None:
    """Check `has_masks`, which the readers of a run rely on."""
    if method.has_masks not in (None, bool(method.layers)):
        raise ExtensionError(
            f"{entry.origin}: the method {entry.name!r} has {len(method.layers)} masked layers, and "
            f"has_masks of its class is {method.has_masks}; write has_masks = {bool(method.layers)}."
        )


def _check_events(method: Method, entry: Entry) -> None:
    before_step = method.before_step

    def checked(step: int) -> RedrawEvent | None:
        event: object = before_step(step)
        if event is None or isinstance(event, RedrawEvent):
            return event
        raise ExtensionError(
            f"{entry.origin}: before_step of the method {entry.name!r} returned {kind_of(event)}; it must "
            "return a RedrawEvent or None."
        )

    method.before_step = checked  # type: ignore[method-assign]
