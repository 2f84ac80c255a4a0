"""The task of recorded animals, as free runs live it: blocks, reward probabilities, baiting.

Blocks are the recorded ones or of a number of trials; the reward probabilities of each are those of
a table, or estimated from what was collected (`hebbax.simulation.contingency`); whether an armed
reward waits is asked for, or decided by the recorded rewards (`hebbax.simulation.baiting`).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from hebbax.check.replicates import RecordedTask
from hebbax.data import Sessions
from hebbax.errors import FitError
from hebbax.simulation.baiting import Decision, decide
from hebbax.simulation.contingency import estimate, read_contingencies
from hebbax.simulation.environment import AskedBaiting

FEW = 10
"""Choices of a stimulus in a block from which its reward probability is fairly known."""

NINETY = 1.645
"""Half a central 90 % interval of a normal distribution, in standard deviations."""


def _blocks(recording: Sessions, trials_per_block: int | None) -> np.ndarray:
    """Return the block of each trial ``(animal, trial)`` from 0, -1 in padding."""
    check_blocks(recording, trials_per_block)
    if trials_per_block is None:
        return recording.blocks
    trial = np.arange(recording.max_trials)
    of_session = trial - np.maximum.accumulate(np.where(recording.begins, trial, 0), axis=1)
    counted = np.cumsum(of_session % trials_per_block == 0, axis=1) - 1
    return np.where(recording.blocks < 0, -1, counted)


def check_blocks(sessions: Sessions, trials_per_block: int | None) -> None:
    """Raise `FitError` where a number of trials per block cannot be, or the blocks are recorded."""
    if trials_per_block is None:
        return
    if trials_per_block < 1:
        raise FitError(f"{trials_per_block} trials per block given; a block has 1 or more.")
    if _changes_inside(sessions, sessions.blocks):
        raise FitError(
            f"{sessions.source}: its blocks are recorded; leave out the number of trials per block."
        )


def _changes_inside(sessions: Sessions, blocks: np.ndarray) -> bool:
    """Return whether the block changes inside a session."""
    changes = (np.diff(blocks, axis=1) != 0) & (blocks[:, 1:] >= 0)
    return bool((changes & ~sessions.begins[:, 1:]).any())


def recorded_task(
    recording: Sessions,
    trials_per_block: int | None,
    contingencies: Path | None,
    baiting: AskedBaiting,
) -> tuple[RecordedTask, Decision | None]:
    """Return the task of the recorded animals, and how it was decided whether rewards wait; None
    where they cannot be armed."""
    blocks = _blocks(recording, trials_per_block)
    decision = decide(recording, blocks, baiting) if armed(recording) else None
    # What is not armed cannot wait.
    waits = decision.baiting if decision else "independent"
    if contingencies is None:
        known = estimate(recording, blocks, waits)
    else:
        known = read_contingencies(contingencies, recording, blocks)
    return RecordedTask(recording, blocks, known, waits), decision


def armed(sessions: Sessions) -> bool:
    """Return whether every reward is 0 or 1, so that it can have been armed."""
    return bool(np.isin(sessions.rewards, (0.0, 1.0)).all())


def notes(task: RecordedTask, decision: Decision | None) -> tuple[str, ...]:
    """Return what limits the checks of a task, in sentences."""
    recording, blocks = task.recording, task.blocks
    said = [] if decision is None else [decision.sentence]
    said += task.contingencies.notes
    if not _changes_inside(recording, blocks):
        said.append("Each session was taken as one block of constant reward probabilities.")
    if not armed(recording):
        said.append("Rewards other than 0 and 1 were recorded, so that there is no free run.")
    if recording.rejections is not None:
        said.append("Rejections are not checked, and animals are taken to meet all stimuli alike.")
    if recording.n_stimuli > 2:
        second = recording.stimuli[1]
        said.append(
            "History kernels of free runs are those of two alternatives and stay empty; residual "
            f"kernels are of {second} against all others."
        )
    return tuple(said)


def doubt(task: RecordedTask) -> str:
    """Return why the task that free runs live in may be another than the recorded one, in a
    sentence; nothing where its reward probabilities are known."""
    if not task.contingencies.factor.any():
        return ""
    said = []
    if not _changes_inside(task.recording, task.blocks):
        said.append("no change of reward probabilities inside a session is recorded")
    lived = task.counts[task.counts.sum(-1) > 0]
    least = float(np.median(lived.min(-1)))
    if least < FEW:
        said.append(
            "reward probabilities rest on few choices (in the middle block "
            f"{least:g} of the stimulus that was chosen least)"
        )
    if not said:
        return ""
    return (
        f"Free runs may live in another task than was recorded, since {' and '.join(said)}: what "
        "they alone miss may be of the task, and not of the model; blocks and --contingencies say "
        "what it was."
    )


def contingency_table(task: RecordedTask) -> pd.DataFrame:
    """Return one row an animal, block that it lived in, and stimulus."""
    recording = task.recording
    probability = task.contingencies.probability
    low, high = task.contingencies.interval(NINETY)
    rows = []
    for a, animal in enumerate(recording.animals):
        lived, first = np.unique(task.blocks[a, : recording.n_trials[a]], return_index=True)
        for b, start in zip(lived, first, strict=True):
            for k, stimulus in enumerate(recording.stimuli):
                cell = (a, b, k)
                numbers = (probability[cell], low[cell], high[cell])
                rows.append((animal, b + 1, start + 1, stimulus, *map(float, numbers)))
    names = ["animal", "block", "first trial", "stimulus", "probability", "5 %", "95 %"]
    return pd.DataFrame(rows, columns=names)
