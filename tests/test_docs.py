"""Examples of docstrings run, names on the pages are there, and links lead somewhere."""

import doctest
import importlib
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


# What was is told by its name of then.
NOW = [page for page in PAGES if page.name not in ("CHANGELOG.md", "decisions.md")]


@pytest.mark.parametrize("page", NOW, ids=relative)
def test_names_of_hebbax_on_a_page_are_there(page):
    for code in CODE.findall(FENCE.sub("", page.read_text())):
        for name in NAME.findall(code):
            pkgutil.resolve_name(name)


def test_the_reference_lists_every_public_name():
    page = (ROOT / "docs" / "api.md").read_text()
    listed = re.findall(r"^\.\. auto\w+:: ([A-Za-z_]+)(?:\(.*\))?$", page, re.M)
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
