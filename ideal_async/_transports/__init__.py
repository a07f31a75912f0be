"""Which transport carries submits, looks and downloads, and which of its failures prove that nothing was sent."""

from .body import read_body
from .proof import sent_nothing
from .senders import DOWNLOADS_AT_ONCE, JUST_USED, KEEP_ALIVE, POSTS_AT_ONCE, DirectSender, Sender, Transports

__all__ = [
    "DOWNLOADS_AT_ONCE",
    "JUST_USED",
    "KEEP_ALIVE",
    "POSTS_AT_ONCE",
    "DirectSender",
    "Sender",
    "Transports",
    "read_body",
    "sent_nothing",
]
