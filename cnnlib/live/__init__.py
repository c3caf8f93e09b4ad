"""Networks that run in a page, forwards and backwards: plans, weights and the engine."""

