"""How a route's weights are read and written.

Adapters behind `ports.Router`; nothing here decides how much traffic goes where. Reading order:
layout (what a kind of route has to say of itself), gatewayapi and acceptance (the first kind), claim,
seen, patch (all pure), object (any kind on an API server), watch; layouts says which kind is meant.
"""
