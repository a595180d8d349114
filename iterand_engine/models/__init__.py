"""The networks of the papers as plain torch.nn modules with a width factor; they know nothing of masks.

Each builder takes (width_factor, spec) and nothing else, draws its weights as torch.nn does (the methods draw
them anew) and works on the meta device. Parameter names key the random source, so they must never change.
"""

from iterand_engine.models.conv_net import conv2, conv4, conv6, conv8
from iterand_engine.models.resnet import resnet18, resnet34, resnet50, resnet101, wide_resnet50_2
from iterand_engine.models.spec import InputSpec

__all__ = [
    "InputSpec",
    "conv2",
    "conv4",
    "conv6",
    "conv8",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "wide_resnet50_2",
]
