"""Golden inputs: where they are kept, how each protocol spells them, and both sides' model servers.

The adapter behind `ports.Replayer`. May know the network; may not judge, and logs nothing of what it
sends, receives or reads from a Secret.
"""
