"""The answer of a study in words: what fades, which model predicts best, what it misses."""

from functools import partial

from hebbax.check.joint import Joint
from hebbax.posterior import forgetting, levels, prior_tails
from hebbax.reporting.study import Study
from hebbax.runs.attempts import Failed, attempt, said


def answer(study: Study) -> str:
    """Return the answer in a few sentences (`answers`)."""
    return " ".join(answers(study).values())


def answers(study: Study) -> dict[str, str]:
    """Return the answer by what its sentences are about: what fades by all models that predict as
    well as the best, which model predicts best, its forgetting term, what it misses.

    Coefficients are those of the best model that did not fail its diagnostics. Where all did
    it is said which values of the best one sit far out in their priors: that may be why.
    """
    best = said(attempt("The comparison", lambda: study.compared.sentence))
    parts = {"What fades": study.joint.sentence if isinstance(study.joint, Joint) else ""}
    parts["Which model predicts best"] = best
    if not study.trusted:
        parts["Coefficients"] = "Nothing is said of any coefficients."
        parts["The prior"] = _far_out(study, study.ranking[0])
        return {about: text for about, text in parts.items() if text}
    leading = study.leading
    if isinstance(study.compared, Failed):
        parts["Which model predicts best"] += f" What follows is of {leading}."
    posterior = study.posteriors[leading]
    term = attempt(
        f"The forgetting of {leading}",
        partial(forgetting.forgetting_sentence, posterior, study.verdicts[leading]),
    )
    groups = attempt(
        f"The groups of {leading}",
        partial(levels.sentence, posterior, study.verdicts[leading]),
    )
    missed = attempt(f"The check of {leading}", lambda: study.checks[leading].sentence)
    parts[f"Forgetting, by {leading}"] = said(term)
    parts[f"Groups, by {leading}"] = said(groups)
    parts["The prior"] = _far_out(study, leading)
    parts["Checks"] = said(missed)
    return {about: text for about, text in parts.items() if text}


def _far_out(study: Study, name: str) -> str:
    """Return which values of a model sit far out in their priors, in words."""
    told = partial(prior_tails.sentence, study.posteriors[name], study.verdicts[name])
    return said(attempt(f"The prior of {name}", told))
