"""The one door to the service: connecting, files, jobs, watching, deployments, copies.

Everything the network carries passes through here, by way of the openai SDK, whose objects are handed on as
they are. What the service answers with an error arrives as the SDK's own exception.
"""

from tunebook.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
