"""Manage organizations: settings, members, permissions, invitations, and the staff of the desk."""
