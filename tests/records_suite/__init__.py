"""What every record store must do. tests/unit/records runs it on SQLite, tests/records on PostgreSQL."""
