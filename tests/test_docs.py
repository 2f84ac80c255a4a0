"""Examples of docstrings run, Python on the pages names what is there, and links lead somewhere."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import hebbax

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for folder in (
        ROOT,
        ROOT / "docs",
        ROOT / "docs" / "notebooks",
        ROOT / "models",
        ROOT / "analysis",
    )
    for path in folder.glob("*.md")
)
WITH_EXAMPLES = [
    path for path in sorted((ROOT / "src" / "hebbax").rglob("*.py")) if ">>> " in path.read_text()
]

FENCE = re.compile(r"^```.*?^```", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")
PYTHON = re.compile(r"^```(?:python|\{code-cell\})\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?\)")
NAME = re.compile(r"(?<![\w./-])hebbax(?:\.[A-Za-z_]\w*)+")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=relative)
def test_examples_of_docstrings_run(path):
    found = doctest.testmod(
        importlib.import_module(module_of(path)), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert found.attempted > 0
    assert found.failed == 0


def python_of(page: Path) -> str:
    """All Python of a page, one after the other, without cells of the command line."""
    blocks = PYTHON.findall(page.read_text())
    return "\n".join(block for block in blocks if block[0] not in "!%")


def dotted(node: ast.AST) -> list[str]:
    """The names of `a.b.c`; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return [*before, node.attr] if (before := dotted(node.value)) else []
    return [node.id] if isinstance(node, ast.Name) else []


def imported(tree: ast.AST) -> dict[str, object]:
    """What the imports of hebbax on a page give."""
    names: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(one.name == "hebbax" for one in node.names):
            names["hebbax"] = hebbax
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hebbax":
            for one in node.names:
                names[one.asname or one.name] = pkgutil.resolve_name(f"{node.module}.{one.name}")
    return names


def looked_up(names: dict[str, object], node: ast.AST) -> object | None:
    """What a dotted name of hebbax stands for; None for another one."""
    first, *more = dotted(node) or [""]
    found = names.get(first)
    for name in more:
        found = None if found is None else getattr(found, name)
    return found


# What was is told by its name of then.
NOW = [page for page in PAGES if page.name not in ("CHANGELOG.md", "decisions.md")]
WITH_PYTHON = [page for page in PAGES if python_of(page)]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=relative)
def test_python_of_a_page_names_what_is_there(page):
    tree = ast.parse(python_of(page))
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            looked_up(names, node)
        if isinstance(node, ast.Call) and callable(called := looked_up(names, node.func)):
            taken = inspect.signature(called).parameters.values()
            if not any(one.kind is one.VAR_KEYWORD for one in taken):
                given = {one.arg for one in node.keywords if one.arg is not None}
                assert given <= {one.name for one in taken}, ast.unparse(node)


@pytest.mark.parametrize("page", NOW, ids=relative)
def test_names_of_hebbax_on_a_page_are_there(page):
    for code in CODE.findall(FENCE.sub("", page.read_text())):
        for name in NAME.findall(code):
            pkgutil.resolve_name(name)


def test_the_reference_lists_every_public_name():
    page = (ROOT / "docs" / "api.md").read_text()
    listed = re.findall(r"^\.\. auto\w+:: ([A-Za-z_]+)$", page, re.M)
    assert sorted([*listed, "__version__"]) == sorted(hebbax.__all__)


def anchors(page: Path) -> set[str]:
    """The anchors of a page as a code host makes them."""
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page):
    for path, anchor in LINK.findall(CODE.sub("", FENCE.sub("", page.read_text()))):
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{path}#{anchor}"
