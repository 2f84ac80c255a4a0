import jax.numpy as jnp


def risk_sensitive(x, w, r, n, rate, gain, loss, beta):
    """The value of the chosen stimulus follows good and bad surprises at rates of their own."""
    error = beta * r - w
    return n * x / rate * jnp.where(error > 0.0, gain, loss) * error


risk_sensitive.model = {
    "readout": "softmax",
    "reward": "raw",
    "parameters": {
        "gain": {"range": "unit", "median": 0.4, "scale": 1.0},
        "loss": {"range": "unit", "median": 0.4, "scale": 1.0},
        "beta": {"range": "positive", "median": 3.0, "scale": 0.8},
    },
}
