"""What a plan can be expected to do before it is applied: simulated, and replayed over the source's past.

Reading order: chances (one gate in one step), outlook (a whole plan); past (the source's history),
replay (one plan over it), trial (many plans).
"""
