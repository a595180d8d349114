"""The page docs/configuration.md, made from the declared options, so that it cannot fall behind.

`python -m iterand_engine.cli.option_docs docs/configuration.md` writes it anew; a test compares. With a
workspace as second argument, the options of its enabled extensions are on the page too. Torch-free.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from iterand_engine.config.catalog import DATASETS, METHODS, MODELS, RULES, Entry
from iterand_engine.config.method_options import LayerRule
from iterand_engine.config.options import OptionInfo, Options, describe, with_arguments
from iterand_engine.config.run_config import RunConfig, method_options_class, to_yaml
from iterand_engine.extensions.active import activated
from iterand_engine.machine.workspace import find_workspace_dir
from iterand_engine.machine.yaml import yaml_text

_TOP = """\
# Configuration

A run is described by one YAML file. Every option is optional; the values below are the defaults. An option
that does not exist, or a value that is not allowed, is refused with a sentence that says what is allowed.
Made by `python -m iterand_engine.cli.option_docs docs/configuration.md` from the program's own declarations.

- `iterand train CONFIG.yaml --set training.lr=0.05` changes single options; the value is read as YAML.
- `name` and `data.path` are texts, whatever they look like: `2026-01-01`, `1e3` and `yes` are names, `null`
  is none. A name is one line without control characters.
- A relative `data.path` is seen from the YAML file, with `--set` from the current folder.
- A number is plain decimal digits: `300`, `0.1`, `.5`, `1e-3`. For a whole number `1e3` is 1000, and `1.0`
  and `1.000` are refused. All else is a text, and refused where a number is meant: `010`, `0x10`, `1_000`,
  `1:30`, `50%`. No number is infinite, or too large or too small to be held.
- Commas separate values: `--set training.lr=0.1,0.2` makes two runs. `0,1` for a number that need not be
  whole is refused, as it may mean `0.1` or `[0, 1]`; both of those are taken, and so is `0, 1`.
- A truth value is `true` or `false`, or `yes`, `no`, `on`, `off`. Where a text is meant, those words are
  texts, and so are dates.
- A file has at most 1 MB, 20,000 values and 50 levels, and no tags (`!!...`).
- Sparsity is always the share REMOVED; what is kept is 1 - sparsity. All shares are from 0 to 1.
- Where `--set` changes `method.name`, options that the new method does not have are dropped and named.

```yaml
{defaults}```
"""
_LAYER_RULES = """\
### `method.layers`

A list of exceptions; the first whose `match` fits a layer applies. A rule that fits no layer is refused.

```yaml
method:
  layers:
    - {match: conv1, mask: false}       # left unmasked, and frozen as it was drawn
    - {match: "layer4.*", sparsity: 0.8}
    - {match: linear, sparsity: 0.5}
```
"""
_WORDS = """\
## What the names mean

| name | meaning |
|---|---|
| `crop` | pad 4 pixels of black, then crop at random to the size of the image |
| `crop-flip` | `crop`, then flip left to right with probability 1/2 |
| `paper`, up to 64 px | pad 4, random crop of 8 to 100 % of the area with ratio 3/4 to 4/3, resized; flip |
| `paper`, above 64 px | the same crop without padding, resized to 224; flip; evaluated at 256, centre 224 |
| `kaiming-uniform` | U(-b, b) with b = sqrt(6 / fan_in) |
| `kaiming-normal` | N(0, 2 / fan_in) |
| `signed-constant` | +sqrt(2 / fan_in) or -sqrt(2 / fan_in), each with probability 1/2 |
| `kaiming-uniform-a5` | scores from U(-b, b) with b = 1 / sqrt(fan_in) |
| `uniform` (rule) | each removed weight is redrawn with probability `randomize_rate` |
| `cosine` | lr / 2 * (1 + cos(pi * e / n)) in epoch e of the n between warm-up and final epochs |
| `multistep` | lr * gamma ^ (number of milestones that are reached) |
| warm-up | lr * (epoch + 1) / `warmup_epochs`, epochs counted from 0 |
| `auto` precision | bf16 where the hardware has it natively, else fp32; fixed when the run is made |
| `fp32` | no TF32 anywhere |
| `auto` threads | resolved at the first start, stored, and used again when the run is resumed |
"""


def configuration_page() -> str:
    """Make the page of all options as Markdown."""
    parts = [_TOP.format(defaults=to_yaml(RunConfig()))]
    for name, field in RunConfig.model_fields.items():
        if name == "method":
            parts += [_methods(), _LAYER_RULES + "\n" + _table(_layer_rules())]
            parts += _extension_options(RULES, "rule", "method.rule.")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Options):
            about = _first_line(field.annotation)
            parts.append(f"## `{name}`\n\n{about}\n\n" + _table(describe(field.annotation, f"{name}.")))
            if name == "data":
                parts += _extension_options(DATASETS, "dataset", "data.")
            elif name == "model":
                parts += _extension_options(MODELS, "name", "model.")
        else:
            parts.append(_table(info for info in describe(RunConfig) if info.path == name))
    return "\n".join([*parts, _WORDS])


def _methods() -> str:
    text = "## `method`\n\nHow the network is trained; `method.name` decides which options there are.\n"
    for name in METHODS:
        options = method_options_class(name)
        table = _table(describe(options, "method."))
        text += f"\n### `name: {name}`\n\n{_first_line(options)}\n\n{table}"
    return text


def _extension_options(entries: Mapping[str, Entry], option: str, prefix: str) -> Iterator[str]:
    """Make a table for each entry of an extension that has options; built-in entries have none."""
    for name, entry in entries.items():
        if entry.arguments:
            table = _table(describe(with_arguments(Options, entry.arguments), prefix))
            yield f"### `{option}: {name}`\n\n{entry.label} ({entry.origin}).\n\n{table}"


def _layer_rules() -> Iterable[OptionInfo]:
    return describe(LayerRule)


def _table(options: Iterable[OptionInfo]) -> str:
    lines = ["| option | default | unit | allowed | meaning |", "|---|---|---|---|---|"]
    for info in options:
        cells = (f"`{info.path}`", _default(info), info.unit or "", info.allowed, info.help)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(info: OptionInfo) -> str:
    if info.required:
        return "(required)"
    return f"`{_yaml(info.default)}`"


def _yaml(value: Any) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    plain = list(plain) if isinstance(plain, tuple) else plain
    return yaml_text(plain, flow=True)


def _first_line(options: type[Options]) -> str:
    return (options.__doc__ or "").partition("\n")[0]


if __name__ == "__main__":
    with activated(find_workspace_dir(sys.argv[2])) if len(sys.argv) > 2 else nullcontext():
        Path(sys.argv[1]).write_text(configuration_page(), encoding="utf-8")
