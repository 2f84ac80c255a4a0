"""The site: `sphinx-build -W -n --keep-going docs BUILD` (decision 128).

Pages are written to be read on a code host too. There they link to files outside docs/, of which
some are pages of the site; `relink` turns such a link to the page.
"""

import os
import pkgutil
import posixpath
import re
from pathlib import Path

import click
from docutils.nodes import Element
from sphinx.application import Sphinx

import hebbax
from hebbax.cli.commands import commands

project = "hebbax"
author = copyright = "The hebbax authors"
release = version = hebbax.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
]
# The paper has readers of its own.
exclude_patterns = ["joss"]

# What stands in single backticks of a docstring is a link where the reference has it.
default_role = "py:obj"
highlight_language = "none"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

# A cell that calls the command line is no terminal, whatever Jupyter says.
os.environ["TTY_COMPATIBLE"] = "0"

# `-D nb_execution_mode=off` builds the text alone.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "shown"}
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Other libraries have sites of their own, and a build asks no network for them. Of names of hebbax
# that have no entry `known` asks that they are there.
nitpick_ignore_regex = [("py:.*", r"(?!hebbax\.).*")]

html_theme = "pydata_sphinx_theme"
html_title = "hebbax"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {name: [] for name in ("index", "getting-started", "glossary")}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "header_links_before_dropdown": 9,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}

DOCS = Path(__file__).parent
SHOWN = {
    "../README.md": "index.md",
    "../CHANGELOG.md": "changes.md",
    "../CONTRIBUTING.md": "contributing.md",
    "../analysis/README.md": "measurements.md",
    "../models/README.md": "declared-models.md",
}
"""Files outside docs/ and the page that shows each, both from docs/."""

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)(?P<path>[^)#\s]+)")


def relink(text: str, folder: str, page: str) -> str:
    """Return the text of a file in a folder, with links that lead to the same from a page in
    another; both folders from docs/."""

    def lead(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, found["path"]))
        return posixpath.relpath(SHOWN.get(target, target), page or ".")

    return LINK.sub(lead, text)


def read(_: Sphinx, name: str, source: list[str]) -> None:
    """Relink a page."""
    folder = posixpath.dirname(name)
    source[0] = relink(source[0], folder, folder)


def read_included(_: Sphinx, path: Path, name: str, source: list[str]) -> None:
    """Relink a file that a page of docs/ itself includes."""
    source[0] = relink(source[0], posixpath.dirname(path.as_posix()), ".")


def known(_: Sphinx, env: object, node: Element, content: Element) -> Element | None:
    """Leave a name of hebbax that has no entry as text; one that does not exist is a warning."""
    try:
        pkgutil.resolve_name(node["reftarget"])
    except (ImportError, AttributeError, ValueError):
        return None
    return content


# Help shows defaults by a setting of the command line, of which sphinx-click knows nothing.
for command in commands.commands.values():
    for option in command.params:
        if isinstance(option, click.Option):
            option.show_default = True

OPTION = re.compile(r"(?<!\S)(--[a-z]+(?:-[a-z]+)*)")
DEFAULT = re.compile(r":default: ``(?:PosixPath\()?'?(?P<value>.*?)'?\)?``")


def told(_: Sphinx, __: click.Context, lines: list[str]) -> None:
    """Write options in a help text as code, and defaults as they are typed, where there are any."""
    for k, line in enumerate(lines):
        if found := DEFAULT.search(line):
            value = found["value"]
            none = value in ("Sentinel.UNSET", "None", "False")
            lines[k] = "" if none else DEFAULT.sub(f":default: ``{value}``", line)
        elif not line.lstrip().startswith(".."):
            lines[k] = OPTION.sub(r"``\1``", line)


def setup(app: Sphinx) -> None:
    """Register the hooks."""
    app.connect("missing-reference", known)
    app.connect("source-read", read)
    app.connect("include-read", read_included)
    app.connect("sphinx-click-process-description", told)
    app.connect("sphinx-click-process-options", told)
