"""What is read back of an unfinished fit: the same, or one sentence that says what to do."""

import io
import json
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.errors import FitError
from hebbax.inference import checkpoint
from hebbax.inference.checkpoint import ANEW, Expected

FIT = {"data": "abc", "terms": ["w"], "random_key": [0, 5], "draws": 20}
STATE = {"z": jnp.zeros((2, 3)), "step": jnp.ones(2, jnp.int32)}
EXPECTED = Expected(STATE, {"z": jnp.zeros((2, 3))}, warmup=10, total=30)
KEPT = [{"z": np.arange(12.0).reshape(2, 2, 3)}, {"z": np.ones((3, 2, 3))}]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "m.state.npz"
    checkpoint.save(path, FIT, STATE, KEPT, 15)
    return path


def rewritten(path, change=lambda about: None, **arrays):
    """Store the state again with what is said of it changed, and some arrays."""
    with np.load(path) as stored:
        old = dict(stored)
    about = json.loads(str(old.pop("about")))
    change(about)
    with path.open("wb") as file:
        every = {"about": np.array(json.dumps(about)), **old, **arrays}
        np.savez(file, **{k: v for k, v in every.items() if v is not None})


def sentence(path):
    with pytest.raises(FitError) as error:
        checkpoint.load(path, FIT, EXPECTED)
    return str(error.value)


def test_what_was_saved_is_read_back(path):
    state, kept, done = checkpoint.load(path, FIT, EXPECTED)
    assert done == 15
    np.testing.assert_array_equal(kept[0]["z"], np.concatenate([part["z"] for part in KEPT]))
    assert set(state) == {"z", "step"}


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("state 1", None, "is missing"),
        ("state 7", np.ones(2), "belongs to no such fit"),
        ("state 1", np.zeros((2, 4)), "is float64 (2, 4), and float64 (2, 3) is needed"),
        ("state 1", np.zeros((2, 3), "f4"), "is float32 (2, 3), and float64 (2, 3) is needed"),
        ("draw z", None, "is missing"),
        ("draw z", np.ones((4, 2, 3)), "is float64 (4, 2, 3), and float64 (5, 2, 3) is needed"),
        ("draw y", np.ones((5, 2, 3)), "belongs to no such fit"),
    ],
)
def test_arrays_of_another_fit_are_named(path, name, array, said):
    rewritten(path, **{name: array})
    assert sentence(path) == f'm.state.npz: its array "{name}" {said}; {ANEW}.'


@pytest.mark.parametrize("done", [-1, 31, 1.5, True, "ten", None])
def test_a_count_that_cannot_be_is_refused(path, done):
    rewritten(path, lambda about: about.update(done=done))
    assert sentence(path) == (
        f"m.state.npz: {done} of 30 iterations cannot have been done; {ANEW}."
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("data", "abd", "of other data"),
        ("terms", ["x r", "w"], 'with terms ["w"], and ["x r", "w"] is asked for'),
        ("random_key", [0, 6], "with another random seed"),
        ("draws", 40, "with draws 20, and 40 is asked for"),
        ("chains", 4, "without chains, and 4 is asked for"),
    ],
)
def test_the_difference_to_another_fit_is_named(path, name, value, said):
    with pytest.raises(FitError) as error:
        checkpoint.load(path, {**FIT, name: value}, EXPECTED)
    assert str(error.value) == (
        f"m.state.npz: an unfinished fit {said}; ask for the same, use --force to start anew, or "
        "give another --out."
    )


def test_a_state_of_other_versions_is_refused(path):
    rewritten(path, lambda about: about["versions"].update(jax="0.1"))
    now = checkpoint.version("jax")
    assert sentence(path) == (
        f"m.state.npz: was made with jax 0.1, and {now} does not go on with it bit for bit; install "
        f"the former, or {ANEW}."
    )
    rewritten(path, lambda about: about.update(format=1))
    assert sentence(path) == (
        f"m.state.npz: a state of version 1, and this hebbax reads version 7; {ANEW}."
    )


def bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.npy", bytes(10_000_000))
    return out.getvalue()


def objects():
    out = io.BytesIO()
    np.savez(out, about=np.array([{"format": 3}], dtype=object))
    return out.getvalue()


def array():
    out = io.BytesIO()
    np.save(out, np.ones(3))
    return out.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"not a state", b"PK\x05\x06" + bytes(18), bomb(), objects(), array()]
)
def test_what_is_no_state_is_refused(path, content):
    path.write_bytes(content)
    assert sentence(path) == f"m.state.npz: not a readable state of a fit; {ANEW}."


def test_a_damaged_state_is_refused_or_unchanged(path):
    whole = path.read_bytes()
    state, kept, _ = checkpoint.load(path, FIT, EXPECTED)
    rng = np.random.default_rng(3)
    cut = [whole[:n] for n in rng.integers(0, len(whole), 50)]
    flipped = []
    for at, bit in zip(rng.integers(0, len(whole), 300), rng.integers(0, 8, 300), strict=True):
        flipped.append(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
    refused = []
    for content in [*cut, *flipped]:
        path.write_bytes(content)
        try:
            again, drawn, done = checkpoint.load(path, FIT, EXPECTED)
        except FitError as problem:
            refused.append(str(problem))
        else:  # a bit that nothing depends on, as in the date of a member
            assert done == 15
            np.testing.assert_array_equal(again["z"], state["z"])
            np.testing.assert_array_equal(drawn[0]["z"], kept[0]["z"])
    assert len(refused) > 250
    for said in refused:
        assert said.startswith("m.state.npz: ")
        assert said.endswith(f"{ANEW}.")
