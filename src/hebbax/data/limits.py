"""How large recorded trials may be. Every reader asks before it allocates anything."""

MAX_STIMULI = 100
"""Alternatives of one recording."""

MAX_ANIMALS = 10_000
"""Animals of one recording."""

MAX_TRIALS = 1_000_000
"""Trials of one animal."""

MAX_CELLS = 50_000_000
"""Numbers of one array: animals x longest session x alternatives, or one variable of a file."""

MAX_ROWS = 5_000_000
"""Rows of a table."""

MAX_COLUMNS = 10_000
"""Columns of a table."""

MAX_BYTES = 200_000_000
"""Bytes of a table, unpacked."""

MAX_FILES = 10_000
"""Files or folders in a folder of recordings."""

MAX_REJECTIONS = 1_000_000
"""Rejections of one alternative in one trial: their sum over a session stays exact."""

MAX_REWARD = 1e9
"""Largest size of a reward: squares and sums of it over a million trials stay finite."""

MAX_SECONDS = 50
"""Seconds that reading files in a process of its own may take."""

MAX_MEMORY = 4 * 1024**3
"""Bytes that a process which reads files may ask for."""
