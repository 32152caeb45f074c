"""Discord servers: the guild, its team roles, members and permissions."""
