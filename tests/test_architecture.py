"""The layout's promises: who imports whom, how long a file may be, what a public name says of itself."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "diffusion", "data", "eval", "training", "conf", "generation")
MAY_IMPORT = {
    "models": {"models"},
    "diffusion": {"diffusion"},
    "data": {"data"},
    "eval": {"eval"},
    "training": {"training", "models"},
    "conf": set(PACKAGES) - {"generation"},
    "generation": {"generation", "conf", "data", "diffusion", "eval", "training"},
}
PROGRAMS = {"training/score.py": {"conf", "generation"}}  # files of a package that are run, and that nothing imports
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FILES += [ROOT / "train.py", ROOT / "sample.py"]


def modules(path: Path) -> set[str]:
    """The modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def imports(path: Path) -> set[str]:
    """Top-level names that a file imports."""
    return {name.split(".")[0] for name in modules(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_import_rule(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    package = path.relative_to(ROOT).parts[0]
    project = imports(path) & {*PACKAGES, "train", "sample", "tests"}
    assert project <= PROGRAMS.get(name, MAY_IMPORT.get(package, set(PACKAGES)))
    assert not modules(path) & {program.removesuffix(".py").replace("/", ".") for program in PROGRAMS}
    if package == "training" and path.name != "checkpoint.py":
        assert "models" not in project, "only checkpoint.py may rebuild a network"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_length_and_docstrings(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= (250 if path.name == "train.py" else 300)
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the file does not say what lives in it"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_no_package_index_and_no_large_file_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            assert path.stat().st_size < 2 * 2**20, f"{name} is large"
            assert b"pythonhosted" not in path.read_bytes() or name == "tests/test_architecture.py", name
