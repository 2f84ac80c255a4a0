"""Which terms a rule needs: sub-models weighed, projected, put into words."""
