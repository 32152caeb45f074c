"""Run a serving process with the application, its services, metrics and admin commands."""
