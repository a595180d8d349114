"""My model: some convolutions and a linear layer. Change it to what you want to prune."""

# iterand check FILE_NAME                  does it keep the contract?
# iterand extensions enable FILE_NAME      lets it run, as it is now; again after each edit
# iterand train CONFIG.yaml --set model.name=my-model --set model.depth=4

from typing import Annotated

from torch import Tensor, nn

from iterand_engine.extending import Field, InputSpec, model, scaled


# The program passes width_factor and spec; each other argument has a type and a default, and is an option:
# model.depth in files, `--set model.depth=4`, `iterand runs "depth>3"`. Once runs were made, keep the names
# of layers: the random numbers of a weight are drawn by the name of its parameter.
@model(label="My model")
class MyModel(nn.Module):
    """A small network.

    Args:
        depth: number of convolutions
    """

    def __init__(
        self, width_factor: float, spec: InputSpec, depth: Annotated[int, Field(ge=1, le=8)] = 3
    ) -> None:
        super().__init__()
        channels = scaled(32, width_factor)  # 32 at width 1; says so where nothing would be left
        layers: list[nn.Module] = []
        before = spec.channels
        for _ in range(depth):
            layers += [nn.Conv2d(before, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
            layers += [nn.ReLU()]
            before = channels
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, spec.classes)

    def forward(self, images: Tensor) -> Tensor:
        """From images (N, spec.channels, spec.height, spec.width) to a number for each class (N, classes)."""
        return self.head(self.features(images).mean((2, 3)))


# The methods draw all weights anew and put masks on every convolution and linear layer; batch norms stay the
# identity and biases 0. So initialise nothing, and keep no state but parameters and buffers.
