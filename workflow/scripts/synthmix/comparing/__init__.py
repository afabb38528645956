"""Two sides compared: runs, studies, and a study at two commits."""
