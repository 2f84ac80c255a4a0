"""LOO over sessions against quadrature, and over choices what a hand makes of it."""

import made
import numpy as np
import pandas as pd
import pytest
from scipy.special import log_expit, logsumexp
from scipy.stats import norm

from hebbax import figures
from hebbax.check.comparison import compare, write_tables
from hebbax.check.known_animals import SESSION, of_sessions
from hebbax.data import Record, from_animals
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.inference_data import to_inference_data

SHAPE = (4, 1000)
GRID = np.linspace(-6, 6, 4001)
SESSIONS = (4, 4, 3)


def recorded(seed):
    """Return animals with a preference of their own, which changes from session to session."""
    rng = np.random.default_rng(seed)
    animals = []
    for a, n in enumerate(SESSIONS):
        session = np.repeat(np.arange(n), 12)
        p = 1 / (1 + np.exp(-rng.normal(size=n)[session]))
        choices = (rng.random(12 * n) < p).astype(int)
        animals.append(Record(f"m{a}", choices, np.zeros(12 * n), session=session))
    return from_animals(animals, ("left", "right"), "made")


def log_p(record):
    """Return log P of each session's choices at each preference of the grid (session, point)."""
    counts = [record.choices[record.session == s] for s in np.unique(record.session)]
    each = [(c == 1).sum() * log_expit(GRID) + (c == 0).sum() * log_expit(-GRID) for c in counts]
    return np.array(each)


def posterior(name, scale):
    """Return exact draws of each animal's preference under Normal(0, scale), as they are stored,
    and log p of each left-out session by quadrature."""
    spec = ModelSpec(name, (), hierarchy="none", preference_scale=scale)
    model = build_model(spec, recorded(1))
    rng = np.random.default_rng(2)
    draws, exact = [], []
    for a, n in enumerate(SESSIONS):
        own = model.sessions.choices[a, : 12 * n]
        record = Record("", own, own, session=model.sessions.session[a, : 12 * n])
        each, prior = log_p(record), norm.logpdf(GRID, 0, scale)
        cumulative = np.cumsum(np.exp(prior + each.sum(0) - (prior + each.sum(0)).max()))
        draws.append(np.interp(rng.random(SHAPE), cumulative / cumulative[-1], GRID))
        whole = logsumexp(prior + each.sum(0))
        exact += [whole - logsumexp(prior + each.sum(0) - one) for one in each]
    values = {"preference": np.stack(draws, -1)}
    found = to_inference_data(made.KEY, model, values, made.statistics(SHAPE), made.PROVENANCE)
    return found, np.array(exact)


@pytest.fixture(scope="module")
def fits():
    return {name: posterior(name, scale) for name, scale in {"wide": 2.0, "narrow": 0.4}.items()}


def test_a_left_out_session_is_predicted_as_quadrature_says(fits):
    stored = {name: found for name, (found, _) in fits.items()}
    score = of_sessions(stored, {name: diagnose(found) for name, found in stored.items()})
    assert score.question == SESSION
    for name, (_, exact) in fits.items():
        row = score.table.loc[name]
        assert row["elpd_loo"] == pytest.approx(exact.sum(), abs=0.3)
        assert row["sessions"] == sum(SESSIONS)
    first, last = score.ranking
    apart = fits[last][1] - fits[first][1]
    assert score.table.loc[last, "difference"] == pytest.approx(apart.sum(), abs=0.3)
    assert score.table.loc[last, "session_se"] == pytest.approx(
        np.sqrt(len(apart) * apart.var()), abs=0.2
    )
    by_animal = np.add.reduceat(apart, [0, 4, 8])
    np.testing.assert_allclose(score.by_animal.loc[last], by_animal, atol=0.25)


def test_the_question_stands_between_the_others_and_has_tables_of_its_own(fits, tmp_path):
    compared = compare({name: found for name, (found, _) in fits.items()})
    assert [score.question for score in compared.scores] == ["a choice among known ones", SESSION]
    assert "A session of a known animal: " in compared.sentence
    write_tables(compared, tmp_path)
    assert pd.read_csv(tmp_path / "comparison_session.csv")["model"].tolist() == (
        compared.sessions.ranking
    )
    assert len(pd.read_csv(tmp_path / "comparison_session_by_animal.csv")) == 2 * len(SESSIONS)
    axes = figures.comparison(compared.sessions).axes[0]
    assert axes.get_title() == "all animals: thick SE over sessions, thin over animals"
    thick = [bar.get_linewidth() for bar in axes.collections].count(3.0)
    assert thick == len(fits)


def test_nothing_is_asked_of_sessions_where_every_animal_has_one():
    stored = {"m": made.posterior()}
    assert of_sessions(stored, {"m": diagnose(stored["m"])}) is None
