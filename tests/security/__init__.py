"""What a user can rely on when a server, the network, a file or a neighbour means harm."""
