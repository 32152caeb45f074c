"""Signing in and out in the browser: pages, cookies, recovery, the mail they send."""
