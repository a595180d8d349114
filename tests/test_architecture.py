"""The rules of the design that no reader should have to check: imports, SQL, side effects, names, sizes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from iterand_engine.config import catalog
from tests.paths import ROOT

CODE_FOLDERS = ("iterand_engine", "iterand_gui", "tests", "benchmarks")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60
MAX_ROOMS = 20

# Below iterand_engine: what trains or opens trained weights. Everything else must do without torch.
MAY_IMPORT_TORCH = {
    "benchmarking",
    "building",
    "contract_checks",
    "contract_runs",
    "data",
    "inspecting",
    "masking",
    "measuring",
    "methods",
    "models",
    "network_exports",
    "probe",
    "random_source",
    "reproduce",
    "run_files",
    "training",
    "worker",
}
# What the window may import of the engine; the rest it starts as a process.
GUI_MAY_IMPORT = {
    "analysis",
    "catalog",
    "config",
    "dataset_places",
    "devices",
    "differing",
    "disk_use",
    "environment",
    "errors",
    "exports",
    "extension_files",
    "extensions",
    "estimates",
    "filesystems",
    "filter_fields",
    "filters",
    "fingerprints",
    "grouping",
    "launching",
    "mask_files",
    "method_options",
    "options",
    "places",
    "presets",
    "probe_messages",
    "probing",
    "processes",
    "queueing",
    "resources",
    "run_log",
    "run_search",
    "series_files",
    "store",
    "sweep_grid",
    "sweeps",
    "trash_files",
    "workspace",
    "yaml_text",
}
QT = ("iterand_gui", "PySide6", "PySide2", "PyQt5", "PyQt6", "qtpy", "pyqtgraph")
TORCH = ("torch", "torchvision")
UNIX_ONLY_MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
UNIX_ONLY_NAMES = re.compile(
    r"os\.(fork\w*|sched_\w+|setsid|[gs]ete?[ug]id|killpg|getpgid|uname|statvfs|mkfifo|O_DIRECT)"
    r"|signal\.(SIGKILL|SIGHUP|SIGUSR[12]|SIGCHLD|SIGSTOP|SIGTSTP|SIGCONT|SIGALRM|SIGQUIT)"
)
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|PRAGMA\s+\w"
    r"|CREATE\s+(TABLE|INDEX|TRIGGER)\s|ALTER\s+TABLE\s|BEGIN\s+(IMMEDIATE|EXCLUSIVE))",
    re.DOTALL,
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def importable_modules(package: str) -> list[str]:
    """All modules, except alembic's scripts, which only alembic can run, and programs (`__main__`)."""
    files = [p for p in python_files(package) if "migrations" not in p.parts and p.stem != "__main__"]
    return [module_name(path) for path in files]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Full names that a file imports anywhere, functions and TYPE_CHECKING blocks included."""
    package = module_name(path) if path.stem == "__init__" else module_name(path).rpartition(".")[0]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            )
            module = ".".join(part for part in (base, node.module or "") if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def prefixes(name: str) -> list[str]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def is_under(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when the module is imported: everything but function bodies and TYPE_CHECKING blocks."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        if isinstance(child, ast.Lambda):
            continue
        if isinstance(child, Function):
            for part in (*child.decorator_list, *child.args.defaults, *filter(None, child.args.kw_defaults)):
                yield part
                yield from at_module_level(part)
            continue
        yield from at_module_level(child)


def docstrings(path: Path) -> set[int]:
    """The ids of the constant nodes that are docstrings."""
    owners = (n for n in ast.walk(tree(path)) if isinstance(n, ast.Module | ast.ClassDef | Function))
    first = (owner.body[0] for owner in owners if owner.body)
    return {id(statement.value) for statement in first if isinstance(statement, ast.Expr)}


def run_python(
    script: str, *arguments: str, cwd: Path, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PYTHONPATH": str(ROOT),
        "PATH": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    places = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    environment |= dict.fromkeys(places, str(home or cwd))
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_that_the_contract_of_imports_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.importlinter` says which room may import what, and which may not import torch, Qt or SQL."""
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def test_that_the_engine_fits_on_one_screen() -> None:
    rooms = {path.name for path in (ROOT / "iterand_engine").iterdir() if path.name != "__pycache__"}
    assert len(rooms - {"__init__.py", "py.typed"}) <= MAX_ROOMS


def test_that_no_two_types_have_one_name() -> None:
    """Names with an underscore are a file's own."""
    found: dict[str, set[str]] = {}
    for path in python_files("iterand_engine", "iterand_gui"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, set()).add(module_name(path))
    twice = {name: sorted(modules) for name, modules in found.items() if len(modules) > 1}
    assert not twice


