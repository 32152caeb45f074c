"""One serving process: the application, its background services, and what operators see of it."""
