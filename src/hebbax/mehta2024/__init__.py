"""What only the replication of Mehta et al. (2024) needs: its simulated behaviour and scores."""
