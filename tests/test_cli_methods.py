"""The command line with other methods than NUTS."""

import made
import pytest
from command import run
from conftest import random_sessions

from hebbax.data import write_table
from hebbax.posterior import estimate
from hebbax.posterior.inference_data import write
from hebbax.posterior.power_scaling import sensitivity_table


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    write_table(random_sessions(11, lengths=(40, 30, 30)), folder / "trials.csv")
    fit = ("fit", folder / "trials.csv", "--model", "reward", "--out", folder)
    variational = run(
        *fit, "--method", "svi", "--guide", "diagonal", "--steps", "20", "--draws", "200"
    )
    assert variational.returncode == 0, variational.stderr
    mode = run(*fit, "--method", "map")
    assert mode.returncode == 0, mode.stderr
    return folder, fit, variational, mode


def test_every_method_has_a_file_of_its_own(results):
    folder, _, variational, mode = results
    assert {path.name for path in folder.glob("*.nc")} == {"reward.svi.nc", "reward.map.nc"}
    assert "variational" in variational.stdout
    assert "A mode of the joint density: loss" in mode.stdout
    assert estimate.read(folder / "reward.map.nc")["theta"].sizes == {"animal": 3, "term": 1}


def test_diagnose_reads_a_variational_fit_and_refuses_a_point(results):
    folder = results[0]
    done = run("diagnose", folder / "reward.svi.nc")
    assert done.returncode == 0, done.stderr
    assert "variational" in done.stdout
    done = run("diagnose", folder / "reward.map.nc")
    assert done.returncode == 2
    assert done.stderr == (
        "hebbax: reward.map.nc: a point estimate, which has no posterior to speak of.\n"
    )


def test_diagnose_says_what_hangs_on_the_prior_and_what_is_far_out_in_it(tmp_path):
    stored = made.posterior(shape=(2, 500))
    stored.posterior["preference_population"] += 4.0
    write(stored, tmp_path / "m.nc")
    done = run("diagnose", tmp_path / "m.nc")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "The posterior passed its diagnostics" in said
    assert "Far out in its prior sits preference (posterior median 4.0" in said
    assert "in the model file raise preference_scale." in said
    table = sensitivity_table(stored)
    for label, row in table.iterrows():
        assert f"{label} ({row.prior:.2f})" in said
        assert f"{label} {row.prior:.3f} {row.likelihood:.3f} {row.diagnosis}" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--method", "map", "--seed", "1"),
            "reward.map.nc: a finished fit with seed 0, and 1 is asked for; ask for the same, use "
            "--force to fit it again, or give another --out.",
        ),
        (
            ("--method", "svi", "--guide", "diagonal", "--steps", "30", "--draws", "200"),
            "reward.svi.nc: a finished fit with steps 20, and 30 is asked for; ask for the same, use "
            "--force to fit it again, or give another --out.",
        ),
        (
            ("--method", "map", "--draws", "30"),
            "--draws: no option of the method map, which has none of its own.",
        ),
        (
            ("--method", "svi", "--chains", "3"),
            "--chains: no option of the method svi, which has --guide, --steps, --draws.",
        ),
        (("--method", "svi", "--steps", "0"), "--steps 0: must be a whole number from 1 to 1000000."),
    ],
)  # fmt: skip
def test_what_is_refused(results, options, sentence):
    folder, fit, *_ = results
    done = run(*fit, *options)
    assert done.returncode == 2
    assert done.stderr == f"hebbax: {sentence.format(folder=folder)}\n"
