"""The mathematics of diffusion: levels, schedules, predictions, conditions, guidance and states."""
