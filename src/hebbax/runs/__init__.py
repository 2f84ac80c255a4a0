"""What runs around an analysis: whole files, tables that grow, processes that share work."""
