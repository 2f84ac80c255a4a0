"""The scripts of the flies run without them, on simulated ones, and say what is true there."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hebbax.ledger import read

ANALYSIS = Path(__file__).parents[1] / "analysis"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a script with --quick, and read a table that it wrote."""
    monkeypatch.syspath_prepend(str(ANALYSIS))

    def call(name, table):
        script = __import__(name)
        result = CliRunner().invoke(script.main, ["--quick", "--out", str(tmp_path)])
        sys.modules.pop(name)
        assert result.exit_code == 0, result.output
        assert (tmp_path / f"{name}.png").is_file()
        return read(tmp_path / f"{table}.csv")

    return call


@pytest.mark.slow
def test_held_out_simulated_flies_are_predicted_better_than_by_null_and_a_coin(run):
    table = run("fig8_heldout", "fig8_summary")
    carried = table[table["weights"] == "carried"].set_index("model")
    gains = carried.loc["forgetting"]
    assert gains["total over null"] > 2 * gains["total se over null"]
    assert gains["total over coin"] > 2 * gains["total se over coin"]
    # A preference learnt in the first half is no prediction of the second.
    assert carried.loc["null", "total over coin"] < 0
    # Fig. 9 takes the posterior as it is.
    forgetting = run("fig9_forgetting", "fig9_forgetting")
    everyone = forgetting[forgetting["animal"] == "population"].iloc[0]
    assert everyone["low"] < -0.06 < everyone["high"]


@pytest.mark.slow
def test_the_accept_reject_record_tells_more_of_single_flies_than_the_choices(run):
    flies = run("fig4_flies", "fig4_flies")
    five = flies[(flies["model"] == "rajagopalan-forgetting") & (flies["reward"] == "expected")]
    decay = five[five["quantity"] == "w"].groupby("fit")["value"]
    error = decay.apply(lambda found: (found + 0.06).abs().mean())
    assert error["L1, accept/reject"] < error["L1"]
