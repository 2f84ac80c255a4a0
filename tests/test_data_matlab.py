"""MATLAB folders: X, Y, R files and the published layout, and what is refused of them."""

import hdf5storage
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from hebbax.data import data_hash, read
from hebbax.errors import DataError

X = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]])
FLY = {"X": X, "Y": np.array([0, 1, 1, 1, 0]), "R": np.array([1, 0, 1])}


def save_fly(folder, name="Fly1.mat", **changes):
    content = FLY | changes
    folder.mkdir(exist_ok=True)
    scipy.io.savemat(folder / name, {k: v for k, v in content.items() if v is not None})
    return folder


def save_order(folder, choices, rewards, name="fly1"):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for field, values in (("choice_order", choices), ("reward_order", rewards)):
        if values is not None:
            scipy.io.savemat(folder / name / f"{field}.mat", {field: np.array(values)})
    return folder


def save_version_7_3(path, **changes):
    """Write what `save_fly` writes as HDF5, by the library that knows MATLAB's version 7.3."""
    content = FLY | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    hdf5storage.savemat(str(path), content, format="7.3", appendmat=False)
    return path.parent


def test_a_folder_of_encounter_files(tmp_path):
    save_fly(tmp_path / "flies", "Fly10.mat")
    sessions = read(save_fly(tmp_path / "flies", "Fly2.MAT"))
    assert sessions.animals == ("Fly2", "Fly10")
    assert sessions.stimuli == ("A", "B")
    assert sessions.source == "flies"
    # The rejection after the last acceptance is a trial without a choice.
    np.testing.assert_array_equal(sessions.choices[0], [1, 0, 1, -1])
    np.testing.assert_array_equal(sessions.rewards[0], [1, 0, 1, 0])
    np.testing.assert_array_equal(sessions.blocks[0], [0, 0, 0, 0])
    np.testing.assert_array_equal(sessions.rejections[0], [[1, 0], [0, 0], [0, 0], [1, 0]])


def test_vectors_may_stand_or_lie_and_matrices_be_sparse(tmp_path):
    expected = data_hash(read(save_fly(tmp_path / "lying")))
    standing = {"Y": np.array([[0], [1], [1], [1], [0]]) > 0, "R": np.array([[1], [0], [1]])}
    assert data_hash(read(save_fly(tmp_path / "standing", **standing))) == expected
    sparse = {"X": scipy.sparse.csc_array(X.astype(float))}
    assert data_hash(read(save_fly(tmp_path / "sparse", **sparse))) == expected


def test_the_current_folder_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(save_fly(tmp_path / "flies"))
    assert read(".").source == "flies"


def test_what_systems_leave_in_folders_is_passed_over(tmp_path):
    folder = save_fly(tmp_path / "flies")
    (folder / "._Fly1.mat").write_bytes(b"no")
    assert read(folder).animals == ("Fly1",)
    folder = save_order(tmp_path / "z", [[1], [2]], [[1], [0]])
    (folder / "__MACOSX").mkdir()
    (folder / ".cache").mkdir()
    assert read(folder).animals == ("fly1",)


