"""From draws to answers about one fit: stored, summarised, diagnosed."""
