"""identify and design as a user meets them."""

import json

import numpy as np
import pandas as pd
import pytest
from command import run
from conftest import random_sessions

from hebbax.data import write_table
from hebbax.model.declared import declared_models


@pytest.fixture(scope="module")
def identified(tmp_path_factory):
    folder = tmp_path_factory.mktemp("identify")
    write_table(random_sessions(4, lengths=(60, 50)), folder / "trials.csv")
    terms = ("--terms", "x, x^2, x r, w")
    done = run("identify", folder / "trials.csv", *terms, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_identify_answers_in_words_tables_and_a_picture(identified):
    folder, said = identified
    said = " ".join(said.split())
    assert "x^2 is 0.75 x on these inputs." in said
    assert "2 animals and 106 choices can tell apart 3 of 4 candidate terms." in said
    assert "The smallest forgetting they could detect is a weight that loses " in said
    table = pd.read_csv(folder / "identify.csv", index_col="term")
    assert list(table.index) == ["x", "x r", "w"]
    assert (table["sd, others known"] <= table["sd"] * (1 + 1e-6)).all()
    assert (table["sd, one rule"] <= table["sd"] * (1 + 1e-6)).all()
    assert (table["sd"] < table["prior sd"]).all()
    # Two alternatives: a trial adds half of a coefficient to a weight.
    for lost, size in {
        "loss (%)": -table["estimate"],
        "loss, sd (%)": table["sd"],
        "loss, detectable (%)": table["detectable"],
    }.items():
        assert table[lost]["w"] == pytest.approx(50.0 * size["w"], rel=1e-4)
        assert table[lost].drop("w").isna().all()
    merged = pd.read_csv(folder / "identify_merged.csv")
    assert merged.to_numpy().tolist() == [["x^2", "x", 0.75]]
    assert {path.name for path in folder.iterdir()} == {
        "trials.csv", "identify.csv", "identify_correlation.csv", "identify_directions.csv",
        "identify_merged.csv", "identify.png",
    }  # fmt: skip


def test_an_earlier_answer_is_kept(identified):
    folder, _ = identified
    before = (folder / "identify.csv").read_bytes()
    again = run("identify", folder / "trials.csv", "--out", folder)
    assert again.returncode == 2
    assert again.stderr == (
        f"hebbax: {folder / 'identify.csv'}: exists already; --force replaces it.\n"
    )
    assert (folder / "identify.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("none.csv",), "none.csv: there is no such file or folder."),
        (
            ("none.csv", "--model", "oja"),
            f'unknown model "oja": declared models are {", ".join(declared_models())}; a path to a '
            ".toml file and a module:function work too.",
        ),
        (
            ("none.csv", "--terms", "x r;w"),
            'unknown term "x r;w": a term is "1" or factors x, y, r, w with exponents up to 2, '
            'such as "x r" or "x^2 r w".',
        ),
    ],
)
def test_what_identify_refuses(options, sentence, tmp_path):
    done = run("identify", *options, "--out", tmp_path / "new")
    assert done.returncode == 2
    assert done.stderr == f"hebbax: {sentence}\n"
    assert not (tmp_path / "new").exists()


def test_identify_leaves_nothing_where_no_term_can_be_seen(tmp_path):
    write_table(random_sessions(4), tmp_path / "trials.csv")
    done = run("identify", tmp_path / "trials.csv", "--terms", "1, r", "--out", tmp_path / "new")
    assert done.returncode == 2
    assert done.stderr == (
        "hebbax: trials.csv: 1 and r cannot move the log odds of any recorded choice; name other "
        "candidates with --terms.\n"
    )
    assert not (tmp_path / "new").exists()


DESIGN = (
    "--terms", "x r, w, x w", "--animals", 3, "--trials", 30, "--blocks", "1,2",
    "--rewards", "0.2/0.8", "--baiting", "baited", "--simulated", 4,
)  # fmt: skip


def test_design_ranks_every_combination_and_records_its_settings(tmp_path):
    done = run("design", *DESIGN, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Of 2 designs the best is 3 animals with 30 trials in" in " ".join(done.stdout.split())
    table = pd.read_csv(tmp_path / "design.csv")
    assert set(table["blocks"]) == {1, 2}
    record = json.loads((tmp_path / "design.json").read_text())
    assert record["settings"] == {
        "rule": "0.35 x r - 0.06 w", "differing": 0.3, "preference": 0.4, "animals": [3],
        "trials": [30], "blocks": [1, 2], "rewards": [[0.2, 0.8]], "baiting": ["baited"],
        "simulated": 4, "seed": 0,
    }  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {
        "design.csv", "design_effects.csv", "design.json", "design.png",
    }  # fmt: skip
    before = (tmp_path / "design.csv").read_bytes()
    again = run("design", *DESIGN, "--out", tmp_path)
    assert again.returncode == 2
    assert again.stderr == (
        f"hebbax: {tmp_path / 'design.csv'}: exists already; --force replaces it.\n"
    )
    assert (tmp_path / "design.csv").read_bytes() == before


def test_what_only_the_prior_knows_is_called_not_detectable(tmp_path):
    few = ("--terms", "x r, w", "--animals", 1, "--trials", 2, "--blocks", 1, "--simulated", 4)
    done = run("design", *few, "--rewards", "0.2/0.8", "--baiting", "baited", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "not detectable" in said
    assert "known to 10.00 %" in said
    assert "found with 0% power" in said
    assert np.isinf(pd.read_csv(tmp_path / "design.csv")["detectable"]).all()
    assert (tmp_path / "design.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--trials", 4), "--blocks: 6 blocks do not fit into 4 trials."),
        (
            ("--rewards", "0.2,0.8"),
            "--rewards: 0.2 given; a probability between 0 and 1 for each of 2 or more stimuli is "
            "allowed, as in 0.2/0.8.",
        ),
        (("--terms", "x r, x w"), 'the term "w" is not one of x r, x w.'),
    ],
)
def test_what_design_refuses(options, sentence, tmp_path):
    done = run("design", *options, "--out", tmp_path / "new")
    assert done.returncode == 2
    assert done.stderr == f"hebbax: {sentence}\n"
    assert not (tmp_path / "new").exists()
