"""The Python of every page runs, from its first block to its last, and the commands between them.

What runs is the text of the page, on small simulated recordings under the file names that it uses, with
few animals and draws. Notebooks run as they are written, when the site is built.
"""

import ast
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import jax
import pytest
from command import SHORT, run

import hebbax
from hebbax.cli.commands import commands
from hebbax.rule.layer import Layer
from hebbax.rule.taylor import TaylorRule
from hebbax.simulation.recording_task import LayerTask, record

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(python|sh|\{code-cell\})\n(.*?)^```", re.M | re.S)
COMMAND = re.compile(r"^!?(hebbax .*)", re.M)
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "```python" in page.read_text()
]
STUDIES = ("README", "index")
"""Pages that compare all models of a task, which is slow; the first page that a reader opens,
getting-started, does so too, and there two models stand for all."""

TWO = ("no-learning", "forgetting")
FEW = {"warmup": int(SHORT[1]), "draws": int(SHORT[3]), "progress": False}
SMALL = {"animals": 2, "trials_per_block": 10}
LESS = {"hebbax.fit": FEW, "hebbax.run": FEW, "hebbax.simulate": SMALL}
"""Arguments of a call, in place of those of the page or beside them."""

Arguments = Mapping[str, Mapping[str, object]]


class Less(ast.NodeTransformer):
    """Give the calls of a page less to do."""

    def __init__(self, less: Arguments) -> None:
        self.less = less

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        less = self.less.get(ast.unparse(node.func), {})
        kept = [own for own in node.keywords if own.arg not in less]
        node.keywords = kept + [ast.keyword(name, ast.Constant(less[name])) for name in less]
        return node


def write_recordings(trials_per_block: int) -> None:
    """Write every table that a page names into the working folder."""
    sessions = hebbax.simulate(**SMALL | {"trials_per_block": trials_per_block}).sessions
    table = hebbax.to_frame(sessions)
    mice = table.replace({"animal 1": "WS05", "animal 2": "WS06", "A": "left", "B": "right"})
    tables = {
        "choices": table,
        "mice": mice,
        "photometry": mice[["animal"]].assign(dopamine=mice["reward"] + 0.01 * mice.index),
        "bandit": table.rename(columns={"animal": "Mouse ID", "reward": "drops"}).assign(day=1),
    }
    for name, rows in tables.items():
        rows.to_csv(f"{name}.csv", index=False)


def recorded_activity() -> dict[str, object]:
    """Return the arrays that a page takes from its reader, of a layer that was simulated."""
    layer = Layer(TaylorRule(("x y", "y^2 w", "w")), unit="sigmoid", learning_rate=1.0)
    task = LayerTask(n_inputs=3, n_neurons=2, trajectories=2, steps=8)
    found = record(jax.random.PRNGKey(0), layer, task)
    return {"inputs": found.inputs, "activity": found.activity, "initial_weights": found.initial}


def type_in(line: str) -> None:
    """Run a line of a terminal, with few draws and models, where what it reads is there: not what a
    word in capitals stands for, a recording that the reader has, nor results of another page."""
    name, *words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    if not any(Path(word).exists() for word in words):
        return
    options = {option for each in commands.commands[name].params for option in each.opts}
    less = SHORT if SHORT[2] in options else ()
    less += ("--model", ",".join(TWO)) if "--model" in options and "--model" not in words else ()
    ended = run(name, *words, *less)
    assert ended.returncode == 0, (line, ended.stderr)


def run_page(page: Path, less: Arguments) -> None:
    names = recorded_activity()
    for kind, block in BLOCK.findall(page.read_text()):
        if kind == "sh" or block.startswith("!"):
            for line in COMMAND.findall(block):
                type_in(line)
        else:
            tree = ast.fix_missing_locations(Less(less).visit(ast.parse(block)))
            exec(compile(tree, str(page), "exec"), names)


QUICK = [page for page in PAGES if page.stem not in STUDIES]


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")  # ArviZ's, of few draws
@pytest.mark.parametrize("page", QUICK, ids=lambda page: page.stem)
def test_a_page_runs(page, tmp_path, monkeypatch):
    """Half of the trials that `checks` splits are as many as the other pages have: one program."""
    monkeypatch.chdir(tmp_path)
    write_recordings(20 if page.stem == "checks" else 10)
    run_page(page, LESS | {"hebbax.run": {**FEW, "models": TWO}})


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_page_that_compares_all_models_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recordings(10)
    (page,) = (page for page in PAGES if page.stem == name)
    run_page(page, LESS)
