"""Is this sample what the reference says? Learned and classical tests on one contract, with one calibration."""

from serendip.stats.sample_tests.registry import TESTS, PreparedTest, SampleTest, make_test
from serendip.stats.sample_tests.sample import Sample

__all__ = ["TESTS", "PreparedTest", "Sample", "SampleTest", "make_test"]
