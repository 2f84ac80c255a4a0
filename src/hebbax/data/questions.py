"""Values that look like something else than they are taken for: asked about, not guessed."""

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
from scipy.sparse.csgraph import connected_components

from hebbax.data.headers import listed, option
from hebbax.data.sessions import Sessions
from hebbax.validation.quoting import plain

NOTHING = frozenset(
    (
        *("none", "no", "nil", "nothing", "omit", "omitted", "omission", "miss", "missed"),
        *("missing", "nochoice", "noresponse", "noresp", "nogo", "nr", "timeout", "skip"),
        *("skipped", "abort", "aborted", "invalid", "unknown", "na", "nan", "null", "?", "-", "."),
    )
)
"""Names of no choice, without capitals, blanks, dashes and underscores."""

CODES = (-999, -99, -9, -1, 0, 9, 99, 999)
"""Numbers that often stand for a missing choice."""

REWARD_CODES = (-999, -99, -9, -1, 9, 99, 999)
"""Numbers that often stand for a missing reward."""

FEW, FEW_OF_OTHERS = 10, 0.1
"""Free choices, and part of those that others make, under which an animal is asked about."""

ENOUGH = 20
"""Free choices that are not all alike by chance."""

USUAL = 0.1, 10.0
"""Sizes of the largest reward between which prior scales are meant for it."""

RARE = 0.01
"""Part of the choices, or of the encounters where these were recorded, under which an alternative
may be a misprint."""


def questions(sessions: Sessions) -> Iterator[str]:
    """Yield a sentence for each value that looks like something else."""
    yield from _codes(sessions)
    yield from _alike(sessions.animals, "animals")
    yield from _alike(sessions.stimuli, "alternatives")
    for name, values in sessions.covariates.items():
        if isinstance(values[0], str):
            yield from _alike(tuple(dict.fromkeys(map(str, values))), f"levels of {plain(name)}")
    yield from _apart(sessions)
    yield from _rare(sessions)
    yield from _rewards(sessions)
    yield from _short(sessions)
    yield from _one_sided(sessions)


def _codes(sessions: Sessions) -> Iterator[str]:
    """Ask about alternatives that look like a code for a missing choice."""
    chosen = sessions.choices[sessions.valid]
    rewards = sessions.rewards[sessions.valid]
    for k, name in enumerate(sessions.stimuli):
        own = rewards[chosen == k]
        # An omitted trial has no reward of its own: a code is rewarded alike, whenever it stands.
        number = _is_code(name, sessions.stimuli) and len(np.unique(own)) == 1
        if re.sub(r"(?<=\w)[\s_-]+", "", name.casefold()) in NOTHING or number:
            if sessions.rejections is None:
                yield (
                    f'"{name}" was chosen in {len(own)} trials; if it stands for no choice, read '
                    f"the table with {option('no-choice', name)}."
                )
            else:  # a row is an encounter, and a trial without a choice needs no row to say so
                yield (
                    f'"{name}" was met in {_frequency(sessions)[k]} encounters; if it stands for '
                    "none, leave these encounters out."
                )


def _is_code(name: str, names: tuple[str, ...]) -> bool:
    """Whether a number stands apart from the other numbers, or before them."""
    if len(names) < 3 or not all(re.fullmatch(r"-?[0-9]+", one) for one in names):
        return False
    number, others = int(name), {int(one) for one in names if one != name}
    return number in CODES and (number <= 0 or number - 1 not in others)


def _alike(names: tuple[str, ...], kind: str) -> Iterator[str]:
    """Ask about animals or alternatives, as ``kind`` says, that look alike: they differ in capitals
    or blanks only, or in how a letter, a dash or a number is written."""
    groups: dict[str | Decimal, list[str]] = {}
    for name in names:
        groups.setdefault(_looks(name), []).append(name)
    for alike in groups.values():
        if len(alike) > 1:
            quoted = " and ".join(f'"{name}"' for name in alike)
            yield (
                f"{quoted} look alike, and count as {len(alike)} {kind}; if they are one, give "
                "them one name."
            )


def _looks(name: str) -> str | Decimal:
    """Return what names that look alike share: a number where it is one."""
    text = unicodedata.normalize("NFKC", name).replace("\u2212", "-")
    text = "".join(text.casefold().split())
    number = text.replace(",", ".")
    return Decimal(number) if re.fullmatch(r"-?[0-9]+([.][0-9]*)?", number) else text


