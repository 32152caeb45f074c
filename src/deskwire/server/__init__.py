"""Run a serving process: the application, its background services, metrics and admin commands."""
