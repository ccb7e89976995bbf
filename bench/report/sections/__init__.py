"""The sections of a report, each built once from what a run comes to, for every medium."""
