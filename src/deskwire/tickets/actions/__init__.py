"""Change tickets; each action writes its rows and its event in one transaction."""
