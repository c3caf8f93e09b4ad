"""Networks that run in a page, forwards and backwards, with no server.

``plan`` says how; the engine that does it is JavaScript, in ``cnnlib/widgets/live``.
"""

from cnnlib.live.plan import describe, plan

__all__ = ["describe", "plan"]
