"""What the terminal shows of a comparison."""

import pandas as pd
from rich.console import Console

from hebbax.check.score import Score
from hebbax.cli.console import CONSOLE, bars, lines, score_table
from hebbax.posterior.verdict import Verdict


def test_no_name_and_no_mark_is_cut_where_the_terminal_is_narrow():
    names = ["rajagopalan-forgetting", "forgetting-habit"]
    row = {
        "elpd_loo": -1796.8, "difference": -162.9, "difference_se": 16.2, "animal_se": 39.8,
        "animals_better": 10, "bad_k": 976,
    }  # fmt: skip
    table = pd.DataFrame([{**row, "animals_better": pd.NA}, row], index=names)
    verdicts = dict(
        zip(names, (Verdict((), {}, ""), Verdict(("R-hat is 1.6",), {}, "")), strict=True)
    )
    each = pd.DataFrame(0.0, names, [f"fly{k}" for k in range(12)])
    score = Score("a choice among known ones", table, each, verdicts)
    console = Console(width=80, record=True)
    console.print(score_table(score))
    lines = [line for line in console.export_text().split("\n") if line.strip()]
    first, second, *rest = lines[[line[1] for line in lines].index("r") :]
    assert first.split() == ["rajagopalan-forgetting", "-1796.8", "-162.9", "16.2", "39.8", "976"]
    assert second[23:].split() == ["-1796.8", "-162.9", "16.2", "39.8", "10", "of", "12", "976"]
    assert (
        " ".join(" ".join([second[:23], *rest]).split())
        == "forgetting-habit (FAILED its diagnostics)"
    )


def test_without_a_terminal_progress_is_lines_now_and_then(capsys):
    with bars() as add:
        tell = add("fitted")
        tell("sampling", 3, 4)
    often, seldom = lines("fitted", every=0.0), lines("other", every=60.0)
    for done in (1, 2):
        often("sampling", done, 2)
        seldom("sampling", done, 2)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "fitted: sampling, 1 of 2, 0.0 min\nfitted: sampling, 2 of 2, 0.0 min\n"


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
