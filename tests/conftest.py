"""No test fails for being slow: `spillover bench` measures speed, and machines that run tests are busy."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
