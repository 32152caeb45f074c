"""Changes to tickets; each writes its rows and its event in one transaction."""
