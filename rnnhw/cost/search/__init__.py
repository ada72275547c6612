"""The search for lanes and schedules."""
