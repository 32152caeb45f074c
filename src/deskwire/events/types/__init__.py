"""Define every type of event, and generate the files derived from them."""
