"""Which failures of which transport prove that nothing was sent."""


def sent_nothing(error: BaseException) -> bool:
    """Tell whether a request that ended in *error* certainly never reached the other side.

    Only what was proven for a transport is believed: httpcore (and httpcore2) raise these three before the first byte
    of a request is written. httpx-aiohttp 0.2.0 does not: a connection reset behind a complete request comes out of it
    as `ConnectTimeout`, so there only aiohttp's own word counts, whatever it was translated into.
    """
    cause = error.__cause__
    if cause is None:
        return False
    name, package = type(cause).__name__, type(cause).__module__.partition(".")[0]
    if package in {"httpcore", "httpcore2"}:
        return name == type(error).__name__ and name in {"ConnectError", "ConnectTimeout", "PoolTimeout"}
    bases = {base.__name__ for base in type(cause).__mro__ if base.__module__.partition(".")[0] == "aiohttp"}
    return not bases.isdisjoint({"ClientConnectorError", "ConnectionTimeoutError"})
