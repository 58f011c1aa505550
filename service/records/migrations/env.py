"""Run by Alembic, in the transaction of service.records.migrate: all of an upgrade happens, or none."""

from alembic import context

from service.records.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
