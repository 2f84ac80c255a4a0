"""Every figure and table of the paper, and the benchmark, one script after the other.

    python analysis/all.py --quick|--full [--flies DATA] --out DIR

`--quick` runs tiny sizes, as CI does; `--full` what analysis/README.md reports, in about nine hours
on two cores. Without `--flies` the scripts of the flies simulate some. What is finished in DIR is
kept, so that a stopped run goes on. A script that fails does not stop the others; it is named at
the end, with exit code 1.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from hebbax.cli.console import CONSOLE
from hebbax.cli.options import out_option
from hebbax.cli.script import entry

OF_FLIES = (
    "first_parts", "five_terms", "fly_evidence", "fig8_heldout", "fig9_forgetting",
    "fig4_flies", "fly_terms",
)  # fmt: skip
"""Scripts that take recordings; fig9_forgetting.py takes the posteriors of fig8_heldout.py."""

SIMULATED = (
    "fig2_oja", "fig3_reward", "table3_rules", "table2_scale", "fig5_sparsity", "fig6_window",
    "fig7_input", "sparse_cohorts", "false_alarms", "benchmark", "benchmark_weighing",
    "stan_bandit", "forced_trials",
)  # fmt: skip


def finished(
    name: str, *, quick: bool, flies: Path | None, out: Path, environment: dict[str, str]
) -> bool:
    """Run one script to its end, say how long it took, and return whether it succeeded."""
    CONSOLE.rule(name)
    arguments = [str(flies)] if flies and name in OF_FLIES else []
    arguments += ["--quick"] if quick else []
    script = Path(__file__).with_name(f"{name}.py")
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, script, *arguments, "--out", out], check=False, env=environment
    )
    CONSOLE.print(f"{name}: {time.monotonic() - begun:.0f} s")
    return not done.returncode


@click.command("all", help=__doc__.split("\n", 1)[0])
@click.option("--quick/--full", required=True, help="tiny sizes, or those of analysis/README.md")
@click.option("--flies", type=click.Path(path_type=Path), help="recordings of accepted choices")
@out_option
def main(quick: bool, flies: Path | None, out: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="hebbax-") as programs:
        # What several scripts run is compiled once.
        with_cache = {"JAX_COMPILATION_CACHE_DIR": programs, **os.environ}
        failed = [
            name
            for name in (*SIMULATED, *OF_FLIES)
            if not finished(name, quick=quick, flies=flies, out=out, environment=with_cache)
        ]
    if failed:
        CONSOLE.print(f"failed: {', '.join(failed)}")
        sys.exit(1)


if __name__ == "__main__":
    entry(main)
