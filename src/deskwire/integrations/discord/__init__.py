"""Discord, through its bot: what the bot posts, what it means, and a sender of the same format."""
