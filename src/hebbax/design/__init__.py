"""What an experiment could tell: Fisher information of its trials, before any posterior."""
