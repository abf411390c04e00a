"""The config: one YAML file, checked before anything runs; every key is also a Python keyword."""

from serendip.config.load import load_config, make_config
from serendip.config.schema import Config

__all__ = ["Config", "load_config", "make_config"]
