"""What preflight asks of API servers, model servers and registries. It only reads.

`inspector` puts the rest together; the decision what of it matters is `decide.surveying`'s.
"""
