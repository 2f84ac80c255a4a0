"""What the terminal shows of a comparison."""

import jax
import jax.numpy as jnp
import pandas as pd
import pytest
from jax import monitoring
from rich.console import Console

from hebbax.check.score import Score
from hebbax.cli.console import CONSOLE, print_table, score_table, table
from hebbax.cli.progress import BEGINS, ENDS, Lines, bars, compiler
from hebbax.posterior.verdict import Verdict


def test_no_name_and_no_mark_is_cut_where_the_terminal_is_narrow():
    names = ["rajagopalan-forgetting", "forgetting-habit"]
    row = {
        "elpd_loo": -1796.8, "difference": -162.9, "difference_se": 16.2, "animal_se": 39.8,
        "animals_better": 10, "bad_k": 976,
    }  # fmt: skip
    rows = pd.DataFrame([{**row, "animals_better": pd.NA}, row], index=names)
    verdicts = dict(
        zip(names, (Verdict((), {}, ""), Verdict(("R-hat is 1.6",), {}, "")), strict=True)
    )
    each = pd.DataFrame(0.0, names, [f"fly{k}" for k in range(12)])
    score = Score("a choice among known ones", rows, each, verdicts)
    console = Console(width=80, record=True)
    print_table(score_table(score), console)
    lines = [line for line in console.export_text().split("\n") if line.strip()]
    first, second, *rest = lines[[line[1] for line in lines].index("r") :]
    assert first.split() == ["rajagopalan-forgetting", "-1796.8", "-162.9", "16.2", "39.8", "976"]
    assert second[23:].split() == ["-1796.8", "-162.9", "16.2", "39.8", "10", "of", "12", "976"]
    assert (
        " ".join(" ".join([second[:23], *rest]).split())
        == "forgetting-habit (FAILED its diagnostics)"
    )


WORDS = [
    "population",
    "truth",
    "median",
    "interval",
    "diagnostics",
    "theta",
    "preference",
    "forgetting-free-softmax",
]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_table_cuts_no_word_in_a_terminal_of_any_width(width):
    values = pd.DataFrame(
        {"truth": 0.35, "median of all": 0.387, "in the 90 % interval": "yes", "diagnostics": "imprecise"},
        index=["theta x r", "preference", "forgetting-free-softmax"],
    )  # fmt: skip
    console = Console(width=width, record=True)
    print_table(table("population", values), console)
    text = console.export_text()
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for word in (*WORDS, "0.350", "0.387", "yes", "imprecise"):
        assert word in text.split()


def test_without_a_terminal_progress_is_lines_now_and_then(capsys):
    with bars() as add:
        add("taken")
        tell = add("fitted")
        tell("finding the starts", 0, 1)
        tell("sampling", 3, 4)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")  # it was over before the first beat


def test_a_beat_says_how_far_it_is_and_what_is_compiled(capsys):
    lines = Lines()
    lines.beat()
    one, other = lines.add("one"), lines.add("other")
    one("warming up", 0, 9)
    lines.beat()
    compiler().begun(BEGINS)
    compiler().begun("/another/event")
    one("sampling", 3, 9)
    lines.beat()
    compiler().ended(ENDS, 1.0)
    compiler().ended(ENDS, 1.0)  # one that was not asked for by the cache
    one("sampling", 9, 9)
    lines.beat()  # nothing is under way
    other("checking", 1, 2)
    lines.beat()
    assert capsys.readouterr().err.splitlines() == [
        "one: warming up, 0 of 9, 0.0 min",
        "one: sampling, 3 of 9, 0.0 min (compiling)",
        "other: checking, 1 of 2, 0.0 min",
    ]


def test_what_jax_compiles_is_counted_in_and_out():
    seen = []

    def listened(event, *_, **__):
        seen.append((event, compiler().busy))

    compiler()
    monitoring.register_event_listener(listened)
    try:
        jax.jit(lambda x: 3.14159 * x + 2.71828)(jnp.ones(7)).block_until_ready()
    finally:
        monitoring.unregister_event_listener(listened)
    assert (BEGINS, 1) in seen
    assert compiler().busy == 0


def test_a_bar_is_shown_of_what_is_done_and_none_of_what_was_there(capsys, monkeypatch):
    monkeypatch.setattr(CONSOLE, "_force_terminal", True)
    CONSOLE.width = 100
    with bars() as add:
        add("taken")
        tell = add("fitted")
        tell("sampling", 3, 4)
        tell("done", 4, 4)
    out = capsys.readouterr().out
    assert "fitted: done" in out
    assert "4/4" in out
    assert "taken" not in out
    assert "None" not in out
