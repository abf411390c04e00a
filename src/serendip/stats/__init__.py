"""Counts, masses and scores to p-values: smooth fits, excesses, bump hunts, look-elsewhere, tails, two-sample tests."""
