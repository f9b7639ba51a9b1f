"""What rows come as, before they are the engine's; knows no solver."""
