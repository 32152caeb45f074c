"""Files of tickets: uploads, types, thumbnails, avatars, clean-up."""
