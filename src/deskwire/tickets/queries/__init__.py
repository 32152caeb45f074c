"""Read tickets: lists, one ticket in detail, counts, the dashboard."""