def test_that_a_command_is_known_without_torch(tmp_path: Path) -> None:
    """Commands import what trains when they train, not when they are listed."""
    modules = importable_modules("iterand_engine/cli")
    assert "iterand_engine.cli.train" in modules
    script = """
import importlib, sys
BLOCKED = ("torch", "torchvision", "PySide6", "PyQt5", "PyQt6")
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} must not be imported here")
sys.meta_path.insert(0, Blocker())
failed = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append(f"{name}: {error}")
sys.exit("\\n".join(failed) or None)
"""
    done = run_python(script, *modules, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", ["iterand_engine", "iterand_gui"])
def test_that_no_program_code_imports_tests_or_benchmarks(folder: str) -> None:
    found = [
        (p.name, n) for p in python_files(folder) for n in imports(p) if is_under(n, ("tests", "benchmarks"))
    ]
    assert not found


def test_that_only_the_store_writes_sql() -> None:
    for path in python_files("iterand_engine", "iterand_gui"):
        if "store" in path.relative_to(ROOT).parts:
            continue
        documentation = docstrings(path)
        for node in ast.walk(tree(path)):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in documentation
            ):
                assert not SQL.search(node.value), f"{path}:{node.lineno} holds SQL: {node.value!r}"


def test_that_importing_a_module_does_nothing_else(tmp_path: Path) -> None:
    home, cwd = tmp_path / "home", tmp_path / "cwd"
    home.mkdir()
    cwd.mkdir()
    script = """
import contextlib, importlib, io, logging, os, random, signal, sys, threading
import numpy, psutil, torch
home, packages, *modules = sys.argv[1:]
for package in packages.split():  # what others do when they are imported is not ours to judge
    with contextlib.suppress(ImportError):
        importlib.import_module(package)
def state():
    return {
        "files": [os.path.join(d, f) for top in (home, ".") for d, ds, fs in os.walk(top) for f in ds + fs],
        "threads": threading.active_count(),
        "processes": len(psutil.Process().children()),
        "environment": dict(os.environ),
        "logging": (len(logging.getLogger().handlers), logging.getLogger().level),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "hooks": (sys.excepthook, threading.excepthook),
        "random": (hash(random.getstate()), torch.initial_seed(), int(numpy.random.get_state()[1].sum())),
        "torch": (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(),
                  torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32,
                  torch.are_deterministic_algorithms_enabled()),
        "cwd": os.getcwd(),
    }
before = state()
for name in modules:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        importlib.import_module(name)
    after = state()
    changed = [key for key in before if before[key] != after[key]]
    if changed or said.getvalue():
        sys.exit(f"importing {name} changes {changed} and prints {said.getvalue()!r}")
"""
    ours = (
        "iterand_engine",
        "torchvision",
    )  # torchvision takes seconds: nothing may import it at module level
    others = {
        part
        for p in python_files("iterand_engine")
        for n in imports(p)
        if not is_under(n, ours)
        for part in prefixes(n)
    }
    done = run_python(
        script, str(home), " ".join(sorted(others)), *importable_modules("iterand_engine"), cwd=cwd, home=home
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_that_nothing_at_module_level_is_for_one_system_only() -> None:
    for path in python_files("iterand_engine", "iterand_gui"):
        for node in at_module_level(tree(path)):
            where = f"{path}:{getattr(node, 'lineno', '?')}"
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & set(UNIX_ONLY_MODULES), where
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in UNIX_ONLY_MODULES, where
            elif isinstance(node, ast.Attribute):
                assert not UNIX_ONLY_NAMES.fullmatch(ast.unparse(node)), where


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(entry, id=f"{kind}-{entry.name}")
        for kind in ("MODELS", "DATASETS", "METHODS", "RULES")
        for entry in getattr(catalog, kind).values()
    ],
)
def test_that_every_catalog_entry_resolves(entry: catalog.Entry) -> None:
    assert callable(entry.load())
    assert entry.label


def test_that_files_and_functions_stay_readable() -> None:
    for path in python_files(*CODE_FOLDERS):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MAX_FILE_LINES, f"{path} has {lines} lines"
        for node in ast.walk(tree(path)):
            if isinstance(node, Function):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= MAX_FUNCTION_LINES, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_that_every_module_says_what_it_is_for() -> None:
    for path in python_files(*CODE_FOLDERS):
        if path.read_text(encoding="utf-8").strip():
            assert ast.get_docstring(tree(path)), f"{path} has no docstring"


def sentences(path: Path) -> Iterator[str]:
    """The texts of a file but for docstrings, and words that are nothing but an argument of a process."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and node not in docstrings else None
        if isinstance(text, str) and not re.fullmatch(r"--[a-z0-9-]+(=\S*)?", text):
            yield text


def test_that_only_the_command_line_speaks_of_its_options() -> None:
    doors = ("iterand_engine/cli/",)
    for path in python_files("iterand_engine", "iterand_gui"):
        where = path.relative_to(ROOT).as_posix()
        if not where.startswith(doors):
            named = [text for text in sentences(path) if re.search(r"(^|[\s`(])--[a-z]", text)]
            assert named == [], f"{where} names options of the command line; use errors.Advice"
