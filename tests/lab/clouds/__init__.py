"""Do clouds and their clusters believe the operator? Token servers and an authenticator, on one loopback port.

`Clouds` gives tokens as Amazon STS, Google and Microsoft Entra ID do, and answers an API server's
TokenReviews as the clusters of those clouds do: what was not signed by the right key, is for another
cluster or too old is refused. Projected tokens are verified by the API server that signed them.
"""

from tests.lab.clouds.server import Clouds, clouds

__all__ = ["Clouds", "clouds"]
