"""Photographs to videos from asyncio and trio, paid for once."""

__version__ = "0.1.0"
