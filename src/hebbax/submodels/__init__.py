"""Sub-models of one rule: their evidence by Laplace, and the search for the best of them."""
