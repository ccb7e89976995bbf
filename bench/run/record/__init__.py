"""What any command sends to the server, recorded as migrations of plain SQL."""
