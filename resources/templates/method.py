"""My method: IteRand that stops redrawing before the end. Change it to your idea."""

# iterand check FILE_NAME                  does it keep the contract?
# iterand extensions enable FILE_NAME      lets it run, as it is now; again after each edit
# iterand train CONFIG.yaml --set method.name=my-method --set method.until=0.5

from typing import Annotated

from torch import nn

from iterand_engine.extending import Field, IteRand, IteRandOptions, Plan, RedrawEvent, method


# A method is a class derived from IteRand, EdgePopup, Dense or Method, and has the options of the one it is
# derived from. Every argument after `plan` has a type and a default, and is one more option: method.until.
@method(label="My method")
class MyMethod(IteRand):
    """IteRand that stops redrawing.

    Args:
        until: share of the run after which no weight is redrawn
    """

    def __init__(
        self,
        module: nn.Module,
        options: IteRandOptions,
        plan: Plan,
        *,
        until: Annotated[float, Field(ge=0, le=1)] = 0.8,
    ) -> None:
        super().__init__(module, options, plan)
        self.last_step = until * plan.total_steps

    # What a method may override: `trained`, a list of parameters that the optimiser holds; before_step(step),
    # after_step(step), before_evaluation(); of EdgePopup also select(), which chooses every layer's mask from
    # its scores, in place (self.layers: layer.weight, layer.masking.scores, layer.masking.mask). A run is
    # resumed from the network's parameters and buffers and the step: keep nothing else from step to step.
    def before_step(self, step: int) -> RedrawEvent | None:
        """Select the masks, and redraw where it is time."""
        if step <= self.last_step:
            return super().before_step(step)
        self.select()
        return None
