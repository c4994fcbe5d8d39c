"""How a route's weights are read and written.

Adapters behind `ports.Router`; nothing here decides how much traffic goes where. Reading order:
claim, backends, acceptance, seen, patch (all pure), httproute, watch.
"""
