"""One believable brokerage, made from a seed: for `make run`, for screenshots, for trying things."""
