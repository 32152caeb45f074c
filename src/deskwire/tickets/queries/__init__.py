"""Reading tickets: lists, one in detail, counts, the dashboard."""
