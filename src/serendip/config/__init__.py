"""The config: one YAML file, checked before anything runs; every key is also a Python keyword."""

from serendip.config.analysis import Analysis, Run
from serendip.config.goodness_of_fit import GoodnessOfFit
from serendip.config.load import json_schema, load_config, make_config
from serendip.config.recoil import Recoil
from serendip.config.schema import Config

__all__ = ["Analysis", "Config", "GoodnessOfFit", "Recoil", "Run", "json_schema", "load_config", "make_config"]
