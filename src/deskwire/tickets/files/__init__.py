"""Store files of tickets and avatars: uploads, content types, thumbnails, cleanup."""
