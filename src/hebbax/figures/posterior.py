"""Pictures of a posterior: coefficients by animal, the forgetting term, pairs, the sampler."""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import gaussian_kde

from hebbax.figures.style import model_colour
from hebbax.summary import Forgetting, forgetting, memory, probability

WIDE, NARROW = (0.05, 0.95), (0.25, 0.75)
"""Intervals of a forest: 90 % as a thin line, 50 % as a thick one."""


def forest(posterior: az.InferenceData) -> Figure:
    """Return one panel a coefficient and one for the preference: every animal, the population."""
    draws = posterior.posterior
    panels = [(f"coefficient of {t} (1 / trial)", "theta", t) for t in _terms(posterior)]
    if draws["preference"].ndim == 3:
        panels.append(("preference (log odds)", "preference", ""))
    animals = [str(a) for a in draws["animal"].to_numpy()]
    size = (1.2 + 2.3 * len(panels), 1.2 + 0.24 * len(animals))
    figure, axes = plt.subplots(
        1, len(panels), figsize=size, sharey=True, layout="constrained", squeeze=False
    )
    colour = model_colour(posterior.attrs["model"])
    for ax, (label, name, term) in zip(axes[0], panels, strict=True):
        _forest_panel(
            ax, _member(posterior, name, term), _population(posterior, name, term), colour
        )
        ax.set_xlabel(label)
    axes[0][0].set_yticks(range(-1, len(animals)), ["population", *animals])
    figure.suptitle(f"{posterior.attrs['model']}: 50 and 90 % intervals", fontsize=11)
    return figure


def _forest_panel(
    ax: Axes, animals: np.ndarray, population: np.ndarray | None, colour: str
) -> None:
    """Draw intervals of each animal ``(sample, animal)`` and, below them, of the population."""
    rows = [(i, animals[:, i], colour) for i in range(animals.shape[1])]
    if population is not None:
        rows.append((-1, population, "black"))
    for y, drawn, shade in rows:
        ax.hlines(y, *np.quantile(drawn, WIDE), color=shade, linewidth=1)
        ax.hlines(y, *np.quantile(drawn, NARROW), color=shade, linewidth=3)
        ax.plot(np.median(drawn), y, "o", color=shade, markersize=4, markeredgecolor="white")
    ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_ylim(animals.shape[1] - 0.4, -1.6)


def forgetting_term(posterior: az.InferenceData) -> Figure | None:
    """Return the posterior of the coefficient of w and of the memory it stands for, or None where
    the model has no such term."""
    term = forgetting(posterior)
    if term is None:
        return None
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.4), layout="constrained")
    colour = model_colour(posterior.attrs["model"])
    _densities(left, term, colour)
    _memories(right, term, colour)
    figure.suptitle(f"{posterior.attrs['model']}: the forgetting term", fontsize=11)
    return figure


def _densities(ax: Axes, term: Forgetting, colour: str) -> None:
    """Draw the density of each animal's coefficient, thin, and of the population's, filled."""
    low, high = np.quantile(term.animals, (0.002, 0.998))
    grid = np.linspace(min(low, 0.0) - 0.01, max(high, 0.0) + 0.01, 300)
    for i in range(len(term.names)):
        ax.plot(
            grid,
            gaussian_kde(term.animals[:, i])(grid),
            color=colour,
            linewidth=0.7,
            label="each animal" if i == 0 else None,
        )
    if term.population is not None:
        density = gaussian_kde(term.population)(grid)
        ax.plot(grid, density, color="black", linewidth=1.5, label="population")
        ax.fill_between(grid, density, where=list(grid < 0), color="0.8")
        below = probability(float((term.population < 0).mean()))
        ax.set_title(f"forgetting in the population: probability {below}", fontsize=10)
    ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    ax.set(xlabel="coefficient of w (1 / trial)", ylabel="posterior density", ylim=(0, None))
    ax.legend(frameon=False, fontsize=8)


def _memories(ax: Axes, term: Forgetting, colour: str) -> None:
    """Draw the time constant of each animal's memory, in trials, on a log scale."""
    longest = 1e4
    columns = [term.animals[:, i] for i in range(len(term.names))]
    labels = list(term.names)
    if term.population is not None:
        columns, labels = [*columns, term.population], [*labels, "population"]
    for y, drawn in enumerate(columns):
        shade = "black" if labels[y] == "population" else colour
        trials = np.minimum(memory(drawn, term.n_inputs), longest)
        ax.hlines(y, *np.quantile(trials, WIDE), color=shade, linewidth=1)
        ax.hlines(y, *np.quantile(trials, NARROW), color=shade, linewidth=3)
        ax.plot(np.median(trials), y, "o", color=shade, markersize=4, markeredgecolor="white")
    ax.set_yticks(range(len(labels)), labels, fontsize=8)
    ax.invert_yaxis()
    ax.set(xscale="log", xlim=(None, 1500), xlabel="memory: trials to fade to 1/e")
    ax.set_title("an interval that leaves on the right includes no forgetting", fontsize=8)


def pairs(posterior: az.InferenceData) -> Figure | None:
    """Return the population values against each other, or None where the model has none."""
    names = [str(n) for n in posterior.posterior.data_vars if str(n).endswith("_population")]
    size = sum(int(posterior.posterior[n][0, 0].size) for n in names)
    if size < 2:
        return None
    labeller = az.labels.MapLabeller({n: n.removesuffix("_population") for n in names})
    with az.rc_context({"plot.max_subplots": 200}):
        axes = az.plot_pair(
            posterior,
            var_names=names,
            kind="scatter",
            divergences=True,
            labeller=labeller,
            scatter_kwargs={"color": model_colour(posterior.attrs["model"]), "alpha": 0.15},
            figsize=(1.7 * size, 1.6 * size),
            textsize=9,
        )
    figure = np.ravel(axes)[0].figure
    figure.set_layout_engine("constrained")
    return figure


def sampler(posterior: az.InferenceData) -> Figure:
    """Return the ranks of each chain's draws among all: near the dashed line where chains agree."""
    names = [str(n) for n in posterior.posterior.data_vars if str(n).endswith("_population")]
    names = names or [str(n) for n in posterior.posterior.data_vars][:1]
    with az.rc_context({"plot.max_subplots": 200}):
        axes = az.plot_rank(posterior, var_names=names, kind="vlines", figsize=None)
    figure = np.ravel(axes)[0].figure
    figure.set_size_inches(8.5, 2.2 * np.shape(np.atleast_2d(axes))[0])
    figure.set_layout_engine("constrained")
    for ax in np.ravel(axes):
        ax.set_title(ax.get_title(), fontsize=9)
        ax.set_xlabel("rank over all chains", fontsize=8)
        ax.set_ylabel("chains: above or\nbelow even", fontsize=8)
        ax.tick_params(labelsize=7)
    return figure


def _terms(posterior: az.InferenceData) -> list[str]:
    draws = posterior.posterior
    return [str(t) for t in draws["term"].to_numpy()] if "theta" in draws else []


def _member(posterior: az.InferenceData, name: str, term: str) -> np.ndarray:
    values = posterior.posterior[name]
    values = values.sel(term=term) if term else values
    return values.stack(sample=("chain", "draw")).transpose("sample", "animal").to_numpy()


def _population(posterior: az.InferenceData, name: str, term: str) -> np.ndarray | None:
    if f"{name}_population" not in posterior.posterior:
        return None
    values = posterior.posterior[f"{name}_population"]
    return np.ravel((values.sel(term=term) if term else values).to_numpy())