def test_the_published_layout(tmp_path):
    # Block 1 has an omitted trial inside, block 2 is shorter and padded with zeros.
    choices = [[1, 2], [0, 1], [2, 0]]
    save_order(tmp_path / "z", choices, [[0, 1], [0, 0], [1, 0]], name="fly10")
    sessions = read(save_order(tmp_path / "z", choices, [[1, 1], [np.nan, 0], [1, 0]], "fly9"))
    assert sessions.animals == ("fly9", "fly10")
    np.testing.assert_array_equal(sessions.choices[1], [0, -1, 1, 1, 0, -1])
    np.testing.assert_array_equal(sessions.rewards, [[1, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0]])
    np.testing.assert_array_equal(sessions.blocks[1], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(sessions.n_trials, [6, 6])
    assert sessions.rejections is None


def test_the_only_variable_may_have_any_name(tmp_path):
    folder = save_order(tmp_path / "z", None, [[1, 0], [0, 1]])
    scipy.io.savemat(folder / "fly1" / "choice_order.mat", {"c": [[1, 2], [2, 1]]})
    np.testing.assert_array_equal(read(folder).choices, [[0, 1, 1, 0]])
    several = {"c": [[7]], "choice_order": [[1, 2], [2, 2]]}
    scipy.io.savemat(folder / "fly1" / "choice_order.mat", several)
    np.testing.assert_array_equal(read(folder).choices, [[0, 1, 1, 1]])


def test_the_real_flies(flies):
    sessions = read(flies)
    assert sessions.n_animals == 12
    assert sessions.animals[:2] == ("Fly1", "Fly2")
    assert sessions.n_choices == 2843
    trials = dict(zip(sessions.animals, sessions.n_trials, strict=True))
    assert trials.pop("Fly11") == 227
    assert trials.pop("Fly17") == 216
    assert set(trials.values()) == {240}


BAD_FLIES = {
    "no stimulus": (
        {"X": np.array([[1, 0], [0, 0], [1, 0], [0, 1], [1, 0]])},
        "Fly1.mat, encounter 2, X: unknown stimulus; each row needs one 1 and zeros.",
    ),
    "two stimuli": (
        {"X": np.array([[1, 0], [0, 1], [1, 1], [0, 1], [1, 0]])},
        "Fly1.mat, encounter 3, X: unknown stimulus; each row needs one 1 and zeros.",
    ),
    "NaN stimulus": (
        {"X": np.array([[1, 0], [0, 1], [1, 0], [np.nan, 1], [1, 0]])},
        "Fly1.mat, encounter 4, X: unknown stimulus; each row needs one 1 and zeros.",
    ),
    "rate for stimulus": (
        {"X": 0.75 * X},
        "Fly1.mat, encounter 1, X: unknown stimulus; each row needs one 1 and zeros.",
    ),
    "non-binary accept": (
        {"Y": np.array([0, 1, 3, 1, 0])},
        "Fly1.mat, encounter 3, Y: 3 given; 1 = accepted and 0 = rejected are allowed.",
    ),
    "sum(Y) != len(R)": (
        {"R": np.array([1, 0])},
        "Fly1.mat: Y has 3 accepted encounters and R has 2 rewards; every accepted encounter needs "
        "one.",
    ),
    "lengths differ": (
        {"Y": np.array([0, 1, 1, 1])},
        "Fly1.mat: X has 5 encounters and Y has 4; they must match.",
    ),
    "missing variable": (
        {"R": None},
        "Fly1.mat: the variable R is missing; X, Y and R are needed, X, Y found.",
    ),
    "no variable": (
        {"X": None, "Y": None, "R": None},
        "Fly1.mat: the variable X is missing; X, Y and R are needed, nothing found.",
    ),
    "NaN reward": (
        {"R": np.array([1, np.nan, 0])},
        "Fly1.mat, trial 2, R: nan given; a finite number is needed, such as 0 or 1.",
    ),
    "text": (
        {"R": np.array(["a", "b", "c"])},
        "Fly1.mat, R: holds char values; numbers are needed.",
    ),
    "complex": (
        {"R": np.array([1, 0, 1j])},
        "Fly1.mat, R: holds complex128 values; numbers are needed.",
    ),
    "three dimensions": (
        {"X": np.zeros((5, 2, 2))},
        "Fly1.mat, X: is 5 x 2 x 2; a matrix or vector is needed.",
    ),
    "nothing recorded": (
        {"X": np.zeros((0, 0)), "Y": np.zeros(0), "R": np.zeros(0)},
        "Fly1.mat, X: is empty; one row an encounter is needed.",
    ),
    "nothing accepted": (
        {"Y": np.zeros(5), "R": np.zeros(0)},
        "flies, animal Fly1: there is no trial with a choice.",
    ),
    "one alternative met": (
        {"X": np.tile([0, 1], (5, 1))},
        "flies: only stimulus B was ever met; a choice needs at least 2 alternatives.",
    ),
}


@pytest.mark.parametrize("case", BAD_FLIES)
def test_a_bad_encounter_file_is_refused_in_one_sentence(tmp_path, case):
    changes, sentence = BAD_FLIES[case]
    with pytest.raises(DataError) as error:
        read(save_fly(tmp_path / "flies", **changes))
    assert str(error.value) == sentence


def test_animals_with_different_alternatives_are_refused(tmp_path):
    save_fly(tmp_path / "flies")
    with pytest.raises(DataError) as error:
        read(save_fly(tmp_path / "flies", "Fly2.mat", X=np.eye(3)[[0, 1, 2, 1, 0]]))
    assert str(error.value) == (
        "Fly2.mat, X: 3 stimuli, but Fly1.mat has 2; all animals need the same alternatives."
    )


GOOD = [[1, 2], [2, 1]]
BAD_ORDERS = {
    "negative choice": (
        [[1, 2], [-1, 1]],
        GOOD,
        "fly1, trial 2 of block 1, choice: -1 given; 0 = no choice and whole numbers from 1 are "
        "allowed.",
    ),
    "fractional choice": (
        [[1, 1.5], [2, 1]],
        GOOD,
        "fly1, trial 1 of block 2, choice: 1.5 given; 0 = no choice and whole numbers from 1 are "
        "allowed.",
    ),
    "infinite choice": (
        [[1, 2], [2, np.inf]],
        GOOD,
        "fly1, trial 2 of block 2, choice: inf given; 0 = no choice and whole numbers from 1 are "
        "allowed.",
    ),
    "choice out of range": (
        [[1, 2], [2, 7]],
        GOOD,
        "z, choice: stimulus 7 is chosen but stimulus 3 never is; stimuli are numbered from 1 "
        "without gaps.",
    ),
    "one alternative": (
        [[1, 1], [1, 1]],
        GOOD,
        "z: only one stimulus was ever chosen; a choice needs at least 2 alternatives.",
    ),
    "no choice": (
        [[0, 0], [0, 0]],
        [[0, 0], [0, 0]],
        "z, animal fly1: there is no trial with a choice.",
    ),
    "shapes differ": (
        GOOD,
        [[0, 1]],
        "fly1: choice_order is 2 x 2 and reward_order is 1 x 2; both are trials x blocks.",
    ),
    "lying": (
        [[1, 2, 1]],
        [[0, 1, 0]],
        "fly1: choice_order is 1 x 3, one trial in each of 3 blocks; it is trials x blocks, so "
        "transpose it where these are the trials of one block.",
    ),
    "no rewards": (GOOD, None, "fly1: reward_order.mat is missing."),
    "no choices": (None, GOOD, "fly1: choice_order.mat is missing."),
    "NaN reward": (
        GOOD,
        [[0, 1], [np.nan, 0]],
        "fly1, trial 2 of block 1, reward: nan given; a finite number is needed, such as 0 or 1.",
    ),
    "reward without choice": (
        [[1, 0], [2, 1]],
        [[0, 1], [0, 0]],
        "z, animal fly1, trial 3, reward: 1 given on a trial without a choice; leave it empty or "
        "0.",
    ),
    "text": (
        [["a", "b"]],
        GOOD,
        "fly1/choice_order.mat, choice_order: holds char values; numbers are needed.",
    ),
}


@pytest.mark.parametrize("case", BAD_ORDERS)
def test_a_bad_published_folder_is_refused_in_one_sentence(tmp_path, case):
    choices, rewards, sentence = BAD_ORDERS[case]
    with pytest.raises(DataError) as error:
        read(save_order(tmp_path / "z", choices, rewards))
    assert str(error.value) == sentence


def test_several_variables_need_one_of_the_right_name(tmp_path):
    folder = save_order(tmp_path / "z", None, GOOD)
    scipy.io.savemat(folder / "fly1" / "choice_order.mat", {"b": [[1]], "c": [[2]]})
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(error.value) == "fly1/choice_order.mat: no variable choice_order; b, c found."


def test_the_folder_of_one_animal_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        read(save_order(tmp_path / "z", GOOD, GOOD) / "fly1")
    assert str(error.value) == (
        "fly1: is the folder of one animal; give the folder that holds one such folder an animal."
    )


@pytest.mark.parametrize("content", [b"", b"not MATLAB at all"])
def test_a_corrupt_file_is_refused(tmp_path, content):
    (save_fly(tmp_path / "flies") / "Fly1.mat").write_bytes(content)
    (save_order(tmp_path / "z", GOOD, GOOD) / "fly1" / "reward_order.mat").write_bytes(content)
    for name, file in (("flies", "Fly1.mat"), ("z", "fly1/reward_order.mat")):
        with pytest.raises(DataError) as error:
            read(tmp_path / name)
        assert str(error.value) == f"{file}: not a readable MATLAB file."


def test_version_7_3_holds_the_same(tmp_path):
    old = read(save_fly(tmp_path / "old", "Fly1.mat"))
    new = read(save_version_7_3(tmp_path / "new" / "Fly1.mat"))
    assert data_hash(new) == data_hash(old)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"X": "abc"}, "Fly1.mat, X: holds char values; numbers are needed."),
        ({"X": np.zeros((0, 2))}, "Fly1.mat, X: is empty; one row an encounter is needed."),
        ({"Y": np.array([1.0, 0.0])}, "Fly1.mat: X has 5 encounters and Y has 2; they must match."),
    ],
)
def test_version_7_3_is_checked_alike(tmp_path, changes, sentence):
    with pytest.raises(DataError) as error:
        read(save_version_7_3(tmp_path / "flies" / "Fly1.mat", **changes))
    assert str(error.value) == sentence


