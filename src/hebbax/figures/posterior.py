"""Pictures of a posterior: coefficients by animal, the forgetting term, pairs, the sampler.

Each says across it where the posterior failed its diagnostics: by the ``verdict``, which is made
where it is not known yet.
"""

from typing import NamedTuple

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter
from scipy.stats import gaussian_kde

from hebbax.figures.style import literal, mark_failed, model_colour
from hebbax.posterior import learning
from hebbax.posterior.alone import stored
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.forgetting import Forgetting, forgetting
from hebbax.posterior.summary import probability
from hebbax.posterior.verdict import Verdict
from hebbax.rule.fading import PERCENT, memory

PANELS_IN_A_ROW = 6
"""Panels of a forest side by side; more go into further rows."""

PREFERENCE = "preference{}\n(log odds)"

COEFFICIENTS = ("theta", "coefficient of{}")

RULE = ("theta", learning.PARAMETERS)
"""What is stored of each animal alone."""

WIDE, NARROW = (0.05, 0.95), (0.25, 0.75)
"""Intervals of a forest: 90 % as a thin line, 50 % as a thick one."""


@literal
def forest(posterior: az.InferenceData, verdict: Verdict | None = None) -> Figure:
    """Return one panel a coefficient, a loss and a preference: every animal, the population.

    Two alternatives have one preference; more have one each, or one each against the first.
    """
    verdict = verdict_of(posterior, verdict)
    panels = _panels(posterior)
    animals = [str(a) for a in posterior.posterior["animal"].to_numpy()]
    columns = min(len(panels), PANELS_IN_A_ROW)
    rows = -(-len(panels) // columns)
    size = (1.2 + 2.3 * columns, rows * (1.2 + 0.24 * len(animals)))
    figure, axes = plt.subplots(
        rows, columns, figsize=size, sharey=True, layout="constrained", squeeze=False
    )
    colour = model_colour(posterior.attrs["model"])
    for ax, (label, panel) in zip(axes.flat, panels.items(), strict=False):
        _forest_panel(ax, panel, colour)
        ax.set_xlabel(label)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    axes[0][0].set_yticks(range(-1, len(animals)), ["population", *animals])
    grey = "; grey: alone" if any(panel.alone is not None for panel in panels.values()) else ""
    title = f"{posterior.attrs['model']}: 50 and 90 % intervals{grey}"
    figure.suptitle(title, fontsize=11)
    return mark_failed(figure, verdict)


class _Panel(NamedTuple):
    """What a panel of a forest shows: draws of each animal ``(sample, animal)`` and of the
    population ``(sample,)``, and ends and middle ``(animal, 3)`` of each animal alone."""

    animals: np.ndarray
    population: np.ndarray | None
    alone: np.ndarray | None


def _forest_panel(ax: Axes, panel: _Panel, colour: str) -> None:
    """Draw intervals of each animal, in grey by its own choices alone, and of the population."""
    animals = panel.animals
    rows = [(i, animals[:, i], colour) for i in range(animals.shape[1])]
    if panel.population is not None:
        rows.append((-1, panel.population, "black"))
    if panel.alone is not None:
        low, middle, high = panel.alone.T
        below = np.arange(len(middle)) + 0.28
        ax.hlines(below, low, high, color="0.6", linewidth=1)
        ax.plot(middle, below, "|", color="0.6", markersize=5)
    for y, drawn, shade in rows:
        ax.hlines(y, *np.quantile(drawn, WIDE), color=shade, linewidth=1)
        ax.hlines(y, *np.quantile(drawn, NARROW), color=shade, linewidth=3)
        ax.plot(np.median(drawn), y, "o", color=shade, markersize=4, markeredgecolor="white")
    ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_ylim(animals.shape[1] - 0.4, -1.6)


@literal
def forgetting_term(posterior: az.InferenceData, verdict: Verdict | None = None) -> Figure | None:
    """Return the posterior of what weights lose in a trial and of the memory it stands for, one row
    a kind of weight, or None where no term of the rule fades weights."""
    terms = forgetting(posterior)
    if not terms:
        return None
    verdict = verdict_of(posterior, verdict)
    rows = len(terms)
    figure, axes = plt.subplots(
        rows, 2, figsize=(8.5, 3.4 * rows), layout="constrained", squeeze=False
    )
    colour = model_colour(posterior.attrs["model"])
    for (left, right), term in zip(axes, terms, strict=True):
        _densities(left, term, colour)
        _memories(right, term, colour)
    figure.suptitle(f"{posterior.attrs['model']}: what weights lose", fontsize=11)
    return mark_failed(figure, verdict)


def _densities(ax: Axes, term: Forgetting, colour: str) -> None:
    """Draw the density of each animal's loss in a trial, thin, and of the population's, filled."""
    low, high = np.quantile(term.animals, (0.002, 0.998))
    room = 0.05 * (max(high, 0.0) - min(low, 0.0))
    grid = np.linspace(min(low, 0.0) - room, max(high, 0.0) + room, 300)
    for i in range(len(term.names)):
        ax.plot(
            PERCENT * grid,
            gaussian_kde(term.animals[:, i])(grid) / PERCENT,
            color=colour,
            linewidth=0.7,
            label="each animal" if i == 0 else None,
        )
    if term.population is not None:
        density = gaussian_kde(term.population)(grid) / PERCENT
        ax.plot(PERCENT * grid, density, color="black", linewidth=1.5, label="population")
        ax.fill_between(PERCENT * grid, density, where=list(grid > 0), color="0.8")
        above = probability(float((term.population > 0).mean()))
        ax.set_title(f"a loss in the population: probability {above}", fontsize=10)
    ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    label = f"what {term.loss.weight} loses in a trial (%)"
    ax.set(xlabel=label, ylabel="posterior density (1 / %)", ylim=(0, None))
    ax.legend(frameon=False, fontsize=8)


def _memories(ax: Axes, term: Forgetting, colour: str) -> None:
    """Draw the memory of each animal, in trials, on a log scale that holds every end of an interval
    that is a memory."""
    columns = [(name, term.animals[:, i], colour) for i, name in enumerate(term.names)]
    if term.population is not None:
        columns.append(("population", term.population, "black"))
    ends = memory(np.quantile([drawn for _, drawn, _ in columns], WIDE, axis=1))
    known = ends[np.isfinite(ends) & (ends > 0)]
    longest = 2.0 * known.max() if known.size else 1.0
    for y, (_, drawn, shade) in enumerate(columns):
        # The memory falls as the loss grows: quantiles of the one are those of the other.
        wide, narrow, middle = (
            np.minimum(memory(np.quantile(drawn, part)), 10.0 * longest)
            for part in (WIDE, NARROW, 0.5)
        )
        ax.hlines(y, *wide, color=shade, linewidth=1)
        ax.hlines(y, *narrow, color=shade, linewidth=3)
        ax.plot(middle, y, "o", color=shade, markersize=4, markeredgecolor="white")
    ax.set_yticks(range(len(columns)), [name for name, _, _ in columns], fontsize=8)
    ax.invert_yaxis()
    ax.set(xscale="log", xlim=(None, longest), xlabel="memory: trials to fade to 1/e")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_title("an interval that leaves on the right includes no forgetting", fontsize=8)


@literal
def pairs(posterior: az.InferenceData, verdict: Verdict | None = None) -> Figure | None:
    """Return the population values against each other, or None where the model has none."""
    names = _populations(posterior)
    size = sum(int(posterior.posterior[n][0, 0].size) for n in names)
    if size < 2:
        return None
    verdict = verdict_of(posterior, verdict)
    labeller = az.labels.MapLabeller({n: n.removesuffix("_population") for n in names})
    with az.rc_context({"plot.max_subplots": 200}):
        axes = az.plot_pair(
            posterior,
            var_names=names,
            kind="scatter",
            divergences="diverging" in posterior.sample_stats,
            labeller=labeller,
            scatter_kwargs={"color": model_colour(posterior.attrs["model"]), "alpha": 0.15},
            figsize=(1.7 * size, 1.6 * size),
            textsize=9,
        )
    figure = np.ravel(axes)[0].figure
    figure.set_layout_engine("constrained")
    return mark_failed(figure, verdict)


@literal
def sampler(posterior: az.InferenceData, verdict: Verdict | None = None) -> Figure:
    """Return the ranks of each chain's draws among all: near the dashed line where chains agree."""
    names = _populations(posterior) or [str(n) for n in posterior.posterior.data_vars][:1]
    verdict = verdict_of(posterior, verdict)
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
    return mark_failed(figure, verdict)


def _populations(posterior: az.InferenceData) -> list[str]:
    """Return the variables of the population that are told, without functions of others."""
    told = [f"{name}_population" for name in learning.told(posterior.posterior)]
    skipped = f"{learning.COEFFICIENTS}_population"
    return [name for name in told if name in posterior.posterior and name != skipped]


def _panels(posterior: az.InferenceData) -> dict[str, _Panel]:
    """Return the panels of a forest by label: coefficients, losses, preferences."""
    out = _members(posterior, learning.PARAMETERS, "{}")
    if learning.COEFFICIENTS not in posterior.posterior:
        out |= _members(posterior, *COEFFICIENTS)
    for one in forgetting(posterior):
        alone = _alone(posterior, "loss", {"weight": one.loss.weight})
        out[f"what {one.loss.weight}\nloses in a trial (%)"] = _Panel(
            PERCENT * one.animals,
            None if one.population is None else PERCENT * one.population,
            None if alone is None else PERCENT * alone,
        )
    return out | _members(posterior, "preference", PREFERENCE)


def _members(posterior: az.InferenceData, name: str, label: str) -> dict[str, _Panel]:
    """Return the panel of each member of a group of values, or of its one value."""
    draws = posterior.posterior
    if name not in draws:
        return {}
    values = draws[name].stack(sample=("chain", "draw"))
    members = [str(d) for d in values.dims if d not in ("sample", "animal")]
    out = {}
    for where in [{members[0]: k} for k in values[members[0]].values] if members else [{}]:
        population = None
        if f"{name}_population" in draws:
            population = np.ravel(draws[f"{name}_population"].sel(where).to_numpy())
        own = values.sel(where).transpose("sample", "animal").to_numpy()
        alone = _alone(posterior, name, where) if name in RULE else None
        which = "".join(f" {k}" for k in where.values())
        out[label.format(which).strip()] = _Panel(own, population, alone)
    return out


def _alone(posterior: az.InferenceData, name: str, where: dict[str, str]) -> np.ndarray | None:
    """Return ends and middle ``(animal, 3)`` of what each animal says alone, if that is stored."""
    found = stored(posterior)
    if found is None or name not in found:
        return None
    return found[name].sel(where).sel(statistic=["5 %", "median", "95 %"]).to_numpy()
