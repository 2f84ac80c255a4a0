"""The likelihood again, in plain NumPy loops, sharing nothing with the package."""

import math

import numpy as np


def factors(term):
    powers = {"x": 0, "y": 0, "w": 0, "r": 0}
    if term != "1":
        for factor in term.split():
            symbol, _, power = factor.partition("^")
            powers[symbol] = int(power or 1)
    return powers


def bound(w):
    if abs(w) <= 4:
        return w
    excess = abs(w) - 4
    return math.copysign(4 + excess / math.sqrt(1 + excess**2), w)


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def session(terms, theta, choices, rewards, *, raw, n_stimuli, hidden=1, start=0.0, window=10):
    """Yield (trial, choice, acceptance logits before it) of one animal, -1 for no choice, and learn
    from each choice."""
    w = np.full((n_stimuli, hidden), 0.0) + start
    past = [0.0] * window
    for t, (choice, reward) in enumerate(zip(choices, rewards, strict=True)):
        logits = [
            5 * np.mean([math.tanh(0.75 * w[k, h]) for h in range(hidden)])
            for k in range(n_stimuli)
        ]
        yield t, int(choice), logits
        if choice < 0:
            continue
        r = reward if raw else reward - sum(past[-window:]) / window
        new = w.copy()
        for i in range(n_stimuli):
            x = 0.75 if i == choice else 0.0
            for h in range(hidden):
                y = math.tanh(0.75 * w[choice, h])
                change = 0.0
                for term, coefficient in zip(terms, theta, strict=True):
                    p = factors(term)
                    change += (
                        coefficient * x ** p["x"] * y ** p["y"] * w[i, h] ** p["w"] * r ** p["r"]
                    )
                new[i, h] = bound(w[i, h] + change / n_stimuli)
        w = new
        past.append(reward)


def choice_log_likelihood(preference, habit, trials):
    """log P of each accepted stimulus; ``preference`` holds log offers of each stimulus."""
    last, out = None, []
    for _, choice, logits in trials:
        if choice < 0:
            continue
        attraction = [
            math.exp(preference[k] + habit * (k == last)) * sigmoid(logits[k])
            for k in range(len(logits))
        ]
        out.append(math.log(attraction[choice] / sum(attraction)))
        last = choice
    return out


def encounter_log_likelihood(preference, habit, trials, rejections):
    """log P of the encounters of each trial that has one, one Bernoulli after the other."""
    last, out = None, []
    for t, choice, logits in trials:
        p = [sigmoid(logits[k] + preference[k] + habit * (k == last)) for k in range(len(logits))]
        encounters = [math.log(p[choice])] if choice >= 0 else []
        for k, count in enumerate(rejections[t]):
            for _ in range(count):
                encounters.append(math.log(1 - p[k]))
        if encounters:
            out.append(sum(encounters))
        if choice >= 0:
            last = choice
    return out
