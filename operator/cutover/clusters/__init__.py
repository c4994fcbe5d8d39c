"""How API servers are reached: the operator's own and those that kubeconfig Secrets name.

Nothing here decides. What a server or a Secret says comes back as a value; no secret is ever part
of a message, a log line or a repr. Reading order: answers, kubeconfig, pool, connection, secrets,
registry, rollouts.
"""
