"""Every analysis runs with --quick, on simulated animals, and says there what is true of them.

One run a script serves all tests; they share the programs that JAX compiled.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hebbax.runs.ledger import read

ANALYSIS = Path(__file__).parents[1] / "analysis"


def imported(name):
    """Return a script as a module, imported as it is when it runs by itself."""
    sys.path.insert(0, str(ANALYSIS))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(ANALYSIS))
        for own in ANALYSIS.glob("*.py"):
            sys.modules.pop(own.stem, None)


LISTED = imported("all")
SCRIPTS = (*LISTED.SIMULATED, *LISTED.OF_FLIES)


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """Return the folder in which a script of `SCRIPTS` has run with --quick."""
    folder, done = tmp_path_factory.mktemp("analyses"), set()

    def run(name):
        if name not in done:
            result = CliRunner().invoke(imported(name).main, ["--quick", "--out", str(folder)])
            assert result.exit_code == 0, result.output
            done.add(name)
        return folder

    return run


def test_all_runs_every_script_there_is():
    others = {"all", "plain", "plain_layer", "samplers"}
    assert {own.stem for own in ANALYSIS.glob("*.py")} - others == set(SCRIPTS)


LONG = (
    "benchmark", "benchmark_weighing", "false_alarms", "fig3_reward", "fig4_flies", "fig5_sparsity", "fig8_heldout",
    "fig7_input", "fig9_forgetting", "first_parts", "five_terms", "fly_evidence", "fly_terms", "forced_trials", "sparse_cohorts", "stan_bandit",
    "table2_scale", "table3_rules",
)  # fmt: skip
"""Scripts whose parts have files of tests of their own, here with -m slow: minutes of compiling."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in SCRIPTS],
)
def test_a_quick_run_leaves_tables_that_say_what_they_were_made_with(name, quick):
    tables = sorted(quick(name).glob(f"{name.split('_')[0]}*.csv"))
    assert all(len(read(table)) for table in tables)
    first_lines = [table.read_text().splitlines()[0] for table in tables]
    assert any(line.startswith("# hebbax ") for line in first_lines)


def test_oja_is_found_without_noise_and_intervals_miss_it_without_inputs(quick):
    fits = read(quick("fig2_oja") / "fig2_oja.csv")
    clean = fits[fits["noise"] == 0]
    np.testing.assert_allclose(clean["mean"], clean["truth"], atol=1e-3)
    assert (clean["r2_weights"] > 0.99).all()
    noisy = fits[(fits["noise"] == 0.2) & (fits["fraction"] == 1)]
    off = ((noisy["mean"] - noisy["truth"]) / noisy["sd"]) ** 2
    by_case = off.groupby(noisy["case"]).mean()
    assert by_case["a tenth of the inputs unrecorded"] > 1.5 > by_case["well specified"]


@pytest.mark.slow
def test_held_out_simulated_flies_are_predicted_better_than_by_null_and_a_coin(quick):
    table = read(quick("fig8_heldout") / "fig8_summary.csv")
    carried = table[table["weights"] == "carried"].set_index("model")
    gains = carried.loc["forgetting"]
    assert gains["total over no-learning"] > 2 * gains["total se over no-learning"]
    assert gains["total over coin"] > 2 * gains["total se over coin"]
    # A preference learnt in the first half is no prediction of the second.
    assert carried.loc["no-learning", "total over coin"] < 0


@pytest.mark.slow
def test_the_forgetting_of_simulated_flies_lies_in_its_interval_from_their_first_half(quick):
    forgetting = read(quick("fig9_forgetting") / "fig9_forgetting.csv")
    everyone = forgetting[forgetting["animal"] == "population"].iloc[0]
    assert everyone["low"] < -0.06 < everyone["high"]


@pytest.mark.slow
def test_the_accept_reject_record_tells_more_of_single_flies_than_the_choices(quick):
    flies = read(quick("fig4_flies") / "fig4_flies.csv")
    five = flies[(flies["model"] == "rajagopalan-forgetting") & (flies["reward"] == "expected")]
    decay = five[five["quantity"] == "w"].groupby("fit")["value"]
    error = decay.apply(lambda found: (found + 0.06).abs().mean())
    assert error["L1, accept/reject"] < error["L1"]


def test_pairs_of_fig4_are_differences_of_the_same_fly():
    fig4 = imported("fig4_flies")
    flies = [f"Fly{k}" for k in range(6)]
    percent = pd.DataFrame(
        [
            ("L1", model, reward, fly, "percent", shift + k)
            for (model, reward), shift in {
                (fig4.WITH, "expected"): 3.0, (fig4.WITHOUT, "expected"): 2.0, (fig4.WITH, "raw"): 5.0
            }.items()
            for k, fly in enumerate(flies)
        ],
        columns=[*fig4.CELL, "animal", "quantity", "value"],
    )  # fmt: skip
    names = [fig4.WITH, fig4.WITHOUT, f"{fig4.WITH}-raw"]
    loo = pd.DataFrame([[-10.0] * 6, [-12.0] * 6, [-9.5] * 6], index=names, columns=flies)
    found = fig4.pairs(percent, loo).set_index(["pair", "fit"])
    assert list(found["median"]) == [1.0, 2.0, -2.0, -0.5]
    assert list(found["better"]) == [6, 6, 0, 0]


@pytest.mark.slow
def test_the_benchmark_of_weighing_times_what_it_counted(quick):
    rows = read(quick("benchmark_weighing") / "benchmark_weighing.csv")
    assert list(rows["what"]) == ["sub-models", "sub-models", "simulation"]
    assert list(rows["number"]) == [4, 4, 1]
    assert (rows["seconds"] > 0).all()


@pytest.mark.slow
def test_the_benchmark_has_one_row_an_implementation_and_size(quick):
    rows = read(quick("benchmark") / "benchmark.csv")
    timed = rows[rows["section"] == "value and gradient"]
    assert sorted(zip(timed["implementation"], timed["animals"], strict=True)) == sorted(
        (name, n) for name in ("hebbax", "plain, 27 terms", "plain, 2 terms") for n in (1, 12)
    )
    assert (timed["ms"] > 0).all()
    drawn = rows[rows["section"] == "posterior draws"]
    assert list(drawn["implementation"]) == ["hebbax", "NumPyro, plain"]
    # Twenty draws cannot pass, and the row says so.
    assert drawn["verdict"].str.startswith("FAILED").all()
