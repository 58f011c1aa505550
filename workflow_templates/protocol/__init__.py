"""What the service and the steps agree on, and the only code that both import. Standard library only."""
