"""Runs toys in a process of its own, to be killed: FOLDER COUNT WAIT_S WORKERS SHARD_I SHARD_N."""

import sys

from toy_tasks import ToyConfig, draw

from serendip.run import EngineSettings, RunFolder, Stage, run_stage

if __name__ == "__main__":
    path, count, wait_s, workers, i, n = sys.argv[1:]
    run_stage(
        RunFolder.open(path, {"seed": 1}),
        Stage("draw", draw, int(count)),
        ToyConfig(wait_s=float(wait_s)),
        settings=EngineSettings(workers=int(workers)),
        shard=(int(i), int(n)),
    )
