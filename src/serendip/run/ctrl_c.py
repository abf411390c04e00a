"""Loaded by Dask's local workers: Ctrl-C is for the process that drives them, which then closes them quietly."""

import signal


def dask_setup(worker: object) -> None:
    """Ignore the interrupt that a terminal sends to the whole group of processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
