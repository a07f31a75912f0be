"""Web applications as the README shows them, and the servers the tests run them on."""
