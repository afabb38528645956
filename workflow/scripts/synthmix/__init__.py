"""The library that scripts and the Snakefile import. Importing it in a job starts to measure the job's energy."""

from synthmix import energy

energy.watch()
