"""The vendor's three price tables, written down a second time."""

#: Credits by model, sound, resolution and seconds; vendor's page "Credits Deduction", updated 2026-03-25.
#: Kept apart from the client's own table on purpose: a slip in one of them shows as a difference.
PRICES = {
    ("Flash", False): {
        ("480p", 5): 10,
        ("480p", 10): 20,
        ("720p", 5): 20,
        ("720p", 10): 40,
        ("1080p", 5): 40,
        ("1080p", 10): 80,
    },
    ("Base", False): {
        ("480p", 5): 8,
        ("480p", 10): 16,
        ("720p", 5): 16,
        ("720p", 10): 32,
        ("1080p", 5): 32,
        ("1080p", 10): 64,
    },
    ("Base", True): {
        ("480p", 5): 16,
        ("480p", 10): 32,
        ("720p", 5): 32,
        ("720p", 10): 64,
        ("1080p", 5): 64,
        ("1080p", 10): 128,
    },
}


def price(model_type: str, resolution: str, duration: int, *, audio: bool) -> int:
    """The credits one video costs.

    >>> price("Base", "1080p", 10, audio=True)
    128
    """
    return PRICES[model_type, audio][resolution, duration]