def test_a_broken_file_of_version_7_3_is_refused(tmp_path):
    path = save_version_7_3(tmp_path / "flies" / "Fly1.mat") / "Fly1.mat"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError) as error:
        read(tmp_path / "flies")
    assert str(error.value) == "Fly1.mat: not a readable MATLAB file."


LEFT_OUT = "Left out, because they are no .mat files: "


def test_what_is_left_out_of_a_folder_is_named(tmp_path):
    folder = save_fly(tmp_path / "flies")
    (folder / "Fly3.mat.bak").write_bytes(b"no")
    (folder / "Fly7.csv").write_bytes(b"no")
    (folder / "plots").mkdir()
    assert read(folder).notes == (f"{LEFT_OUT}Fly3.mat.bak, Fly7.csv, plots (a folder).",)
    folder = save_order(tmp_path / "z", GOOD, GOOD)
    (folder / "README").write_bytes(b"no")
    assert read(folder).notes == (f"{LEFT_OUT}README.",)


def test_what_may_be_one_more_animal_is_refused(tmp_path):
    folder = save_fly(tmp_path / "flies")
    (folder / "Fly4.MAT ").write_bytes((folder / "Fly1.mat").read_bytes())
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(error.value) == (
        'flies: the name of "Fly4.MAT " ends with a blank; rename it to end with .mat, or move it '
        "to another folder."
    )
    (folder / "Fly4.MAT ").unlink()
    save_fly(folder / "Fly6", "Fly1.mat")
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(error.value) == (
        "flies: .mat files lie in it and in its folder Fly6 (Fly1.mat); put all animals into one "
        "folder."
    )
    (folder / "Fly6" / "Fly1.mat").unlink()
    (folder / "Fly5.mat").write_bytes(b"not a matrix")
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(error.value) == "Fly5.mat: not a readable MATLAB file."


