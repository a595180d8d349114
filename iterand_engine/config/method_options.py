"""The options of each method: one class a method, declared once, used by files, command line and forms.

Names and defaults are the configuration's contract (docs/configuration.md). `sparsity` is always the share
removed. Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_serializer, model_validator

from iterand_engine.config.catalog import RULES, Entry, find
from iterand_engine.config.option_errors import option_error
from iterand_engine.config.options import Options, option, with_arguments
from iterand_engine.errors import OptionError, suggestion

WeightInit = Literal["kaiming-uniform", "kaiming-normal", "signed-constant"]
ScoreInit = Literal["kaiming-uniform", "kaiming-uniform-a5"]
Ranking = Literal["signed", "magnitude"]
Sparsity = Annotated[float, Field(ge=0, lt=1)]


class LayerRule(Options):
    """An exception for the layers that `match` names: another sparsity, or no mask at all."""

    match: str = option(help="conv, linear, or a glob over qualified layer names such as layer1.*")
    mask: bool = option(True, help="false leaves the layer unmasked and frozen at its draw")
    sparsity: Sparsity | None = option(None, help="share of these layers' weights that is removed")

    @model_validator(mode="after")
    def _says_one_thing(self) -> LayerRule:
        if not self.mask and self.sparsity is not None:
            raise OptionError(
                f"method.layers: the rule for {self.match!r} has mask: false and sparsity {self.sparsity:g}, "
                "which exclude each other; keep one of them.",
                option="method.layers",
                value=self.sparsity,
                wrong="together",
            )
        return self


class RuleChoice(Options):
    """A redraw rule and its arguments; in a file just the name where there are no arguments."""

    model_config = ConfigDict(extra="allow")

    name: str

    @classmethod
    def allowed_text(cls) -> str:
        """The clause that sentences use for a rule: the known names, or a mapping."""
        return f"{' | '.join(RULES)} | a mapping with name and the rule's arguments"

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """Turn a name or a mapping into the name with a checked value for every argument of the rule."""
        mapping = {"name": value} if isinstance(value, str) else value
        if not isinstance(mapping, Mapping) or not isinstance(mapping.get("name"), str):
            return mapping
        given = {str(key): one for key, one in mapping.items() if key != "name"}
        return {
            "name": mapping["name"],
            **_rule_arguments(find("redraw rule", RULES, mapping["name"], "method.rule"), given),
        }

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The values of the rule's arguments by name."""
        return dict(self.model_extra or {})

    @model_serializer
    def _short(self) -> Any:
        return {"name": self.name, **self.arguments} if self.arguments else self.name


def rule_options_class(name: str) -> type[Options]:
    """The options class of a redraw rule's arguments by its catalog name; UserError where there is none."""
    return with_arguments(Options, find("redraw rule", RULES, name).arguments)


def _rule_arguments(entry: Entry, given: Mapping[str, Any]) -> dict[str, Any]:
    known = [argument.name for argument in entry.arguments]
    for name in given:
        if name not in known:
            raise OptionError(
                f"The redraw rule {entry.name!r} has no argument {name!r}{suggestion(name, known)} "
                f"(it takes: {', '.join(known) or 'none'}).",
                option=f"method.rule.{name}",
                value=given[name],
                allowed=", ".join(known),
                wrong="unknown",
            )
    options = rule_options_class(entry.name)
    try:
        return options.model_validate(given).model_dump()
    except ValidationError as error:
        raise option_error(error, options, "method.rule") from None


class MethodOptions(Options):
    """What every method has: its name and how the weights are drawn."""

    name: str
    weight_init: WeightInit = option("signed-constant", help="distribution the weights are drawn from")


class DenseOptions(MethodOptions):
    """Ordinary training of every weight; the baseline."""

    name: Literal["dense"] = option("dense", help="training method")


class ScoreOptions(MethodOptions):
    """What the methods that train scores share."""

    sparsity: Sparsity = option(0.6, help="share of each layer's weights that is REMOVED")
    score_init: ScoreInit = option("kaiming-uniform", help="distribution the scores start from")
    ranking: Ranking = option("signed", help="rank scores as signed numbers, or by their magnitude")
    layers: tuple[LayerRule, ...] = option((), help="exceptions by layer; the first that matches wins")


class EdgePopupOptions(ScoreOptions):
    """Scores are trained, weights stay as drawn (arXiv 1911.13299)."""

    name: Literal["edge-popup"] = option("edge-popup", help="training method")


class IteRandOptions(ScoreOptions):
    """Edge-popup with iterative randomization of the removed weights (arXiv 2106.09269)."""

    name: Literal["iterand"] = option("iterand", help="training method")
    randomize_every: Annotated[int, Field(ge=1)] = option(
        300, help="K_per: steps between two redraws", unit="steps"
    )
    randomize_rate: Annotated[float, Field(ge=0, le=1)] = option(
        0.1, help="r: share of the removed weights that each redraw replaces"
    )
    rule: RuleChoice = option(RuleChoice(name="uniform"), help="which removed weights get which new values")
