"""Handle HTTP itself: middleware, forms, uploads, ranges, problem documents."""
