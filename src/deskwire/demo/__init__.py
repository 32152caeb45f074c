"""Run the demo: seed an empty database with a history, then simulate live activity."""
