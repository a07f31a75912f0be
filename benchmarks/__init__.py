"""How light a guest the library is: see README.md in this folder."""
