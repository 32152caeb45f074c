"""Mirror Discord servers: guilds, their team roles, members and permissions."""
