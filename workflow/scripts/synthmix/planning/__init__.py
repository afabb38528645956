"""From config.yaml and studies to specs and jobs: what is known before the first job starts."""
