"""HTTP itself: middleware, forms, uploads, ranges, errors."""
