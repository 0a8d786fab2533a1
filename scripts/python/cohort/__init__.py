"""Many cases: what scripts/cohort and scripts/slurm share."""
