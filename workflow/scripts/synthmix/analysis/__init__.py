"""What tables and figures show, computed from the results of a study."""
