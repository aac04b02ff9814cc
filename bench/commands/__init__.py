"""The commands: configuration stops here."""
