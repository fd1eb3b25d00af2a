"""What the SDK reaches, in figures. See the README of this directory."""
