"""How fast hebbax weighs and calibrates: all sub-models of ten terms, a simulation of `calibrate`.

    python analysis/benchmark_weighing.py [--quick] --out DIR [--data DATA] [--workers N]

The pass, with the exchange between neighbours that follows it in `hebbax terms`, is made twice on
the same recordings, simulated ones unless ``--data`` gives others: the first time compiles. The
simulations are those of `hebbax calibrate forgetting` on N workers, two unless ``--workers`` says
otherwise; counted are those that are finished after the first two of each worker, which compiled.
Written is ``benchmark_weighing.csv``; what is there is not measured again.
"""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from benchmark import cohort
from fly_terms import TEN

import hebbax
from hebbax.check import sbc
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.inference import pseudo_marginal
from hebbax.model.spec import ModelSpec
from hebbax.runs.ledger import Ledger
from hebbax.runs.workers import Workers
from hebbax.simulation.cohort import Cohort
from hebbax.simulation.environment import Task
from hebbax.submodels import laplace, scaling
from hebbax.submodels.climbs import Climb
from hebbax.submodels.search import enumerate_all, exchange

KEYS = ("what", "data")

EFFECT = 0.3
"""That of the pass which is timed, of those of `hebbax terms`."""


@dataclass(frozen=True)
class Plan:
    """The candidate ``terms`` and the cohort whose choices are simulated; how a simulation of
    ``calibrate`` is made, and how many of them each worker makes after the first two."""

    terms: tuple[str, ...]
    cohort: Cohort
    calibrated: sbc.Settings
    simulations: int
    workers: int = 2


FULL = Plan(TEN, Cohort(animals=12, trials_per_block=80), sbc.Settings(), 20)
QUICK = Plan(
    TEN[3:5],
    Cohort(animals=3, trials_per_block=20),
    sbc.Settings(
        animals=3,
        task=Task(40, 2, (0.2, 0.8), "baited"),
        sampler=pseudo_marginal.Settings(
            chains=2, warmup=13, draws=30, points=8, most_thinning=1
        ),
    ),
    simulations=1,
    workers=1,
)  # fmt: skip


@click.command("benchmark_weighing", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
@click.option("--data", type=click.Path(path_type=Path), help="recordings, else simulated ones")
@click.option("--workers", type=click.IntRange(1), help="of the calibration; two without it")
def main(quick: bool, out: Path, data: Path | None, workers: int | None) -> None:
    plan = QUICK if quick else FULL
    if workers is not None:
        plan = replace(plan, workers=workers)
    sessions = cohort(plan.cohort) if data is None else hebbax.read(data)
    prepare_folder(out)
    ledger = Ledger(out / "benchmark_weighing.csv", KEYS, plan)
    source = "simulated" if data is None else "given"
    if not ledger.done(what="sub-models", data=source):
        ledger.add([{"data": source, **row} for row in weighing(plan, sessions)])
    if not ledger.done(what="simulation", data="simulated"):
        ledger.add([{"data": "simulated", **simulations(plan)}])
    shown = ledger.frame.astype(str).set_index("what")
    print_table(table("what", shown.assign(seconds=ledger.frame["seconds"].to_numpy())))
    CONSOLE.print(ledger.provenance)


def weighing(plan: Plan, sessions: hebbax.Sessions) -> list[dict[str, Any]]:
    """Return the rows of the pass over all sub-models, compiled meanwhile and once compiled."""
    spec = ModelSpec("candidates", plan.terms)
    model = scaling.candidate_model(sessions, spec)
    with progress("scales") as report:
        information = scaling.choice_information(model, progress=report).per_choice
    scales = scaling.member_scales(model, scaling.information_scales(information, EFFECT))
    climb, rows = Climb(model, scales, laplace.Settings()), []
    for how in ("compiled meanwhile", "compiled"):
        begun = time.perf_counter()
        with progress(how) as report:
            solved = enumerate_all(climb, report)
            exchange(climb, solved, report)
        seconds = time.perf_counter() - begun
        size = {"animals": sessions.n_animals, "number": len(solved), "workers": 1}
        rows.append({"what": "sub-models", "how": how, **size, "seconds": seconds})
    return rows


def simulations(plan: Plan) -> dict[str, Any]:
    """Return the row of a simulation, the seconds of one with all workers at work."""
    first = 2 * plan.workers
    n = first + plan.workers * plan.simulations
    times: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder, progress("calibrate") as report:

        def note(what: str, done: int, total: int) -> None:
            times[done] = time.perf_counter()
            report(what, done, total)

        spec = hebbax.read_spec("forgetting")
        sbc.calibrate(spec, plan.calibrated, n, Path(folder), Workers(plan.workers), note)
    seconds = (times[n] - times[first]) / (n - first)
    size = {"animals": plan.calibrated.animals, "number": n - first, "workers": plan.workers}
    return {"what": "simulation", "how": "compiled", **size, "seconds": seconds}


if __name__ == "__main__":
    entry(main)
