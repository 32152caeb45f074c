"""Client organizations: members, permissions, invitations, settings, and the team itself."""
