"""The report of a study: its texts, and what they are written as."""
