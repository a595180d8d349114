"""My rule: the removed weights with the lowest scores get new values. Change it to your idea."""

# iterand check FILE_NAME                  does it keep the contract?
# iterand extensions enable FILE_NAME      lets it run, as it is now; again after each edit
# iterand train CONFIG.yaml --set method.rule=my-rule --set method.rule.share=0.2

from typing import Annotated

from iterand_engine.extending import Field, Redraw, RedrawSite, redraw_rule


# Every argument after `layer` has a type and a default, and is an option: method.rule.share.
@redraw_rule(label="My rule")
def my_rule(layer: RedrawSite, share: Annotated[float, Field(ge=0, le=1)] = 0.1) -> Redraw:
    """Redraw the removed weights whose scores are lowest.

    Args:
        share: share of the removed weights that each redraw replaces
    """
    # What a rule knows of its layer: weight, score and mask (True where kept), of one shape, on the device;
    # layer.layer, its name; layer.event, 1 at the first redraw; layer.progress, the share of the run that
    # is done; layer.rate, which is method.randomize_rate. Random numbers: layer.chance(p) gives bools,
    # True with probability p, and the same again when the run is repeated or resumed.
    removed = ~layer.mask
    scores = layer.score.masked_fill(layer.mask, float("inf")).flatten()
    where = removed.new_zeros(removed.numel())
    where[scores.argsort(stable=True)[: int(share * removed.sum())]] = True
    # New values are drawn as the first were, by method.weight_init. To give others: Redraw(where, values),
    # with values of the layer's shape. Kept weights stay, whatever `where` says.
    return Redraw(where.view_as(removed))
