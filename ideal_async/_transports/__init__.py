"""Which transport carries submits, looks and downloads, and which of its failures prove that nothing was sent."""

from .body import Unpacker, read_body
from .environment import Proxies, trusted
from .lanes import LaneTransport
from .patches import is_transport_patched
from .pool import RenewedTransport
from .proof import Trace, aiohttp_sent_nothing, httpcore_sent_nothing, sent_nothing
from .senders import (
    DOWNLOADS_AT_ONCE,
    JUST_USED,
    KEEP_ALIVE,
    POSTS_AT_ONCE,
    ClientSender,
    DirectSender,
    Sender,
    Transports,
)

__all__ = [
    "DOWNLOADS_AT_ONCE",
    "JUST_USED",
    "KEEP_ALIVE",
    "POSTS_AT_ONCE",
    "ClientSender",
    "DirectSender",
    "LaneTransport",
    "Proxies",
    "RenewedTransport",
    "Sender",
    "Trace",
    "Transports",
    "Unpacker",
    "aiohttp_sent_nothing",
    "httpcore_sent_nothing",
    "is_transport_patched",
    "read_body",
    "sent_nothing",
    "trusted",
]