def _apart(sessions: Sessions) -> Iterator[str]:
    """Ask about two sets of as many alternatives of which no session has both: two codings of one
    choice look like that."""
    n, met = sessions.n_stimuli, np.eye(sessions.n_stimuli, dtype=bool)
    for a in range(sessions.n_animals):
        made = sessions.valid[a]
        for session in np.unique(sessions.session[a, made]):
            own = np.unique(sessions.choices[a, made & (sessions.session[a] == session)])
            met[np.ix_(own, own)] = True
    n_parts, part = connected_components(met)
    if n_parts == 2 and n > 2 and 2 * part.sum() == n:
        first, second = (
            " and ".join(f'"{name}"' for name in np.array(sessions.stimuli)[part == k])
            for k in range(2)
        )
        yield (
            f"No session has choices of {first} and of {second}; if they are two names of the "
            "same, give them one, and read another task by itself."
        )


def _rare(sessions: Sessions) -> Iterator[str]:
    """Ask about alternatives that were hardly ever chosen or, where rejections were recorded, met:
    one that was met and rejected is no misprint."""
    counts = _frequency(sessions)
    whole = counts.sum()
    done, of = ("chosen", "trials") if sessions.rejections is None else ("met", "encounters")
    for name, count in zip(sessions.stimuli, counts, strict=True):
        if count < RARE * whole:
            yield (
                f'"{name}" was {done} in {count} of {whole} {of}; if it is a misprint, correct it.'
            )


def _frequency(sessions: Sessions) -> np.ndarray:
    """Return how often each alternative ``(stimulus,)`` was chosen; where rejections were recorded,
    how often it was met."""
    counts = np.bincount(sessions.choices[sessions.valid], minlength=sessions.n_stimuli)
    return counts if sessions.rejections is None else counts + sessions.rejections.sum(axis=(0, 1))


def _rewards(sessions: Sessions) -> Iterator[str]:
    """Ask about rewards that never differ, are of an unusual size, look like a code, or name the
    side."""
    chosen = sessions.choices[sessions.valid]
    rewards = sessions.rewards[sessions.valid]
    values, counts = np.unique(rewards, return_counts=True)
    if len(values) == 1:
        yield f"Every reward is {values[0]:g}: of rewards that never differ nothing is learnt."
        return
    rest = set(values) - set(REWARD_CODES)
    if rest == {0, 1}:
        for value, count in zip(values, counts, strict=True):
            if value in REWARD_CODES:
                yield (
                    f"The reward {value:g} stands in {count} trials among 0 and 1; if it is a code "
                    "for a missing value, leave choice and reward of these trials empty."
                )
    elif not USUAL[0] <= (largest := np.abs(values).max()) <= USUAL[1]:
        yield (
            f"Rewards are {values[0]:g} to {values[-1]:g}: prior scales are of rewards near 1, so "
            f"divide them by a number like {10.0 ** np.round(np.log10(largest)):g}."
        )
    each = [np.unique(rewards[chosen == k]) for k in np.unique(chosen)]
    if all(len(own) == 1 for own in each) and len(values) == len(each):
        names = [sessions.stimuli[k] for k in np.unique(chosen)]
        pairs = ", ".join(f"{n} {own[0]:g}" for n, own in zip(names, each, strict=True))
        yield (
            f"Every alternative has a reward of its own ({pairs}); if the column names the choice, "
            "give another as the reward."
        )


def _short(sessions: Sessions) -> Iterator[str]:
    """Ask about animals without a free choice, with one, before which none could learn, and with
    far fewer than the others."""
    n_free = (sessions.valid & sessions.free).sum(axis=1)
    none = np.array(sessions.animals)[n_free == 0]
    if len(none):
        yield (
            f"{listed(list(none))} made no choice freely: nothing says what was learnt; if free "
            "trials are missing, add them."
        )
    middle = np.median(n_free)
    for a in np.flatnonzero((n_free > 1) & (n_free < FEW) & (n_free < FEW_OF_OTHERS * middle)):
        yield (
            f"{sessions.animals[a]} made {n_free[a]} free choices, where half of the animals made "
            f"{middle:g} or more: what is said of it is what is said of the others; if trials are "
            "missing, add them."
        )
    names = np.array(sessions.animals)[n_free == 1]
    if len(names):
        yield (
            f"{listed(list(names))} made one free choice: what an animal learns shows from its "
            "second on; if trials are missing, add them."
        )


def _one_sided(sessions: Sessions) -> Iterator[str]:
    """Ask about animals that chose one alternative alone, where there was another."""
    free = sessions.valid & sessions.free
    for a, animal in enumerate(sessions.animals):
        own = sessions.choices[a, free[a]]
        other = sessions.at_hand[a, free[a]].sum() > len(own)
        if len(own) >= ENOUGH and other and len(np.unique(own)) == 1:
            yield (
                f"{animal} chose {sessions.stimuli[own[0]]} in all of {len(own)} free choices: "
                "these say nothing of learning; if the column is another one's, or the animal did "
                "not work, leave it out."
            )
