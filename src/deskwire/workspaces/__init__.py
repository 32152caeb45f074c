"""Where work belongs: guilds (Discord servers), their roles and members, and who may do what."""
