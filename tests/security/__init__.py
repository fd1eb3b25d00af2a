"""What a user can rely on if a server, the network, a file or another user of the machine is hostile."""