def test_a_small_file_that_asks_for_terabytes_is_refused(tmp_path):
    huge = scipy.sparse.csc_matrix((2_000_000, 200_000))
    with pytest.raises(DataError) as error:
        read(save_fly(tmp_path / "flies", X=huge))
    assert str(error.value) == (
        "Fly1.mat: X is 2000000 x 200000; at most 50000000 numbers of one variable are allowed."
    )


def test_variables_that_are_not_needed_may_be_anything(tmp_path):
    others = {"notes": "rig 3", "cells": np.array([1, "a"], dtype=object), "rig": {"box": 4}}
    assert read(save_fly(tmp_path / "flies", **others)).n_animals == 1


@pytest.mark.parametrize("bit", [0, 2, 6])
def test_a_file_that_ends_its_reader_by_a_segmentation_fault_is_refused(tmp_path, bit):
    # The type of the numbers of X, of which SciPy 1.17 takes an unknown one for an address.
    folder = save_fly(tmp_path / "flies", "Fly1.mat")
    save_fly(folder, "Fly2.mat")
    broken = bytearray((folder / "Fly2.mat").read_bytes())
    broken[177] ^= 1 << bit
    (folder / "Fly2.mat").write_bytes(broken)
    with pytest.raises(DataError, match=r"^Fly2\.mat: not a readable MATLAB file"):
        read(folder)


@pytest.mark.parametrize("flips", [10, pytest.param(120, marks=pytest.mark.slow)])
def test_a_file_with_a_flipped_bit_is_refused_or_read(tmp_path, flips):
    # In some of these SciPy ends the process that reads it.
    folder = save_fly(tmp_path / "flies")
    whole = (folder / "Fly1.mat").read_bytes()
    rng = np.random.default_rng(5)
    refused = []
    for place, bit in zip(
        rng.integers(0, len(whole), flips), rng.integers(0, 8, flips), strict=True
    ):
        broken = bytearray(whole)
        broken[place] ^= 1 << bit
        (folder / "Fly1.mat").write_bytes(broken)
        try:
            read(folder)
        except DataError as problem:
            refused.append(str(problem))
    assert refused
    assert all(sentence.startswith(("Fly1.mat", "flies")) for sentence in refused)
    assert not any("\n" in sentence for sentence in refused)
