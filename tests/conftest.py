"""Hypothesis profiles: the default is deterministic and short; ``--hypothesis-profile=long``."""

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

settings.register_profile(
    "short", derandomize=True, deadline=None, max_examples=100, suppress_health_check=_SLOW
)
settings.register_profile(
    "long", deadline=None, max_examples=5000, suppress_health_check=_SLOW, print_blob=True
)
settings.load_profile("short")
