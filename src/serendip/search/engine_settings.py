"""From the config's engine section to the engine's own settings."""

from serendip.config.schema import Engine
from serendip.run.cluster import EngineSettings


def settings_of(engine: Engine) -> EngineSettings:
    """The same values; the config only spares the reader the engine's classes."""
    return EngineSettings(engine.workers, engine.scheduler, engine.jobqueue, engine.options, engine.retries)
